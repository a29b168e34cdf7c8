"""What the mesh benchmark is asked and what it found; plain values for State and messages."""

from dataclasses import dataclass, field

from paglets.model.refs import PagletProxyRef


@dataclass
class CrossPlan:
    """What the mesh benchmark is asked to do."""

    hosts: list[str] = field(default_factory=list)
    """Names of the hosts; empty: all that are online."""
    payload_bytes: int = 65536
    """Random bytes in the traveller's state."""
    moves: int = 5
    """Moves each way."""
    messages: int = 20
    """Round trips each way."""
    deadline: float = 120.0
    """Seconds for all of it."""
    patience: float = 30.0
    """Seconds without a question after which nobody is thought to wait for the result."""


@dataclass
class Way:
    """From one host to another."""

    source: str
    target: str
    moves: list[float] = field(default_factory=list)
    """Seconds of each move, on the clock of `source`."""
    trips: list[float] = field(default_factory=list)
    """Seconds of each message there and its reply back, on the clock of `source`."""
    reason: str = ""
    """Why something is missing; empty if nothing is."""


@dataclass
class Count:
    """How far it is."""

    is_done: bool
    text: str
    """What it does now, for people."""
    ways: list[Way]
    """All of them once it is done; none before."""
    helpers: list[PagletProxyRef]
    """Stations and traveller, to be ended by who asks where the conductor no longer can."""
    unusable: dict[str, str]
    """Hosts without any figure, each with the reason."""


@dataclass
class MoveOrder:
    """Asks a station to send the traveller, which is on its host, to another."""

    traveller: PagletProxyRef
    target: str
    timeout: float
    """Seconds for the target to answer."""


@dataclass
class Moved:
    """A move that was made, or not."""

    seconds: float
    traveller: PagletProxyRef
    reason: str = ""
    """Why it was not made; empty if it was."""


@dataclass
class PingOrder:
    """Asks a station to send messages to another."""

    to: PagletProxyRef
    count: int
    timeout: float
    """Seconds for each."""


@dataclass
class Pinged:
    """Round trips that were made."""

    seconds: list[float]
    reason: str = ""
    """Why there are fewer than asked for; empty if they all were made."""


@dataclass
class ConductorState:
    """State of the conductor."""

    plan: CrossPlan = field(default_factory=CrossPlan)
    ways: list[Way] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    stations: dict[str, PagletProxyRef] = field(default_factory=dict)
    traveller: PagletProxyRef | None = None
    text: str = ""
    is_stopping: bool = False
    is_done: bool = False


@dataclass
class HelperState:
    """State of stations and travellers."""

    rest: float = 0.0
    """Seconds until they end themselves: of a station in all, of a traveller on one host."""
    payload_bytes: int = 0
    payload: bytes = b""
