"""Bodies of what a host tells of itself: its health and its events. As `wire/bodies.py`."""

import msgspec

from paglets.wire.bodies import Body


class EventBody(Body, frozen=True, kw_only=True):
    """A ContextEvent."""

    sequence: int
    time: float
    kind: str
    host_name: str
    agent_id: str | None = None
    level: str = "info"
    text: str = ""
    detail: dict[str, object] = msgspec.field(default_factory=dict)


class EventList(Body, frozen=True, kw_only=True):
    """Events of one host in order, or of several hosts by time."""

    events: tuple[EventBody, ...]
    next: int = 0
    """Pass as `after` to go on."""
    missed: int = 0
    """Events that were dropped between `after` and the first one here."""
    unreachable: tuple[str, ...] = ()


class HealthBody(Body, frozen=True, kw_only=True):
    """How a host is."""

    name: str
    host_id: str
    url: str
    bind: str
    version: str
    code_version: str
    generation: int
    boots: int
    key_id: str | None
    started_at: float
    status: str
    """`starting`, `ready`, `draining` or `stopping`."""
    active: int = 0
    inactive: int = 0
    in_doubt: int = 0
    crashed: int = 0
    paglet_limit: int = 0
    """Active paglets that open files and memory allow."""
    warnings: tuple[str, ...] = ()
    """Each a sentence with the next step."""
    pid: int = 0
    time: float = 0.0
    """The host's clock, Unix seconds."""
