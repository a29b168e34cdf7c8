"""What a paglet may ask of its host: operations of `HostCall`, with their structs.

Bodies are msgpack. `OPERATIONS` is the one table both sides read: the child's `hostcalls` encodes
by it, the host's `childcalls` decodes by it.
"""

from typing import TypeAlias

import msgspec

from paglets.model.enums import ServiceScope
from paglets.model.manifest import OperationManifest
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire.bodies import AgentInfo, ServiceBody
from paglets.wire.calls import Departure, Snapshot
from paglets.wire.hostbodies import EventBody
from paglets.wire.policies import PolicyBody


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all bodies here."""


class SendCall(Struct, frozen=True, kw_only=True):
    """Deliver a message to a paglet, wherever it is now."""

    to: PagletProxyRef
    body: bytes
    """The message; its header says oneway, budget, retry."""


class SendReply(Struct, frozen=True, kw_only=True):
    """The reply, and where the target is now."""

    reply: bytes = b"null"
    """JSON value."""
    address: PagletProxyRef | None = None
    """Present address, where it differs from `SendCall.to`."""
    moved: bool = False
    """The handler dispatched its paglet: `address` is the reply."""
    stored: bool = False
    """It sleeps on and will handle the message when it wakes; there is no reply."""


class CheckCall(Struct, frozen=True, kw_only=True):
    """Ask the target whether it would take this paglet; nothing has happened yet."""

    ticket: TransferTicket
    state_bytes: int = 0
    """Rough size of the state."""


class CheckReply(Struct, frozen=True, kw_only=True):
    """The target would take it."""

    check_id: str
    target_name: str


class CloneCall(Struct, frozen=True, kw_only=True):
    """Clone the calling paglet; the host sends `CloneState` while this call waits."""

    ticket: TransferTicket | None = None
    """None: on this host."""
    clone_agent_id: str | None = None
    """Chosen by a MESSAGE paglet so that a second run asks for the same clone, or by FanOut."""


class ProxyReply(Struct, frozen=True, kw_only=True):
    """A paglet's present address."""

    ref: PagletProxyRef


class CreateCall(Struct, frozen=True, kw_only=True):
    """Create a paglet on this or another host."""

    class_name: str
    state: bytes | None = None
    """JSON of the state's fields."""
    host: str | None = None
    agent_id: str | None = None
    key: str | None = None
    """Idempotency key."""


class LifecycleCall(Struct, frozen=True, kw_only=True):
    """Run a life-cycle verb on another paglet."""

    ref: PagletProxyRef
    verb: str
    ticket: TransferTicket | None = None
    policy: PolicyBody | None = None
    force: bool = False
    key: str | None = None


class RefCall(Struct, frozen=True, kw_only=True):
    """Ask about one paglet."""

    ref: PagletProxyRef


class FindCall(Struct, frozen=True, kw_only=True):
    """Find a paglet: on one named host, or by asking the mesh."""

    agent_id: str
    host: str | None = None
    search: bool = False
    """Ask the online hosts where this host does not know it."""


class ListCall(Struct, frozen=True, kw_only=True):
    """List paglets of this host."""

    status: str | None = None
    class_name: str | None = None


class ListReply(Struct, frozen=True, kw_only=True):
    """Paglets of this host."""

    agents: tuple[AgentInfo, ...]


HostsTurn: TypeAlias = tuple[str, str]
"""Name and id of the last host of a page."""


class HostsCall(Struct, frozen=True, kw_only=True):
    """List hosts of the mesh, one page of them."""

    online_only: bool = True
    include_self: bool = True
    name: str | None = None
    """Only hosts of this name."""
    after: HostsTurn | None = None
    """`next` of the page before; None for the first."""


class HostsReply(Struct, frozen=True, kw_only=True):
    """Hosts of the mesh as this host sees them."""

    hosts: tuple[HostRef, ...]
    next: HostsTurn | None = None
    """Where the next page begins; None on the last."""


class WaitHostCall(Struct, frozen=True, kw_only=True):
    """Wait until a host of this name is online."""

    name: str
    timeout: float


class HostReplyBody(Struct, frozen=True, kw_only=True):
    """One host, None if it is not known."""

    host: HostRef | None


class CheckpointCall(Struct, frozen=True, kw_only=True):
    """Commit this state; the answer comes when it is durable."""

    snapshot: Snapshot


class DepartCall(Struct, frozen=True, kw_only=True):
    """`run()` unwound to depart; the answer comes only if it fails."""

    departure: Departure


class EventsCall(Struct, frozen=True, kw_only=True):
    """Read the host's event log."""

    after: int = 0
    limit: int = 100


class EventsReply(Struct, frozen=True, kw_only=True):
    """Events in order."""

    events: tuple[EventBody, ...]


class EmitCall(Struct, frozen=True, kw_only=True):
    """Add an event to the host's log in the paglet's name."""

    kind: str
    text: str = ""
    level: str = "info"
    detail: bytes = b"{}"
    """JSON object."""


class AdvertiseCall(Struct, frozen=True, kw_only=True):
    """Advertise a service of the calling paglet."""

    name: str
    version: str
    operations: tuple[OperationManifest, ...]
    scope: ServiceScope = ServiceScope.MESH
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


class WithdrawCall(Struct, frozen=True, kw_only=True):
    """Withdraw a service of the calling paglet."""

    name: str
    version: str


class LookupCall(Struct, frozen=True, kw_only=True):
    """Find providers of a service, best first."""

    name: str = ""
    """Empty: of any."""
    version: str = ""
    """Empty: any."""
    operations: tuple[str, ...] = ()
    """They have all of these."""
    scope: ServiceScope = ServiceScope.MESH
    capabilities: tuple[str, ...] = ()
    """They have all of these."""
    host: str = ""
    """Name of the host they are on; empty: any."""
    limit: int = 0
    """At most so many; 0: all."""
    skip: int = 0
    """The best so many are left out: they were told already."""
    seed: int = 0
    """Draws the order of equally good ones, the same for the same seed; 0: any."""


class LookupReply(Struct, frozen=True, kw_only=True):
    """Providers, best first."""

    services: tuple[ServiceBody, ...]
    reason: str = ""
    """Why there is none."""
    versions: tuple[str, ...] = ()
    """Versions of that service there are, where there is none of the one asked for."""
    is_last: bool = True
    """Whether there are no more than these."""


class LeaseCall(Struct, frozen=True, kw_only=True):
    """Take, renew or release (`ttl` 0) a lease on a provider."""

    service: ServiceBody
    ttl: float
    lease_id: str | None = None


class LeaseReply(Struct, frozen=True, kw_only=True):
    """A lease, good for `ttl` seconds from now."""

    lease_id: str
    ttl: float


class PublishCall(Struct, frozen=True, kw_only=True):
    """Tell the mesh a record of the calling paglet, or withdraw it."""

    kind: str
    payload: bytes | None
    """JSON value; None withdraws it."""
    ttl: float | None = None
    """Seconds until the host withdraws it, unless it is published again; None: it stays."""


class RecordsCall(Struct, frozen=True, kw_only=True):
    """Read the records that paglets of live hosts published under a kind."""

    kind: str
    after: tuple[str, str] = ("", "")
    """Host id and agent id of the last record of the page before."""


class RecordBody(Struct, frozen=True, kw_only=True):
    """A record that a paglet published."""

    host_id: str
    host_name: str
    host_url: str
    agent_id: str
    payload: bytes
    """JSON value."""
    age: float
    """Seconds since it was published, by the clock of the host that answers."""


class RecordsReply(Struct, frozen=True, kw_only=True):
    """Records by host id and agent id."""

    records: tuple[RecordBody, ...]
    is_last: bool = True
    """Whether there are no more after these."""


class Empty(Struct, frozen=True, kw_only=True):
    """Nothing."""


class StateReply(Struct, frozen=True, kw_only=True):
    """A paglet's state as JSON."""

    state: bytes


OPERATIONS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "send": (SendCall, SendReply),
    "check": (CheckCall, CheckReply),
    "clone": (CloneCall, ProxyReply),
    "create": (CreateCall, ProxyReply),
    "lifecycle": (LifecycleCall, ProxyReply),
    "info": (RefCall, ListReply),
    "state": (RefCall, StateReply),
    "find": (FindCall, ProxyReply),
    "list": (ListCall, ListReply),
    "hosts": (HostsCall, HostsReply),
    "wait_host": (WaitHostCall, HostReplyBody),
    "checkpoint": (CheckpointCall, Empty),
    "depart": (DepartCall, Empty),
    "watch_queue": (Empty, Empty),
    "events": (EventsCall, EventsReply),
    "emit": (EmitCall, Empty),
    "advertise": (AdvertiseCall, Empty),
    "withdraw": (WithdrawCall, Empty),
    "lookup": (LookupCall, LookupReply),
    "lease": (LeaseCall, LeaseReply),
    "publish": (PublishCall, Empty),
    "records": (RecordsCall, RecordsReply),
}
"""Request and reply of each operation."""


def warm_replies() -> None:
    """Describe all replies once for all processes, see `child/warming.py`."""
    for _, reply in OPERATIONS.values():
        msgspec.msgpack.Decoder(reply)
