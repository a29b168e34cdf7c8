"""`HttpPeerCalls`: what the runtime asks of other hosts (`runtime/ports.py`), over HTTP.

A peer is meant by its host id; where it is now is looked up for each attempt. Calls of moves have
connections of their own, so that messages waiting on slow paglets never hold up a settlement.
"""

from collections.abc import Sequence
from pathlib import Path

from paglets.model.errors import NotFoundError
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.remote.answers import unreachable
from paglets.remote.client import HostClient
from paglets.remote.directory import Directory
from paglets.remote.endpoint import Endpoint
from paglets.remote.session import PeerSession
from paglets.remote.transfers import TransferClient
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


class HttpPeerCalls:
    """Calls to other hosts; implements `PeerCalls`, whose docstrings hold here too.

    Args:
        directory: Finds hosts by id and name.
        calls: Connections for messages and everything that waits for paglets.
        control: Connections for transfers, which the others cannot take.
    """

    def __init__(self, directory: Directory, *, calls: PeerSession, control: PeerSession) -> None:
        self._directory = directory
        self._calls = calls
        self._control = control

    async def close(self) -> None:
        """Close all connections."""
        await self._calls.close()
        await self._control.close()

    async def check(self, peer: PeerAddress, body: CheckBody, *, timeout: float) -> CheckAnswer:
        """Ask whether `peer` would take a paglet."""
        return await self._transfers(peer).check(body, timeout=timeout)

    async def offer(
        self,
        peer: PeerAddress,
        transfer_id: str,
        header: bytes,
        parts: Sequence[bytes | Path],
        *,
        timeout: float,
    ) -> OutcomeBody:
        """Send an envelope; the signature covers its header, which covers the rest."""
        client = self._transfers(peer)
        return await client.offer(transfer_id, header, parts, timeout=timeout)

    async def outcome(self, peer: PeerAddress, transfer_id: str, *, timeout: float) -> OutcomeBody:
        """Ask for the outcome of a transfer."""
        return await self._transfers(peer).outcome(transfer_id, timeout=timeout)

    async def settled(self, peer: PeerAddress, transfer_id: str, *, timeout: float) -> None:
        """Tell the target that the source has settled too."""
        await self._transfers(peer).settled(transfer_id, timeout=timeout)

    async def fence(self, peer: PeerAddress, body: FenceBody, *, timeout: float) -> FenceAnswer:
        """Compare who owns what."""
        return await self._transfers(peer).fence(body, timeout=timeout)

    async def send(
        self, peer: PeerAddress, agent_id: str, body: bytes, *, timeout: float
    ) -> ReplyBody:
        """Deliver an encoded message; a full mailbox is tried again while there is time."""
        return await self._host(peer).send(agent_id, body, timeout=timeout)

    async def locate(self, peer: PeerAddress, agent_id: str, *, timeout: float) -> AgentInfo | None:
        """Return what that host knows of a paglet; None for nothing."""
        try:
            return await self._host(peer).show_agent(agent_id, timeout=timeout)
        except NotFoundError:
            return None

    async def state(self, peer: PeerAddress, agent_id: str, *, timeout: float) -> bytes:
        """Return a paglet's state as JSON."""
        return await self._host(peer).state(agent_id, timeout=timeout)

    async def create(
        self, peer: PeerAddress, body: CreateBody, *, key: str, timeout: float
    ) -> PagletProxyRef:
        """Create a paglet there."""
        return await self._host(peer).create(body, key=key, timeout=timeout)

    async def lifecycle(
        self, peer: PeerAddress, agent_id: str, verb: str, body: bytes, *, key: str, timeout: float
    ) -> PagletProxyRef | None:
        """Run a life-cycle verb there; None after a dispose."""
        client = self._host(peer)
        return await client.lifecycle(agent_id, verb, body, key=key, timeout=timeout)

    async def lease(
        self, peer: PeerAddress, agent_id: str, body: LeaseBody, *, timeout: float
    ) -> LeaseAnswer:
        """Take, renew or release a lease on a paglet there."""
        return await self._host(peer).lease(agent_id, body, timeout=timeout)

    async def list_agents(
        self, peer: PeerAddress, query: dict[str, str], *, timeout: float
    ) -> AgentList:
        """List paglets of that host."""
        return await self._host(peer).list_agents(query, timeout=timeout)

    def client(self, ref: HostRef) -> HostClient:
        """Return a client of a host the mesh knows; for what is asked of all of them."""
        return self._host(PeerAddress(ref.host_id, ref.name, ref.url))

    def _host(self, peer: PeerAddress) -> HostClient:
        return HostClient(self._endpoint(self._calls, peer))

    def _transfers(self, peer: PeerAddress) -> TransferClient:
        return TransferClient(self._endpoint(self._control, peer))

    def _endpoint(self, session: PeerSession, peer: PeerAddress) -> Endpoint:
        if peer.host_id:
            known = self._directory.by_id(peer.host_id)
        else:
            known = self._directory.lookup(peer.name) if peer.name and not peer.url else None
        url = known.url if known is not None else peer.url
        if not url:
            raise unreachable(
                f"host {peer.name or peer.host_id}", "its address is not known", connected=False
            )
        name = peer.name if known is None else known.name
        return Endpoint(session, url, host_id=peer.host_id, name=name)
