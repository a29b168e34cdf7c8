"""Operations by which a paglet looks around: paglets, hosts, events, services."""

import msgspec

from paglets.model.enums import PagletStatus
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.childcalls import Handler
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.hostpages import page_of_hosts
from paglets.runtime.inspection import Inspection
from paglets.runtime.leases import Leases
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.providers import Providers
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.services import Services
from paglets.runtime.targets import Targets
from paglets.wire import hostcalls as ops
from paglets.wire.bodies import AgentInfo
from paglets.wire.calls import HostCall
from paglets.wire.hostbodies import EventBody

_REMOTE_TIMEOUT = 30.0
"""Seconds another host has to answer a question about a paglet of its own."""


class ChildQueries:
    """Looks around for the paglets of one host; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        *,
        roster: Roster,
        inspection: Inspection,
        forwarding: Forwarding,
        targets: Targets,
        services: Services,
        providers: Providers,
        leases: Leases,
        peers: PeerHosts,
        calls: PeerCalls,
        recorder: Recorder,
    ) -> None:
        self._roster = roster
        self._inspection = inspection
        self._forwarding = forwarding
        self._targets = targets
        self._services = services
        self._providers = providers
        self._leases = leases
        self._peers = peers
        self._calls = calls
        self._recorder = recorder

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "info": self.info,
            "state": self.state,
            "find": self.find,
            "list": self.list,
            "hosts": self.hosts,
            "wait_host": self.wait_host,
            "events": self.events,
            "emit": self.emit,
            "advertise": self.advertise,
            "withdraw": self.withdraw,
            "lookup": self.lookup,
            "lease": self.lease,
        }

    async def info(self, _paglet: LocalPaglet, body: ops.RefCall, _call: HostCall) -> ops.ListReply:
        """Describe a paglet."""
        return ops.ListReply(agents=(await self._look(body.ref),))

    async def _look(self, ref: PagletProxyRef) -> AgentInfo:
        local = self._roster.find(ref.agent_id) if self._roster.is_here(ref) else None
        if local is not None and local.row.status is not PagletStatus.MOVED:
            return await self._inspection.info(ref.agent_id)
        peer = local.row.peer if local is not None else _peer_of(ref)
        if peer is not None and peer.url not in {"", self._roster.me.url}:
            found = await self._calls.locate(peer, ref.agent_id, timeout=_REMOTE_TIMEOUT)
            if found is not None and found.status != PagletStatus.MOVED:
                return found
        return await self._inspection.find(ref.agent_id)

    async def state(
        self, _paglet: LocalPaglet, body: ops.RefCall, _call: HostCall
    ) -> ops.StateReply:
        """Show a paglet's state."""
        info = await self._look(body.ref)
        if info.host_url == self._roster.me.url:
            return ops.StateReply(state=await self._inspection.state(info.agent_id))
        peer = PeerAddress("", info.host_name, info.host_url)
        state = await self._calls.state(peer, info.agent_id, timeout=_REMOTE_TIMEOUT)
        return ops.StateReply(state=state)

    async def find(
        self, _paglet: LocalPaglet, body: ops.FindCall, _call: HostCall
    ) -> ops.ProxyReply:
        """Find a paglet."""
        if body.host is not None:
            peer = self._targets.resolve(body.host)
            ref = PagletProxyRef(
                host_url=peer.url,
                agent_id=body.agent_id,
                host_id=peer.host_id,
                host_name=peer.name,
            )
            return ops.ProxyReply(ref=ref)
        local = self._roster.find(body.agent_id)
        if local is not None:
            return ops.ProxyReply(ref=self._roster.ref(local))
        if not body.search:
            here = PagletProxyRef(host_url=self._roster.me.url, agent_id=body.agent_id)
            return ops.ProxyReply(ref=here)
        info = await self._forwarding.locate(body.agent_id)
        ref = PagletProxyRef(
            host_url=info.host_url,
            agent_id=info.agent_id,
            host_name=info.host_name,
            epoch=info.epoch,
            birth_id=info.birth_id,
        )
        return ops.ProxyReply(ref=ref)

    async def list(
        self, _paglet: LocalPaglet, body: ops.ListCall, _call: HostCall
    ) -> ops.ListReply:
        """List paglets of this host."""
        found = await self._inspection.list(
            status=body.status, class_name=body.class_name, limit=100_000
        )
        return ops.ListReply(agents=found.agents)

    async def hosts(
        self, _paglet: LocalPaglet, body: ops.HostsCall, _call: HostCall
    ) -> ops.HostsReply:
        """List hosts of the mesh, a page at a time."""
        hosts: list[HostRef] = [self._peers.self_ref()] if body.include_self else []
        hosts.extend(
            host
            for host in self._peers.hosts()
            if not body.online_only or (host.online and host.error is None)
        )
        wanted = (host for host in hosts if body.name in {None, host.name})
        return page_of_hosts(wanted, body.after)

    async def wait_host(
        self, _paglet: LocalPaglet, body: ops.WaitHostCall, _call: HostCall
    ) -> ops.HostReplyBody:
        """Wait for a host; HostNotFoundError says why there was none."""
        host = await self._peers.wait_for_host(body.name, timeout=body.timeout)
        return ops.HostReplyBody(host=host)

    async def events(
        self, _paglet: LocalPaglet, body: ops.EventsCall, _call: HostCall
    ) -> ops.EventsReply:
        """Read the event log."""
        page = self._recorder.read(after=body.after, limit=body.limit)
        events = tuple(
            msgspec.convert(event, EventBody, from_attributes=True) for event in page.events
        )
        return ops.EventsReply(events=events)

    async def emit(self, paglet: LocalPaglet, body: ops.EmitCall, _call: HostCall) -> ops.Empty:
        """Record an event in the paglet's name."""
        detail = msgspec.json.decode(body.detail, type=dict[str, object])
        self._recorder.record(
            body.kind, body.text, agent_id=paglet.agent_id, level=body.level, **detail
        )
        return ops.Empty()

    async def advertise(
        self, paglet: LocalPaglet, body: ops.AdvertiseCall, _call: HostCall
    ) -> ops.Empty:
        """Advertise a service of the paglet."""
        self._providers.advertise(paglet, body)
        return ops.Empty()

    async def withdraw(
        self, paglet: LocalPaglet, body: ops.WithdrawCall, _call: HostCall
    ) -> ops.Empty:
        """Withdraw a service of the paglet."""
        self._providers.withdraw(paglet, body.name, body.version)
        return ops.Empty()

    async def lookup(
        self, _paglet: LocalPaglet, body: ops.LookupCall, _call: HostCall
    ) -> ops.LookupReply:
        """Find providers of a contract."""
        return self._services.page(body)

    async def lease(
        self, paglet: LocalPaglet, body: ops.LeaseCall, _call: HostCall
    ) -> ops.LeaseReply:
        """Take, renew or release a lease."""
        return await self._leases.ask(paglet, body)


def _peer_of(ref: PagletProxyRef) -> PeerAddress:
    return PeerAddress(ref.host_id, ref.host_name, ref.host_url)
