"""Entries of journals as lines for people, and as JSON."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge

from paglets.cli.output import clock_text, plain, short_id
from paglets.model.enums import Severity
from paglets.system.user_info.contract import Entry, Page


@dataclass(frozen=True)
class HostEntry:
    """An entry, and the journal it is from."""

    host: str
    journal: str
    entry: Entry


def entries_of(page: Page, entries: Iterable[Entry]) -> Iterator[HostEntry]:
    """Yield entries with the host and journal of their page."""
    return (HostEntry(page.host, page.journal, entry) for entry in entries)


def in_order(journals: Iterable[Iterable[Page]]) -> list[HostEntry]:
    """Return the entries of several journals by time, each journal's own order kept."""
    parts = [
        [found for page in pages for found in entries_of(page, page.entries)] for pages in journals
    ]
    return list(merge(*parts, key=lambda found: found.entry.time))


def as_json(found: HostEntry) -> dict[str, object]:
    """Return an entry as one JSON object."""
    fields = plain(found.entry)
    assert isinstance(fields, dict)
    return {"host": found.host, "journal": found.journal, **fields}


def as_text(found: HostEntry) -> str:
    """Return an entry for people: a line, and below it the rest of a notification."""
    entry = found.entry
    head = f"{clock_text(entry.time)}  {found.host}"
    if entry.stream:
        return f"{head}  {entry.stream} | {shown(entry.text)}"
    grave = "" if entry.severity is Severity.INFO else f"{entry.severity.upper()}  "
    who = "" if entry.source is None else f"  ({short_id(entry.source.agent_id)})"
    first = f"{head}  {grave}{shown(entry.title)}{who}"
    return "\n".join([first, *(_indented(shown(line)) for line in entry.text.splitlines())])


def shown(text: str) -> str:
    """Return text without what would act on a terminal instead of standing there."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _indented(line: str) -> str:
    return textwrap.indent(line, "    ")
