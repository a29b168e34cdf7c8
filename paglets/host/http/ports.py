"""What the handlers need of the runtime, the mesh and the store, as protocols.

`host/build.py` hands the real ones in as `Ports`; tests hand in fakes. Every method raises the
errors of `model/errors.py`, which become answers as they are. Cancelling a request never cancels
one of these calls: handlers are not cancelled when a client goes away.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paglets.model.enums import EnvelopeKind
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire.bodies import (
    AgentInfo,
    AgentList,
    CheckAnswer,
    CheckBody,
    ContractList,
    CreateBody,
    DrainAnswer,
    FenceAnswer,
    FenceBody,
    LeaseAnswer,
    LeaseBody,
    LogBody,
    OutcomeBody,
    RecordList,
    ReplyBody,
    TransferInfo,
    TransferList,
)
from paglets.wire.envelope import EnvelopeHeader
from paglets.wire.hostbodies import EventList, HealthBody
from paglets.wire.hostcalls import LookupCall, LookupReply


class Creation(Protocol):
    """Makes and ends paglets."""

    async def create(self, body: CreateBody, *, key: str | None) -> PagletProxyRef:
        """Create a paglet; `key` is the Idempotency-Key."""

    async def dispose(self, agent_id: str, *, force: bool, key: str | None) -> None:
        """End a paglet for good."""


class Delivery(Protocol):
    """Takes messages to paglets."""

    async def deliver(
        self, agent_id: str, body: bytes, *, caller_gone: "asyncio.Future[None] | None" = None
    ) -> ReplyBody:
        """Deliver an encoded message; while it is queued, `caller_gone` done drops it."""


class Departures(Protocol):
    """Sends paglets away and fetches them."""

    async def dispatch(
        self, agent_id: str, ticket: TransferTicket, *, reason: EnvelopeKind, key: str | None
    ) -> PagletProxyRef:
        """Move a paglet; returns where it is then."""

    async def clone(
        self,
        agent_id: str,
        ticket: TransferTicket | None,
        *,
        clone_agent_id: str | None,
        key: str | None,
    ) -> PagletProxyRef:
        """Copy a paglet, here where `ticket` is None."""

    async def retract(
        self, agent_id: str, source: PagletProxyRef | None, *, key: str | None
    ) -> PagletProxyRef:
        """Bring a paglet to this host; searched for where `source` is None."""


class Inactivity(Protocol):
    """Puts paglets to sleep and wakes them."""

    async def deactivate(
        self, agent_id: str, policy: DeactivationPolicy, *, key: str | None
    ) -> PagletProxyRef:
        """Put a paglet to sleep."""

    async def activate(self, agent_id: str, *, key: str | None) -> PagletProxyRef:
        """Wake a paglet."""


class Leases(Protocol):
    """Keeps paglets awake for who needs them."""

    async def serve(self, agent_id: str, body: LeaseBody) -> LeaseAnswer:
        """Take, renew or release a lease on a paglet of this host."""


class Inspection(Protocol):
    """Looks at paglets; never waits for one of their handlers."""

    async def info(self, agent_id: str) -> AgentInfo:
        """Return what this host knows of a paglet."""

    async def find(self, agent_id: str) -> AgentInfo:
        """Return what is known of a paglet, asking the mesh where this host knows nothing."""

    async def list(
        self,
        *,
        status: str | None,
        class_name: str | None,
        prefix: str | None,
        after: str | None,
        limit: int,
    ) -> AgentList:
        """Return paglets of this host by id, those above `after`; `next` is the last id or None."""

    async def state(self, agent_id: str) -> bytes:
        """Return a paglet's state as JSON."""

    async def logs(self, agent_id: str, tail: int) -> LogBody:
        """Return the last `tail` lines a paglet printed."""


class Arrivals(Protocol):
    """The target's side of a move."""

    async def check(self, body: CheckBody) -> CheckAnswer:
        """Say whether this host would take a paglet."""

    async def offer(
        self,
        transfer_id: str,
        header: EnvelopeHeader,
        encoded_header: bytes,
        chunks: AsyncIterator[bytes],
    ) -> OutcomeBody:
        """Decide on an envelope whose body is still arriving; may return before it has."""

    async def outcome(self, transfer_id: str) -> OutcomeBody:
        """Return the outcome; an unknown transfer is refused durably first."""

    async def settled(self, transfer_id: str) -> None:
        """Note that the source has settled too."""


class Fencing(Protocol):
    """Compares epochs with another host."""

    async def fence(self, body: FenceBody) -> FenceAnswer:
        """Stop what the claims supersede; return the claims that are superseded here."""


class Transfers(Protocol):
    """Transfers as people see them."""

    async def list(
        self, *, in_doubt: bool, role: str | None, after: str | None, limit: int
    ) -> TransferList:
        """Return transfers by id, those above `after`; `next` is the last id or None."""

    async def resolve(self, transfer_id: str, action: str) -> TransferInfo:
        """Settle by an operator's word: `resume` or `drop`."""


class Draining(Protocol):
    """Empties this host before it goes."""

    async def drain(self, *, to: str, deadline: float) -> DrainAnswer:
        """Move all paglets to `to` (`auto`: anywhere) within `deadline` seconds."""


class Events(Protocol):
    """The event log of this host."""

    def read(
        self,
        *,
        after: int,
        kind: str | None,
        agent_id: str | None,
        level: str | None,
        limit: int,
    ) -> EventList:
        """Return events above `after`; `next` grows even where the filter lets nothing pass."""

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there is an event above `after`, or after `timeout` seconds."""


class Services(Protocol):
    """The services that can be called from here."""

    def find(self, query: LookupCall) -> LookupReply:
        """Return who serves a query, best first; where nobody does, why."""

    def describe(self, name: str, version: str) -> ContractList:
        """Return contracts that this host provides; ServiceNotFoundError if there is none."""


class Hosts(Protocol):
    """The hosts of the mesh."""

    def hosts(self) -> Sequence[HostRef]:
        """Return every known host, this one included."""

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`, this host included."""


class Records(Protocol):
    """What rides on the gossip."""

    def list(
        self, *, host: str | None, kind: str | None, after: str | None, limit: int
    ) -> RecordList:
        """Return a page of the records this host knows."""


class Health(Protocol):
    """How this host is."""

    @property
    def ready(self) -> bool:
        """Whether API and store are up."""

    def health(self) -> HealthBody:
        """Return everything about it."""


class MeshHandler(Protocol):
    """The mesh's answering side."""

    async def handle(self, path: str, body: bytes, *, sender_host_id: str) -> bytes:
        """Answer an exchange: `path` is `/mesh/join` or `/mesh/gossip`."""

    def counts(self) -> Mapping[str, int]:
        """Return what it has counted since the start, by name."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the API offers, by who does it."""

    creation: Creation
    delivery: Delivery
    departures: Departures
    inactivity: Inactivity
    leases: Leases
    inspection: Inspection
    arrivals: Arrivals
    fencing: Fencing
    transfers: Transfers
    draining: Draining
    events: Events
    services: Services
    hosts: Hosts
    records: Records
    health: Health
    mesh: MeshHandler
