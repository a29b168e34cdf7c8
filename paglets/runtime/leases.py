"""Leases of one host, both ways: on its own paglets, and those its paglets hold elsewhere.

The table (`leasetable.py`) is kept where the provider is. The owner's host passes on what the owner
asks for and, when the owner's process ends, whatever the reason, gives back all it held; the
provider's host does the same for all owners of a host that dies. What is lost on the way ends by
its TTL.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from paglets.mesh.members import Change
from paglets.mesh.notices import MeshEvent
from paglets.model.enums import PagletStatus
from paglets.model.errors import (
    ConflictError,
    LifecycleError,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
    PagletsError,
)
from paglets.model.names import new_id, parse_name
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.childlink import ChildLink
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.leasetable import Lease, LeaseOwner, LeaseTable
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.tasks import Tasks
from paglets.wire.bodies import LeaseAnswer, LeaseBody
from paglets.wire.hostcalls import LeaseCall, LeaseReply

_PEER_TIMEOUT = 30.0
"""Seconds another host has to start a provider and grant a lease on it."""
_RELEASE_TIMEOUT = 5.0
"""Seconds for giving a lease back; then its TTL ends it."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A lease that a paglet of this host holds."""

    agent_id: str
    """The provider."""
    peer: PeerAddress | None
    """Where the provider is; None: here."""


class Leases:
    """Grants and holds leases for one host; used from its loop."""

    def __init__(
        self,
        roster: Roster,
        inactivity: Inactivity,
        forwarding: Forwarding,
        hosts: PeerHosts,
        calls: PeerCalls,
        tasks: Tasks,
    ) -> None:
        self._roster = roster
        self._inactivity = inactivity
        self._forwarding = forwarding
        self._hosts = hosts
        self._calls = calls
        self._tasks = tasks
        self._table = LeaseTable()
        self._held: dict[ChildLink, dict[str, _Held]] = {}

    def is_leased(self, agent_id: str) -> bool:
        """Whether somebody keeps a paglet of this host awake."""
        return bool(self._table.holders(agent_id, now=time.monotonic()))

    def gone(self, agent_id: str) -> None:
        """A paglet of this host was disposed: leases on it mean nothing any more."""
        self._table.release_provider(agent_id)

    def heard(self, event: MeshEvent) -> None:
        """A host has died, left or started anew: what its paglets held is over."""
        host = event.host
        if event.change in {Change.DIED, Change.LEFT}:
            self._table.release_host(host.host_id, up_to=host.generation)
        elif event.change is Change.JOINED:
            # A paglet of its new life may hold one before this life was heard of.
            self._table.release_host(host.host_id, up_to=host.generation - 1)

    async def serve(self, agent_id: str, body: LeaseBody) -> LeaseAnswer:
        """Take, renew or (`ttl_seconds` 0) release a lease on a paglet of this host.

        A new one starts the provider if it sleeps, and is granted when it runs.

        Raises:
            PagletNotFoundError: It is not here.
            ConflictError: The lease to be renewed has expired.
            PagletInactiveError: It sleeps and nothing is to wake it.
            PagletsError: It could not be started.
        """
        parse_name(body.lease_id, what="lease id")
        if body.ttl_seconds == 0:
            self._table.release(body.lease_id)
            return LeaseAnswer(lease_id=body.lease_id, ttl_seconds=0.0)
        now = time.monotonic()
        until = now + body.ttl_seconds
        if body.renews:
            self._table.renew(body.lease_id, until=until, now=now)
            return LeaseAnswer(lease_id=body.lease_id, ttl_seconds=body.ttl_seconds)
        paglet = self._provider(agent_id)
        owner = LeaseOwner(body.owner_host_id, body.owner_generation, body.owner_agent_id)
        # Before it is started: it is not to fall asleep again before anybody has called it.
        self._table.take(Lease(body.lease_id, agent_id, owner, until), now=now)
        try:
            if paglet.row.status is PagletStatus.INACTIVE or paglet.starting is not None:
                await self._inactivity.keep_awake(paglet, "lease")
            _require_serving(paglet)
            # The time it took to start is not taken from its owner.
            self._table.renew(
                body.lease_id, until=time.monotonic() + body.ttl_seconds, now=time.monotonic()
            )
        except BaseException:
            self._table.release(body.lease_id)
            raise
        return LeaseAnswer(lease_id=body.lease_id, ttl_seconds=body.ttl_seconds)

    def _provider(self, agent_id: str) -> LocalPaglet:
        paglet = self._roster.find(agent_id)
        if paglet is None or paglet.row.status is PagletStatus.MOVED:
            raise PagletNotFoundError(
                f"{agent_id} is not on {self._roster.me.name} any more", agent_id=agent_id
            )
        _require_serving(paglet)
        return paglet

    async def ask(self, paglet: LocalPaglet, call: LeaseCall) -> LeaseReply:
        """Take, renew or (`ttl` 0) release a lease for a paglet, wherever the provider is.

        Giving back never fails: what cannot be told now ends by its TTL.

        Raises:
            ConflictError: The lease has expired, or the paglet does not hold it.
            HostUnreachableError: The provider's host does not answer.
            PagletsError: As `serve`.
        """
        link = paglet.link
        if link is None:
            raise LifecycleError(f"{paglet.agent_id} is leaving", agent_id=paglet.agent_id)
        held = self._of(link)
        if call.lease_id is None:
            body = await self._take(paglet, held, call)
            if link.is_over:
                self._give_back_all(held)
            return LeaseReply(lease_id=body.lease_id, ttl=body.ttl_seconds)
        if call.ttl == 0:
            self._give_back(call.lease_id, held)
        else:
            await self._renew(paglet, held, call.lease_id, call.ttl)
        return LeaseReply(lease_id=call.lease_id, ttl=call.ttl)

    def _of(self, link: ChildLink) -> dict[str, _Held]:
        """Return what the paglet in a process holds; given back when the process ends."""
        found = self._held.get(link)
        if found is None:
            found = self._held[link] = {}
            link.keep(asyncio.create_task(self._ended(link), name=f"leases of {link.agent_id}"))
        return found

    async def _ended(self, link: ChildLink) -> None:
        await link.wait_exit()
        self._give_back_all(self._held.pop(link, {}))

    async def _take(
        self, paglet: LocalPaglet, held: dict[str, _Held], call: LeaseCall
    ) -> LeaseBody:
        me = self._hosts.self_ref()
        body = LeaseBody(
            lease_id=new_id(),
            ttl_seconds=call.ttl,
            owner_host_id=me.host_id,
            owner_generation=me.generation,
            owner_agent_id=paglet.agent_id,
        )
        ref = call.service.provider
        # Noted before it is asked for: an owner that ends meanwhile gives it back too.
        held[body.lease_id] = _Held(ref.agent_id, self._place(ref))
        try:
            try:
                await self._send(held[body.lease_id], body)
            except PagletNotFoundError:
                # It has moved on: whoever has it now grants it.
                found = await self._forwarding.locate(ref.agent_id)
                there = PeerAddress("", found.host_name, found.host_url)
                held[body.lease_id] = _Held(ref.agent_id, there)
                await self._send(held[body.lease_id], body)
        except BaseException:
            self._give_back(body.lease_id, held)
            raise
        return body

    async def _renew(
        self, paglet: LocalPaglet, held: dict[str, _Held], lease_id: str, ttl: float
    ) -> None:
        known = held.get(lease_id)
        if known is None:
            raise ConflictError(
                f"{paglet.agent_id} holds no lease {lease_id}: take a new one", lease_id=lease_id
            )
        try:
            await self._send(known, LeaseBody(lease_id=lease_id, ttl_seconds=ttl, renews=True))
        except ConflictError:
            held.pop(lease_id, None)
            raise

    def _place(self, ref: PagletProxyRef) -> PeerAddress | None:
        """Return where a provider is; None: here."""
        local = self._roster.find(ref.agent_id)
        if local is not None and ref.host_id in {"", self._roster.me.host_id}:
            return local.row.peer if local.row.status is PagletStatus.MOVED else None
        if ref.host_url in {"", self._roster.me.url}:
            return None
        return PeerAddress(ref.host_id, ref.host_name, ref.host_url)

    async def _send(
        self, held: _Held, body: LeaseBody, *, timeout: float = _PEER_TIMEOUT
    ) -> LeaseAnswer:
        if held.peer is None:
            return await self.serve(held.agent_id, body)
        return await self._calls.lease(held.peer, held.agent_id, body, timeout=timeout)

    def _give_back_all(self, held: dict[str, _Held]) -> None:
        for lease_id in list(held):
            self._give_back(lease_id, held)

    def _give_back(self, lease_id: str, held: dict[str, _Held]) -> None:
        known = held.pop(lease_id, None)
        if known is None:
            return
        if known.peer is None:
            self._table.release(lease_id)
        else:
            self._tasks.start(self._tell(lease_id, known), f"end of lease {lease_id}")

    async def _tell(self, lease_id: str, held: _Held) -> None:
        body = LeaseBody(lease_id=lease_id, ttl_seconds=0.0)
        with contextlib.suppress(PagletsError):  # its TTL ends it
            await self._send(held, body, timeout=_RELEASE_TIMEOUT)


def _require_serving(paglet: LocalPaglet) -> None:
    """Raise why a paglet can serve nobody, neither now nor when it is woken."""
    row = paglet.row
    match row.status:
        case PagletStatus.INACTIVE if row.policy is None or not row.policy.activate_on_message:
            raise PagletInactiveError(
                f"{row.agent_id} is asleep and nothing wakes it: `paglets agent activate "
                f"{row.agent_id}`",
                agent_id=row.agent_id,
            )
        case PagletStatus.CRASHED if not paglet.restart_pending:
            raise PagletCrashedError(
                f"{row.agent_id} has crashed: {row.error}", agent_id=row.agent_id
            )
        case PagletStatus.UNREADABLE | PagletStatus.HELD:
            raise LifecycleError(
                f"{row.agent_id} is {row.status}: {row.error}",
                agent_id=row.agent_id,
                agent_status=str(row.status),
            )
        case _:
            return
