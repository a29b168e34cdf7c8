"""The words of FanOut: what a clone is told to do, what it tells, and what comes of it all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paglets.model.enums import MissingReason, SharePhase
from paglets.model.message import JsonValue
from paglets.model.refs import PagletProxyRef

R = TypeVar("R")

REPORT = "paglets.fan-out"
"""Kind of the message by which a worker reports. It is UNQUEUED: its leader may be in a handler."""


@dataclass
class Order:
    """What a worker does. It stands in the State that was cloned, and only there."""

    round_id: str
    """Which gathering it is for."""
    leader: PagletProxyRef
    """Whom to report to."""
    worker_id: str
    """Id of the clone that is meant: other clones of the same State have no part in this."""
    method: str
    """Name of the method to call."""
    seconds: float
    """How long the leader still waits."""


@dataclass(frozen=True)
class Report:
    """What a worker tells its leader: that it begins, goes on, or ends with this."""

    round_id: str
    worker_id: str
    phase: SharePhase
    """WORKING or an end."""
    is_first: bool = False
    """With WORKING: it is about to begin, and asks whether it may."""
    result: JsonValue = None
    """With DONE: what the method returned."""
    text: str = ""
    """With MISSING: what it raised."""
    traceback_text: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the leader says to a report."""

    is_wanted: bool
    """Whether the worker is to go on; if not, it ends itself."""


@dataclass(frozen=True)
class Missing:
    """Why there is no result of a host."""

    reason: MissingReason
    text: str = ""
    """For people."""
    traceback_text: str = ""
    """Where the method raised, if it did."""


@dataclass
class Share(Generic[R]):
    """One host's part of a gathering."""

    host: str
    phase: SharePhase = SharePhase.PENDING
    worker: PagletProxyRef | None = None
    """The clone there, as soon as it is asked for."""
    is_in_doubt: bool = False
    """Whether the host has not answered yet whether it took the clone."""
    result: R | None = None
    """With phase DONE."""
    missing: Missing | None = None
    """With phase MISSING."""


@dataclass(frozen=True)
class Gathered(Generic[R]):
    """What came of a gathering."""

    results: Mapping[str, R] = field(default_factory=dict)
    """By name of host."""
    missing: Mapping[str, Missing] = field(default_factory=dict)
    """By name of host, why there is no result."""

    @property
    def is_complete(self) -> bool:
        """Whether there is a result of every host."""
        return not self.missing
