"""Results on stdout: tables and JSON. Talk on stderr.

Tables are drawn by rich where a person looks at a terminal, and are plain aligned columns
elsewhere, so that `awk` and `grep` find the same in them every time.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import click
import msgspec

Row = Sequence[object]

SHORT = 8
"""Shortest form of a random id that is shown."""
_RANDOM_ID = 32


def print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print rows under a line of column names; None is shown as `-`."""
    texts = [["-" if cell is None or cell == "" else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, texts)
        return
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    for line in ([name.upper() for name in columns], *texts):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one a line; what is None or empty is left out."""
    shown = {name: value for name, value in facts.items() if value not in {None, ""}}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name.ljust(width)}  {value}")


def print_json(value: object, *, pretty: bool = True) -> None:
    """Print any result as JSON, all fields of it, also those with their default."""
    encoded = msgspec.json.encode(plain(value))
    click.echo((msgspec.json.format(encoded, indent=2) if pretty else encoded).decode())


def print_value(value: object) -> None:
    """Print a reply: text as it is, anything else as JSON."""
    if isinstance(value, str):
        click.echo(value)
    elif value is not None:
        print_json(value)


def say(text: str) -> None:
    """Tell a person something that is no result."""
    click.echo(text, err=True)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is under way, if a person is looking."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # only where a person looks: it takes longer than the call

    with Console(stderr=True).status(text):
        yield


def plain(value: object) -> object:
    """Return structs and dataclasses as plain dicts and lists, raw JSON decoded."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    names: tuple[str, ...] = ()
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
    elif is_dataclass(value):
        names = tuple(each.name for each in fields(value))
    return {name: plain(getattr(value, name)) for name in names} if names else value


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return the shown form of each id: random ones as the shortest unique prefix, at least 8."""
    length = SHORT
    while length < _RANDOM_ID and len({each[:length] for each in set(ids)}) < len(set(ids)):
        length += 1
    return {each: short_id(each, length) for each in ids}


def short_id(agent_id: str, length: int = SHORT) -> str:
    """Return an id as shown in talk: random ones cut, those chosen by people whole."""
    is_random = len(agent_id) == _RANDOM_ID and not set(agent_id) - set("0123456789abcdef")
    return agent_id[:length] if is_random else agent_id


def clock_text(seconds: float) -> str:
    """Return a time as local `HH:MM:SS`, or with its date if that is not today."""
    moment, today = time.localtime(seconds), time.localtime()
    is_today = moment[:3] == today[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S", moment)


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # only on a terminal; it costs 60 ms to load
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.upper(), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
