"""The journal of one host: what is kept, what makes room, and who has read how far.

Pure. Bounds are per severity and per stream, so that neither many small notices push out a grave
one nor a talkative stream a quiet one. Every entry takes one number, so what was dropped between
two numbers can be counted at any time without being remembered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import accumulate

from paglets.model.enums import Severity
from paglets.model.errors import ConflictError, InvalidRequestError
from paglets.model.names import parse_name
from paglets.model.refs import PagletProxyRef
from paglets.system.user_info.contract import (
    LINE_CHARACTERS,
    LINES_AT_ONCE,
    PAGE_ENTRIES,
    TEXT_CHARACTERS,
    TITLE_CHARACTERS,
    Acknowledge,
    Entry,
    Lines,
    Notice,
    Page,
    Reading,
    StreamSummary,
)

_NOTICE_BYTES = 250
"""What a notification takes beside its texts: times, its source, names of fields."""
_LINE_BYTES = 60
"""What a line takes beside its text."""


@dataclass(frozen=True)
class Bounds:
    """How much a journal keeps.

    All of it is committed with each entry, so it stays small: below the 256 KiB up to which a
    state is a row of the host's database and needs no file of its own.
    """

    notices: int = 200
    """Notifications of each severity."""
    notice_bytes: int = 32 * 1024
    """Of the notifications of each severity."""
    lines: int = 500
    """Of each stream."""
    line_bytes: int = 32 * 1024
    """Of the lines of each stream."""
    streams: int = 32
    all_lines_bytes: int = 96 * 1024
    """Of the lines of all streams."""
    readers: int = 64
    page_bytes: int = 64 * 1024
    """Of the entries of one page, which travels as one message."""


@dataclass
class Line:
    """A line of a stream."""

    sequence: int
    time: float
    text: str


@dataclass
class StreamRecord:
    """A stream as it is kept."""

    lines: list[Line] = field(default_factory=list)
    appended: int = 0
    source: PagletProxyRef | None = None


@dataclass
class JournalState:
    """All that a journal is."""

    journal: str = ""
    """Its id, made with it: numbers of another journal mean nothing here."""
    last: int = 0
    """Number of the newest entry."""
    notices: dict[Severity, list[Entry]] = field(default_factory=dict)
    """By severity, oldest first."""
    streams: dict[str, StreamRecord] = field(default_factory=dict)
    """By name, the one that changed last at the end."""
    readers: dict[str, int] = field(default_factory=dict)
    """What each has acknowledged; who did so last stands at the end."""


class Journal:
    """Decides what becomes of entries.

    Args:
        state: What it changes.
        bounds: How much is kept.
    """

    def __init__(self, state: JournalState, bounds: Bounds | None = None) -> None:
        self._state = state
        self._bounds = bounds or Bounds()

    def notify(self, notice: Notice, source: PagletProxyRef | None, now: float) -> int:
        """Add a notification; return its number.

        Args:
            notice: What to tell.
            source: Who tells it.
            now: Unix seconds.

        Raises:
            InvalidRequestError: It has no title.
        """
        title = " ".join(notice.title.split())
        if not title:
            raise InvalidRequestError("a notification needs a title: one line, what happened")
        entry = Entry(
            self._next_number(),
            now,
            cut(title, TITLE_CHARACTERS),
            cut(notice.text, TEXT_CHARACTERS),
            notice.severity,
            source=source,
        )
        kept = self._state.notices.setdefault(notice.severity, [])
        kept.append(entry)
        size = sum(map(_size, kept))
        while len(kept) > self._bounds.notices or size > self._bounds.notice_bytes:
            size -= _size(kept.pop(0))
        return entry.sequence

    def append(self, lines: Lines, source: PagletProxyRef | None, now: float) -> int:
        """Add lines to a stream; return the number of the last one.

        Args:
            lines: A text with line ends in it counts as several.
            source: Who wrote them.
            now: Unix seconds.

        Raises:
            InvalidNameError: That is no name for a stream.
            InvalidRequestError: There are none, or too many at once.
        """
        name = parse_name(lines.stream, what="stream name")
        texts = [part for text in lines.lines for part in text.splitlines() or [""]]
        if not 1 <= len(texts) <= LINES_AT_ONCE:
            raise InvalidRequestError(
                f"{name} was sent {len(texts)} lines; one append takes 1 to {LINES_AT_ONCE}"
            )
        stream = self._state.streams.pop(name, None) or StreamRecord()
        self._state.streams[name] = stream
        stream.source = source
        stream.appended += len(texts)
        for text in texts:
            stream.lines.append(Line(self._next_number(), now, cut(text, LINE_CHARACTERS)))
        self._make_room(stream)
        return self._state.last

    def page(self, reading: Reading, host: str) -> Page:
        """Return what comes after a number.

        Args:
            reading: What is asked for.
            host: Name of the host, for the page.

        Raises:
            InvalidRequestError: A limit below 1, or a number below 0.
        """
        if reading.limit < 1 or (reading.after or 0) < 0:
            raise InvalidRequestError("read takes a limit of at least 1 and a number of at least 0")
        position = self._state.readers.get(reading.reader, 0)
        after = position if reading.after is None else reading.after
        kept = list(self._entries(after))
        wanted = [entry for entry in kept if _is_wanted(entry, reading)]
        found = self._first(wanted, min(reading.limit, PAGE_ENTRIES))
        more = len(found) < len(wanted)
        last = found[-1].sequence if more else max(after, self._state.last)
        readable = sum(entry.sequence <= last for entry in kept)
        missed = last - after - readable
        return Page(self._state.journal, host, found, last, more, missed, position)

    def acknowledge(self, request: Acknowledge) -> int:
        """Note how far a reader has read; return what that is now.

        Raises:
            InvalidNameError: That is no name for a reader.
            ConflictError: Another journal was read.
        """
        reader = parse_name(request.reader, what="reader name")
        if request.journal != self._state.journal:
            raise ConflictError(
                f"this is journal {self._state.journal}, not {request.journal}: the host's data "
                "folder is a new one; read it again"
            )
        readers = self._state.readers
        known = readers.pop(reader, 0)
        readers[reader] = max(known, min(request.through, self._state.last))
        while len(readers) > self._bounds.readers:
            del readers[next(iter(readers))]
        return readers[reader]

    def streams(self) -> list[StreamSummary]:
        """Return what there is, the stream that changed last first."""
        return [
            StreamSummary(
                name, stream.appended, len(stream.lines), stream.lines[-1].time, stream.source
            )
            for name, stream in reversed(self._state.streams.items())
        ]

    def _first(self, entries: list[Entry], limit: int) -> list[Entry]:
        """Return as many as fit into one page; at least one, if there is any."""
        sizes = accumulate(map(_size, entries))
        fitting = sum(size <= self._bounds.page_bytes for size in sizes)
        return entries[: min(limit, max(1, fitting))]

    def _next_number(self) -> int:
        self._state.last += 1
        return self._state.last

    def _make_room(self, stream: StreamRecord) -> None:
        """Drop the oldest lines of `stream`, then streams and lines that make all too many."""
        bounds, streams = self._bounds, self._state.streams
        sizes = {name: sum(map(_line_size, each.lines)) for name, each in streams.items()}
        newest = next(reversed(streams))
        while len(stream.lines) > bounds.lines or sizes[newest] > bounds.line_bytes:
            sizes[newest] -= _line_size(stream.lines.pop(0))
        while len(streams) > bounds.streams:
            oldest = next(iter(streams))
            del streams[oldest], sizes[oldest]
        while sum(sizes.values()) > bounds.all_lines_bytes:
            largest = max(sizes, key=lambda name: sizes[name])
            sizes[largest] -= _line_size(streams[largest].lines.pop(0))

    def _entries(self, after: int) -> Iterator[Entry]:
        """Yield all that is kept after a number, in order."""
        streams = self._state.streams.items()
        notices = (
            [entry for entry in kept if entry.sequence > after]
            for kept in self._state.notices.values()
        )
        lines = (_lines_of(name, stream, after) for name, stream in streams)
        return merge(*notices, *lines, key=lambda entry: entry.sequence)


def _lines_of(name: str, stream: StreamRecord, after: int) -> list[Entry]:
    return [
        Entry(line.sequence, line.time, text=line.text, stream=name)
        for line in stream.lines
        if line.sequence > after
    ]


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and how much was cut, in `limit` characters."""
    if len(text) <= limit:
        return text
    mark = f"… ({len(text)} characters)"
    return text[: limit - len(mark)] + mark


def _is_wanted(entry: Entry, reading: Reading) -> bool:
    if entry.stream:
        return reading.streams is None or entry.stream in reading.streams
    return reading.notifications and entry.severity.rank >= reading.severity.rank


def _size(entry: Entry) -> int:
    return _NOTICE_BYTES + len(entry.title.encode()) + len(entry.text.encode())


def _line_size(line: Line) -> int:
    return _LINE_BYTES + len(line.text.encode())
