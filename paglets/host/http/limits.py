"""How much the API takes: sizes, times, connections and slots, each with its default.

Not here: what a paglet may hold (the runtime's settings).
"""

from dataclasses import dataclass, field

from paglets.model.errors import UnavailableError
from paglets.wire.envelope import HEADER_LIMIT
from paglets.wire.routes import Pool, Route

MIB = 1024 * 1024
RETRY_AFTER_SECONDS = 1.0
"""What a caller is told who found no slot."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of one server. Larger values cost memory, smaller ones refuse honest callers."""

    connections: int = 512
    """Open connections; the longest idle one makes room for a new one, busy ones never do."""
    call_slots: int = 448
    """Requests under way that are neither mesh nor transfer; those have the other connections."""
    mesh_slots: int = 32
    transfer_slots: int = 32
    arriving: int = 32
    """Envelopes arriving at once."""
    keepalive: float = 45.0
    """Seconds an idle connection stays; also the time for request line and headers. Two rounds of
    probes of a mesh of 16 are 30 s: the next probe finds its connection."""
    linger: float = 2.0
    """Seconds the rest of a refused body is read: its sender sees the answer then, not a reset."""
    body_grace: float = 10.0
    """Seconds a body may take beyond what its size needs at `body_rate`."""
    body_rate: int = 64 * 1024
    """Slowest body in bytes per second."""
    json_bytes: int = MIB
    """Largest JSON body, a message's too."""
    create_bytes: int = 64 * MIB
    """Largest body of a create, which holds a state."""
    mesh_bytes: int = MIB
    envelope_bytes: int = 4 * 1024 * MIB
    """Largest envelope with its files; the runtime's limits on state and files come on top."""
    bodies_bytes: int = 256 * MIB
    """All bodies being held at once."""
    header_line_bytes: int = 8190
    """Longest request line or header."""
    headers: int = 128
    fan_out: int = 32
    """Hosts asked at once by one request with `scope=mesh`."""
    fan_out_timeout: float = 5.0
    """Seconds one of them may take."""

    def body_limit(self, entry: Route) -> int:
        """Return the largest body of a route in bytes."""
        if entry.name == "offer_transfer":
            return self.envelope_bytes + HEADER_LIMIT
        if entry.name == "create_agent":
            return self.create_bytes
        return self.mesh_bytes if entry.pool is Pool.MESH else self.json_bytes


@dataclass(slots=True)
class Slots:
    """A number of things that may be under way at once."""

    what: str
    limit: int
    used: int = 0

    def take(self, count: int = 1) -> None:
        """Take `count` slots; whoever does gives them back.

        Raises:
            UnavailableError: They are not free; the caller is told when to come back.
        """
        if self.used + count > self.limit:
            raise UnavailableError(
                f"{self.what}: all {self.limit} in use, try again in {RETRY_AFTER_SECONDS:g} s",
                retry_after=RETRY_AFTER_SECONDS,
                slots=self.what,
            )
        self.used += count

    def give_back(self, count: int = 1) -> None:
        """Give back what was taken."""
        self.used -= count


@dataclass(slots=True)
class Held:
    """The slots one request holds. Not a context manager: this is on the path of every message."""

    taken: list[tuple[Slots, int]] = field(default_factory=list)

    def take(self, slots: Slots, count: int = 1) -> None:
        """Take slots for as long as the request lasts.

        Raises:
            UnavailableError: They are not free.
        """
        slots.take(count)
        self.taken.append((slots, count))

    def give_back(self) -> None:
        """Give everything back."""
        for slots, count in self.taken:
            slots.give_back(count)
        self.taken.clear()


@dataclass(slots=True)
class Pools:
    """The slots of one server. Calls cannot take those of the mesh and of transfers."""

    limits: HttpLimits
    by_pool: dict[Pool, Slots] = field(init=False)
    arriving: Slots = field(init=False)
    bodies: Slots = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        if limits.call_slots + limits.mesh_slots + limits.transfer_slots > limits.connections:
            raise ValueError("the slots of all pools together are more than the connections")
        self.by_pool = {
            Pool.CALL: Slots("request slots", limits.call_slots),
            Pool.MESH: Slots("mesh slots", limits.mesh_slots),
            Pool.TRANSFER: Slots("transfer slots", limits.transfer_slots),
            Pool.OPEN: Slots("open slots", limits.connections),
        }
        self.arriving = Slots("arriving transfers", limits.arriving)
        self.bodies = Slots("bytes of request bodies", limits.bodies_bytes)
