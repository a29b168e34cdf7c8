"""What the protocol engine asks its driver to do. Pure values."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from paglets.mesh.members import MemberEvent
from paglets.mesh.messages import Frame

JOIN_PATH = "/mesh/join"
GOSSIP_PATH = "/mesh/gossip"


@dataclass(frozen=True, slots=True)
class Send:
    """Request `path` at `url`; report `answered` or `failed` with `call` within `timeout` s."""

    call: int
    url: str
    path: str
    frame: Frame
    timeout: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the request that was given to `receive` under this number."""

    request: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find the addresses of a seed and report them by `resolved`."""

    seed: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell subscribers."""

    event: MemberEvent


class SelfChange(Enum):
    """News about this host itself."""

    RENEWED = auto()
    """It took a higher generation; see `Table.identity`."""
    ROLLED_BACK = auto()
    """A peer remembers a later start of this data folder."""
    REACHABLE = auto()
    """A peer reached it at its advertised URL."""
    UNREACHABLE = auto()
    """A seed could not."""
    PAUSED = auto()
    """Its own loop was late; it accuses nobody for that time."""


@dataclass(frozen=True, slots=True)
class NotifySelf:
    """Tell the host about itself."""

    change: SelfChange
    text: str = ""
    """For people."""
    boots: int = 0
    """With ROLLED_BACK: the starts of the data folder that a peer remembers."""


Instruction: TypeAlias = Send | Answer | Resolve | Notify | NotifySelf
