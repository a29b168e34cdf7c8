"""What a search is asked and what it finds; plain values for State and messages."""

from dataclasses import dataclass, field

from paglets.agent.fanout.plan import FanOut
from paglets.examples.crew import Phase
from paglets.model.refs import PagletProxyRef

MIB = 1024 * 1024


@dataclass
class GrepPlan:
    """What to search for, and where."""

    pattern: str = ""
    """A regular expression of Python, found anywhere in a line."""
    globs: list[str] = field(default_factory=list)
    """Files, as `globs.py` reads them."""
    hosts: list[str] = field(default_factory=list)
    """Names of the hosts; empty: all that are online."""
    is_case_ignored: bool = False
    most_matches: int = 1000
    """Of one host; then it stops."""
    most_bytes: int = 1024 * MIB
    """Read on one host; then it stops."""
    deadline: float = 60.0
    """Seconds for all of it."""
    patience: float = 30.0
    """Seconds without a question after which nobody is thought to wait for the result."""


@dataclass
class Hit:
    """A line that matches."""

    host: str
    path: str
    line: int
    """Number of the line, from 1."""
    text: str
    """The line, cut where it is long."""


@dataclass
class Tally:
    """What a searcher has done."""

    matches: int = 0
    files: int = 0
    """Looked into."""
    read_bytes: int = 0
    unreadable: int = 0
    """Files that it may not read, or that its host's owner does not let be searched."""
    cut: str = ""
    """Which limit ended it; empty if none did."""


@dataclass
class GrepRow:
    """One host in the result."""

    host: str
    phase: Phase = Phase.PENDING
    text: str = ""
    """What it does now, for people."""
    reason: str = ""
    """Why it failed."""
    worker: PagletProxyRef | None = None
    """The clone that searches there."""
    tally: Tally = field(default_factory=Tally)


@dataclass
class Catch:
    """What a searcher tells its leader on the way."""

    host: str
    hits: list[Hit]
    tally: Tally


@dataclass
class Searched:
    """What a searcher tells its leader at its end."""

    tally: Tally
    reason: str = ""
    """Why it failed; empty if it did not."""


@dataclass
class Found:
    """What the parent answers to who asks for the hits after those it has."""

    is_done: bool
    """Whether nothing comes after these."""
    hits: list[Hit]
    rows: list[GrepRow]
    helpers: list[PagletProxyRef]
    """Searchers to be ended by who asks, where the parent no longer can."""


@dataclass
class GrepState:
    """State of leader and searchers."""

    plan: GrepPlan = field(default_factory=GrepPlan)
    fan_out: FanOut = field(default_factory=FanOut)
