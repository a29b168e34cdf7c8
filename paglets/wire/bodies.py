"""Bodies of the HTTP API, in and out. JSON; times in Unix seconds, lengths in bytes.

`wire/routes.py` says which route takes and gives which; the OpenAPI document is generated from
both, so docstrings and field names here are what users read there. What a host tells of itself is
in `wire/hostbodies.py`.
"""

import msgspec

from paglets.model.enums import ServiceScope
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.wire.policies import PolicyBody

ABSENT = msgspec.Raw(b"")
"""Stands for JSON that is left out: msgspec reads `Raw | None` as nothing but null."""


def given(raw: msgspec.Raw) -> bytes | None:
    """Return JSON that was passed undecoded, None where it was left out or null."""
    data = bytes(raw)
    return None if data in {b"", b"null"} else data


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all bodies. Unknown fields are ignored, so that newer peers may add some."""


class Strict(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of bodies that people write: a field that does not exist is an error."""


class AgentInfo(Body, frozen=True, kw_only=True):
    """A paglet as seen from outside."""

    agent_id: str
    class_name: str
    status: str
    """As `PagletStatus`."""
    host_name: str = ""
    host_url: str = ""
    epoch: Epoch = Epoch()
    pid: int | None = None
    queued: int = 0
    """Messages in its mailbox."""
    error: str | None = None
    transfer_id: str | None = None
    peer: PeerAddress | None = None
    """Where it moves or moved."""
    durability: str = "lifecycle"
    activate_at: float | None = None
    created_at: float = 0.0
    changed_at: float = 0.0
    state_bytes: int = 0
    birth_id: str = ""


class AgentList(Body, frozen=True, kw_only=True):
    """A page of paglets."""

    agents: tuple[AgentInfo, ...]
    next: str | None = None
    """Pass as `after` for the next page; None on the last."""
    unreachable: tuple[str, ...] = ()
    """Hosts that did not answer, for `scope=mesh`."""
    total: int = 0
    """Number of paglets that match, over all pages; of this host only."""


class CreateBody(Strict, frozen=True, kw_only=True):
    """Create a paglet."""

    class_name: str = msgspec.field(name="class")
    """`module:QualName`."""
    state: msgspec.Raw = ABSENT
    """Fields of its State; those left out take their defaults."""
    agent_id: str | None = None
    """A fixed id; made up where it is left out."""


class Address(Body, frozen=True, kw_only=True):
    """Where a paglet is now."""

    ref: PagletProxyRef


class DispatchBody(Strict, frozen=True, kw_only=True):
    """Dispatch or clone to a target."""

    ticket: TransferTicket | None = None
    target: str | None = None
    """A host name or URL, short for a ticket of defaults. None for clone: this host."""
    agent_id: str | None = None
    """For clone only: the clone's id."""
    reason: str = "dispatch"
    """`dispatch` or `retract`."""


class RetractBody(Strict, frozen=True, kw_only=True):
    """Bring a paglet from where it is to the host that is asked."""

    source: PagletProxyRef | None = None
    """Where it was last known; left out, it is searched for."""


class DeactivateBody(Strict, frozen=True, kw_only=True):
    """Put a paglet to sleep."""

    policy: PolicyBody = PolicyBody()


class DisposeBody(Strict, frozen=True, kw_only=True):
    """End a paglet for good."""

    force: bool = False
    """Kill it without `on_disposing`."""


class LeaseBody(Strict, frozen=True, kw_only=True):
    """Take, renew or release a lease on a paglet: it is kept awake for as long."""

    lease_id: str
    """Made up by who takes it: a repeat takes the same one."""
    ttl_seconds: float
    """Seconds from now; 0 releases it."""
    renews: bool = False
    """Refuse unless the lease is held."""
    owner_host_id: str = ""
    """Released when this host goes; empty: its TTL alone ends it."""
    owner_generation: int = 0
    owner_agent_id: str = ""


class EmptyBody(Strict, frozen=True, kw_only=True):
    """No fields."""


class LeaseAnswer(Body, frozen=True, kw_only=True):
    """A lease, good for `ttl_seconds` from now."""

    lease_id: str
    ttl_seconds: float


class ReplyBody(Body, frozen=True, kw_only=True):
    """Answer to a message."""

    reply: msgspec.Raw = msgspec.Raw(b"null")
    """What the handler returned."""
    address: PagletProxyRef | None = None
    """Where the paglet is now, if not where the message was sent; send there next time."""
    moved: bool = False
    """The handler dispatched its paglet; `address` is where it is."""
    stored: bool = False
    """A one-way message was stored with an inactive paglet."""


class CheckBody(Body, frozen=True, kw_only=True):
    """Ask a target whether it would take a paglet."""

    class_name: str
    state_class: str | None
    state_bytes: int
    ticket: TransferTicket
    source: PeerAddress
    code_version: str
    agent_id: str = ""
    birth_id: str = ""
    protocol: int = 1


class CheckAnswer(Body, frozen=True, kw_only=True):
    """The target would take it now."""

    host_id: str
    name: str
    url: str
    protocol: int
    code_version: str
    capabilities: tuple[str, ...] = ()


class OutcomeBody(Body, frozen=True, kw_only=True):
    """A target's decision on a transfer; the only thing that settles one."""

    transfer_id: str
    host_id: str
    """The deciding host: an outcome of another host settles nothing."""
    outcome: str
    """`accepted` or `refused`, as `TransferOutcome`."""
    reason: msgspec.Raw = ABSENT
    """Error body of a refusal."""


class TransferInfo(Body, frozen=True, kw_only=True):
    """A transfer as one side remembers it."""

    transfer_id: str
    role: str
    kind: str
    agent_id: str
    peer: PeerAddress
    outcome: str
    epoch: Epoch = Epoch()
    in_doubt: bool = False
    """The source waits for the target's outcome."""
    created_at: float = 0.0
    settled_at: float | None = None
    attempts: int = 0
    last_error: str | None = None


class TransferList(Body, frozen=True, kw_only=True):
    """A page of transfers."""

    transfers: tuple[TransferInfo, ...]
    next: str | None = None
    unreachable: tuple[str, ...] = ()


class Claim(Body, frozen=True, kw_only=True):
    """A host's word that it owns a paglet, or knows who does, at an epoch."""

    agent_id: str
    birth_id: str
    epoch: Epoch
    owner: PeerAddress


class FenceBody(Body, frozen=True, kw_only=True):
    """Compare who owns what: of one birth, the higher epoch wins."""

    claims: tuple[Claim, ...]


class FenceAnswer(Body, frozen=True, kw_only=True):
    """Claims the asked host knows to be superseded, with the higher epoch and its owner."""

    superseded: tuple[Claim, ...] = ()


class ResolveBody(Strict, frozen=True, kw_only=True):
    """Settle a transfer that its other side never will, by an operator's word."""

    action: str
    """`resume`: the paglet lives on here. `drop`: it is given up here."""


class DrainBody(Strict, frozen=True, kw_only=True):
    """Empty this host before it goes."""

    to: str = "auto"
    """A host name, or `auto` for the least loaded hosts of the same code."""
    deadline_seconds: float = 60.0


class DrainedAgent(Body, frozen=True, kw_only=True):
    """What became of one paglet of a drained host."""

    agent_id: str
    outcome: str
    """`moved`, `asleep` (until this host starts again), `gone` (ended meanwhile) or `left`."""
    host: str | None = None
    """Where it moved."""
    text: str = ""
    """Why it did not move."""


class DrainAnswer(Body, frozen=True, kw_only=True):
    """Report of a drain."""

    agents: tuple[DrainedAgent, ...]
    unsettled: tuple[str, ...] = ()
    """Transfers, in either direction, that are not settled on both sides."""
    is_empty: bool = False
    """Nothing is left running here and nothing is unsettled: the host may go."""


class HostList(Body, frozen=True, kw_only=True):
    """Hosts of the mesh as seen from here."""

    hosts: tuple[HostRef, ...]


class RecordInfo(Body, frozen=True, kw_only=True):
    """A small value that a host, or a paglet of it, has told the whole mesh."""

    host_name: str
    host_id: str
    kind: str
    """`service`, `load`, `counts`, `draining`; of paglets `paglet.` and what they chose."""
    key: str
    """What it is about, such as name, version and provider of a service; may be empty."""
    version: int
    """Grows with every record that its host sets."""
    age_seconds: float
    """Since it was set, by this host's clock; a host that joins late knows it about."""
    size_bytes: int
    value: msgspec.Raw
    """As JSON; null where it is in no form that is known here."""


class RecordList(Body, frozen=True, kw_only=True):
    """A page of records as this host knows them."""

    records: tuple[RecordInfo, ...]
    next: str | None = None


class ServiceBody(Body, frozen=True, kw_only=True):
    """A ServiceRecord: who provides what, and where."""

    name: str
    version: str
    provider: PagletProxyRef
    operations: tuple[str, ...] = ()
    scope: ServiceScope = ServiceScope.MESH
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    host_name: str = ""
    class_name: str = ""


class ServiceList(Body, frozen=True, kw_only=True):
    """Services that can be called from here, the best provider first."""

    services: tuple[ServiceBody, ...]
    reason: str = ""
    """Why there is none."""
    versions: tuple[str, ...] = ()
    """Versions of that service there are, where there is none of the one asked for."""


class OperationBody(Body, frozen=True, kw_only=True):
    """One operation of a contract."""

    name: str
    request: dict[str, object] = {}
    """JSON schema."""
    reply: dict[str, object] = {}
    """JSON schema."""


class ContractBody(Body, frozen=True, kw_only=True):
    """A contract with the schemas of its operations."""

    name: str
    version: str
    operations: tuple[OperationBody, ...] = ()


class ContractList(Body, frozen=True, kw_only=True):
    """The contracts of one name that a host provides itself, by version."""

    contracts: tuple[ContractBody, ...]


class LogBody(Body, frozen=True, kw_only=True):
    """What a paglet printed last, kept after its death."""

    agent_id: str
    lines: tuple[str, ...]
    truncated: bool = False
    start: int = 0
    """Number of the first line here, counted from the first ever printed; for those who follow."""
