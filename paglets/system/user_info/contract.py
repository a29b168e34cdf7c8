"""USER_INFO: what paglets have to tell people, and how people ask for it.

Each host has one **journal**. Notifications and lines of streams get one number after another in
it, so that a reader who knows the last number that was read misses nothing and sees nothing twice.
What was told stays on the host whose user-info took it, wherever the paglet that told it goes.
Not here: how much is kept (`journal.py`), following many hosts at once (`paglets/cli/user/`).
"""

from dataclasses import dataclass, field

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.model.enums import Severity
from paglets.model.refs import PagletProxyRef

SERVICE = "user-info"
"""Name of the service, and id of its resident."""

NEWS = "user-info"
"""Kind of the ContextEvent that says that a journal has grown; it has no content of it."""

NEWS_SECONDS = 0.5
"""Least time between two such events. Who reads because of one therefore reads once more after
this time, and has then all that was told meanwhile."""

TITLE_CHARACTERS = 200
"""Longest title; a longer one is cut."""

TEXT_CHARACTERS = 4000
"""Longest text of a notification; a longer one is cut, and says so."""

LINE_CHARACTERS = 1000
"""Longest line of a stream; a longer one is cut."""

LINES_AT_ONCE = 500
"""Most lines in one `append`."""

PAGE_ENTRIES = 500
"""Most entries in one page."""


@dataclass(frozen=True)
class Notice:
    """Something that a person should know."""

    title: str
    """One line; what happened to what."""
    text: str = ""
    """The rest, for who wants to know more."""
    severity: Severity = Severity.INFO


@dataclass(frozen=True)
class Lines:
    """Lines for a stream, such as the progress or the log of a long job."""

    stream: str
    """Its name; made by the first line."""
    lines: list[str]


@dataclass(frozen=True)
class Posted:
    """Where it was written; it is on the disk."""

    journal: str
    """Id of the journal."""
    sequence: int
    """Number of the entry; of several lines the last one's."""


@dataclass(frozen=True)
class Entry:
    """A notification, or a line of a stream."""

    sequence: int
    """Its number in its journal."""
    time: float
    """Unix seconds on its host's clock; for people. Order is by `sequence`."""
    title: str = ""
    """Of a notification; empty for a line."""
    text: str = ""
    severity: Severity = Severity.INFO
    stream: str = ""
    """The stream of a line; empty for a notification."""
    source: PagletProxyRef | None = None
    """Who notified, and where it was then; None for callers outside any paglet, and for lines."""


@dataclass(frozen=True)
class Reading:
    """Asks for what comes after a number."""

    after: int | None = None
    """Number of the last entry seen; None: what `reader` has acknowledged."""
    reader: str = ""
    """Who reads; empty: nobody in particular, who has acknowledged nothing."""
    severity: Severity = Severity.INFO
    """Only notifications at least so grave."""
    notifications: bool = True
    """Whether notifications are wanted."""
    streams: list[str] | None = None
    """Only lines of these streams; None: of all."""
    limit: int = PAGE_ENTRIES
    """At most so many entries."""


@dataclass(frozen=True)
class Page:
    """A part of a journal, in its order."""

    journal: str
    host: str
    """Name of the host that has it."""
    entries: list[Entry]
    next: int
    """Ask for what comes after this next."""
    more: bool
    """Whether there is more already."""
    missed: int
    """Entries between `after` and `next` that were dropped before they could be read, whatever
    their kind: what is gone cannot be told apart."""
    position: int
    """What `reader` has acknowledged."""


@dataclass(frozen=True)
class Acknowledge:
    """A person has read a journal up to a number."""

    reader: str
    journal: str
    """Which journal was read."""
    through: int
    """Number of the last entry that was read."""


@dataclass(frozen=True)
class Acknowledged:
    """What a reader has acknowledged now."""

    position: int
    """Never less than before."""


@dataclass(frozen=True)
class StreamQuery:
    """Asks for the streams; it needs nothing to say."""


@dataclass(frozen=True)
class StreamSummary:
    """What is known of a stream."""

    name: str
    appended: int
    """Lines that were ever written."""
    kept: int
    """Lines that can still be read."""
    changed_at: float
    """When its last line came, in Unix seconds on its host's clock."""
    source: PagletProxyRef | None = None
    """Who wrote last."""

    @property
    def dropped(self) -> int:
        """Lines that made room for newer ones."""
        return self.appended - self.kept


@dataclass(frozen=True)
class StreamList:
    """All streams of a journal, the one that changed last first."""

    journal: str
    host: str
    streams: list[StreamSummary] = field(default_factory=list)


NOTIFY = ServiceOperation("notify", Notice, Posted)
APPEND = ServiceOperation("append", Lines, Posted)
READ = ServiceOperation("read", Reading, Page)
ACKNOWLEDGE = ServiceOperation("acknowledge", Acknowledge, Acknowledged)
STREAMS = ServiceOperation("streams", StreamQuery, StreamList)

USER_INFO = ServiceContract(SERVICE, [NOTIFY, APPEND, READ, ACKNOWLEDGE, STREAMS])
