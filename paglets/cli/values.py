"""`key=value` arguments: a value is JSON where it reads as JSON, else text."""

import json

import click

from paglets.model.message import JsonValue


def parse_pairs(pairs: tuple[str, ...], whole: str | None, option: str) -> dict[str, JsonValue]:
    """Return arguments given as `key=value` or as one JSON object.

    Args:
        pairs: The `key=value` arguments.
        whole: What the option says, None if it was not given.
        option: The option's name, for errors.

    Raises:
        click.UsageError: Neither, both, or a key twice.
    """
    if whole is not None:
        if pairs:
            raise click.UsageError(f"Give key=value or {option}, not both.")
        return _object(whole, option)
    found: dict[str, JsonValue] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is no key=value; for other shapes use {option} JSON.")
        if key in found:
            raise click.UsageError(f"{key!r} is given twice.")
        found[key] = parse_value(text)
    return found


def parse_value(text: str) -> JsonValue:
    """Return `text` as JSON if it is, else as it stands; `'"5"'` is the text 5."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _object(text: str, option: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise click.UsageError(f"{option} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError(f"{option} takes a JSON object, such as '{{\"n\": 1}}'.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
