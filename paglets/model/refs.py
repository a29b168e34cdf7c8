"""References that can be stored in State and sent in messages: to paglets and to hosts."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Epoch(NamedTuple):
    """Fencing token of a paglet, compared term first.

    A move adds a hop; an operator's `transfer resolve` adds a term, so that whatever the lost side
    did meanwhile compares lower. Comparable only within one birth id.
    """

    term: int = 0
    hops: int = 0

    def hop(self) -> "Epoch":
        """Return the epoch after one more move."""
        return Epoch(self.term, self.hops + 1)

    def next_term(self) -> "Epoch":
        """Return the epoch after an operator's resolve."""
        return Epoch(self.term + 1, self.hops)


@dataclass(frozen=True)
class PagletProxyRef:
    """Serializable reference to a paglet: where it was last seen, and its id.

    It keeps working after the paglet moved: hosts resolve it through tombstones and the mesh.
    Two references are equal when url and id are; the rest only helps to find the paglet.
    """

    host_url: str
    agent_id: str
    host_id: str = field(default="", compare=False)
    host_name: str = field(default="", compare=False)
    epoch: Epoch = field(default=Epoch(), compare=False)
    birth_id: str = field(default="", compare=False)
    """Tells a paglet from a later one under the same fixed id."""


@dataclass(frozen=True)
class HostRef:
    """What the mesh knows of a host, as seen from the host that was asked."""

    name: str
    url: str
    online: bool = True
    code_version: str = ""
    last_seen: float = 0.0
    """Wall-clock seconds (Unix time, this host's clock) of the last news of it."""
    active_count: int = 0
    inactive_count: int = 0
    error: str | None = None
    """Why this host is not usable from here, such as another code version."""
    host_id: str = ""
    generation: int = 0
    """Grows with every start of the host; the higher one replaces the lower."""
    incarnation: int = 0
    """Grows with every refutation within one generation."""
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    status: str = "alive"
    """alive | suspect | dead | left, as `MemberStatus`."""
