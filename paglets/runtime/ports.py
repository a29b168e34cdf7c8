"""What the runtime needs of the parts beside and above it, as protocols.

The mesh, the client side of other hosts and the Paglet Processes are handed in by
`host/build.py`; tests hand in fakes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from paglets.mesh.directory import MeshRecord
from paglets.mesh.notices import MeshEvent
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.wire.bodies import (
    AgentInfo,
    AgentList,
    CheckAnswer,
    CheckBody,
    CreateBody,
    FenceAnswer,
    FenceBody,
    LeaseAnswer,
    LeaseBody,
    OutcomeBody,
    ReplyBody,
)


class PeerHosts(Protocol):
    """Who else is there. Seeds at first, the mesh later."""

    def self_ref(self) -> HostRef:
        """Return this host as others should see it."""

    def hosts(self) -> Sequence[HostRef]:
        """Return every known host but this one, online or not, usable or not (`error`)."""

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`, this host included."""

    def by_id(self, host_id: str) -> HostRef | None:
        """Return the host with this id, this host included."""

    async def wait_for_host(self, name: str, *, timeout: float) -> HostRef:
        """Return the host called `name` once it is online; HostNotFoundError after `timeout`."""


class GossipRecords(Protocol):
    """Small values that ride on the gossip, gone with their host; see `mesh.gossip.Mesh`."""

    def set_record(self, kind: str, key: str, payload: bytes | None, *, lazy: bool = False) -> None:
        """Tell the mesh a value of this host, at most 4096 bytes; None withdraws it."""

    def records(self, kind: str, prefix: str = "") -> Sequence[MeshRecord]:
        """Return the values of a kind of all live hosts whose keys begin with `prefix`."""

    def all_records(self) -> Sequence[MeshRecord]:
        """Return the values of every kind of all live hosts."""

    def record(self, host_id: str, kind: str, key: str = "") -> MeshRecord | None:
        """Return one value of a live host, None where it has told none."""

    def subscribe(self, callback: Callable[[MeshEvent], None]) -> Callable[[], None]:
        """Call `callback` after every change; return what ends that."""


class PeerCalls(Protocol):
    """Calls to another host. `peer` is found by id; its URL is looked up again each time.

    Every call raises the error the peer answered with, `HostUnreachableError` where there was no
    answer (`connected` in its detail: whether any byte may have reached a peer), or
    `MisdirectedError` where another host answers at that address. `timeout` is in seconds.
    """

    async def check(self, peer: PeerAddress, body: CheckBody, *, timeout: float) -> CheckAnswer:
        """Ask whether `peer` would take a paglet. `peer.host_id` may be empty: learnt here."""

    async def offer(
        self,
        peer: PeerAddress,
        transfer_id: str,
        header: bytes,
        parts: Sequence[bytes | Path],
        *,
        timeout: float,
    ) -> OutcomeBody:
        """Send an envelope: its encoded header, then state and files."""

    async def outcome(self, peer: PeerAddress, transfer_id: str, *, timeout: float) -> OutcomeBody:
        """Ask for the outcome of a transfer; an unknown one is refused durably by the peer."""

    async def settled(self, peer: PeerAddress, transfer_id: str, *, timeout: float) -> None:
        """Tell the target that the source has settled too."""

    async def fence(self, peer: PeerAddress, body: FenceBody, *, timeout: float) -> FenceAnswer:
        """Compare who owns what; see `runtime/fencing.py`."""

    async def send(
        self, peer: PeerAddress, agent_id: str, body: bytes, *, timeout: float
    ) -> ReplyBody:
        """Deliver an encoded message to a paglet of that host."""

    async def locate(self, peer: PeerAddress, agent_id: str, *, timeout: float) -> AgentInfo | None:
        """Return what that host knows of a paglet, tombstones included; None for nothing."""

    async def state(self, peer: PeerAddress, agent_id: str, *, timeout: float) -> bytes:
        """Return a paglet's state as JSON."""

    async def create(
        self, peer: PeerAddress, body: CreateBody, *, key: str, timeout: float
    ) -> PagletProxyRef:
        """Create a paglet there."""

    async def lifecycle(
        self, peer: PeerAddress, agent_id: str, verb: str, body: bytes, *, key: str, timeout: float
    ) -> PagletProxyRef | None:
        """POST `/agents/{agent_id}/{verb}` with a JSON body; None after a dispose."""

    async def lease(
        self, peer: PeerAddress, agent_id: str, body: LeaseBody, *, timeout: float
    ) -> LeaseAnswer:
        """Take, renew or release a lease on a paglet there."""

    async def list_agents(
        self, peer: PeerAddress, query: dict[str, str], *, timeout: float
    ) -> AgentList:
        """List paglets of that host."""
