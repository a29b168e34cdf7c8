"""JSON schemas of service operations: shown to people, and used to read what they type. Pure.

Only what msgspec writes is understood; anything else is shown as `any`, and typed values are then
read as JSON where they read as JSON.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from paglets.cli.values import parse_pairs
from paglets.model.message import JsonValue

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Definition:
    """A type of an operation: its name, and each field in a few words."""

    name: str
    fields: tuple[str, ...]


def type_text(schema: Schema) -> str:
    """Return a type in a few words, such as `[string]` or `Words`."""
    text = "any"
    match schema:
        case {"$ref": str(ref)}:
            text = ref.rpartition("/")[2]
        case {"enum": list(values)}:
            text = " | ".join(json.dumps(value) for value in values)
        case {"anyOf": list(options)}:
            text = " | ".join(type_text(option) for option in options)
        case {"type": "array", "prefixItems": list(items)}:
            text = f"[{', '.join(type_text(item) for item in items)}]"
        case {"type": "array", "items": dict(items)}:
            text = f"[{type_text(items)}]"
        case {"type": "object", "additionalProperties": dict(values)}:
            text = f"{{string: {type_text(values)}}}"
        case {"type": str(name), "format": str(form)}:
            text = f"{name} ({form})"
        case {"type": str(name)}:
            text = name
        case _:
            pass
    return text


def definitions(*schemas: Schema) -> Iterator[Definition]:
    """Yield the types that schemas refer to, each once."""
    seen = set()
    for schema in schemas:
        for name, definition in schema.get("$defs", {}).items():
            if name not in seen:
                seen.add(name)
                yield Definition(name, tuple(_field_texts(definition)))


def _field_texts(definition: Schema) -> Iterator[str]:
    required = set(definition.get("required", ()))
    if "properties" not in definition:
        yield type_text(definition)
    for name, field in definition.get("properties", {}).items():
        text = f"{name}: {type_text(field)}"
        if name not in required:
            default = json.dumps(field["default"]) if "default" in field else "…"
            text += f" = {default}"
        yield text


def properties_of(schema: Schema) -> Mapping[str, Schema] | None:
    """Return the fields of a request's schema; None where it is no object with known ones."""
    if "$ref" in schema:
        name = type_text(schema)
        schema = schema.get("$defs", {}).get(name, {})
    found: Mapping[str, Schema] | None = schema.get("properties")
    return found


def parse_request(
    pairs: tuple[str, ...], whole: str | None, schema: Schema
) -> dict[str, JsonValue]:
    """Return a request typed as `key=value` or as one JSON object, by the operation's schema.

    A value of a field that is text stands as it was typed, `5` too; other values are JSON.

    Raises:
        click.UsageError: As `parse_pairs`; or a field is unknown, and those there are are named.
    """
    request = parse_pairs(pairs, whole, "--args")
    fields = properties_of(schema)
    if fields is None:
        return request
    unknown = [name for name in request if name not in fields]
    if unknown:
        takes = ", ".join(fields) or "nothing"
        raise click.UsageError(f"The operation takes {takes}, not {', '.join(unknown)}.")
    for pair in pairs:
        name, _, typed = pair.partition("=")
        if type_text(fields[name]).split()[0] == "string" and not isinstance(request[name], str):
            request[name] = typed
    return request
