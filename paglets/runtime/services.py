"""Finding services: this host's registry first, then those of its peers."""

import asyncio
import time
from collections.abc import Sequence

from paglets.model.enums import ServiceScope
from paglets.model.errors import PagletsError, ServiceNotFoundError
from paglets.model.names import new_id
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.registry import Registry, matches
from paglets.wire.bodies import ServiceBody, ServiceList
from paglets.wire.hostcalls import AdvertiseCall, LeaseCall, LeaseReply, LookupCall

_ASK_TIMEOUT = 2.0
"""Seconds a peer has to list its services."""


class Services:
    """Looks up services for one host; used from its loop."""

    def __init__(self, registry: Registry, hosts: PeerHosts, calls: PeerCalls) -> None:
        self._registry = registry
        self._hosts = hosts
        self._calls = calls
        self._leases: dict[str, float] = {}

    async def lookup(self, call: LookupCall) -> tuple[ServiceBody, ...]:
        """Return providers of a contract, local ones first.

        Raises:
            ServiceNotFoundError: Nobody provides it; the message names near misses.
        """
        found = self._matching(self._registry, call)
        others: Sequence[ServiceBody] = ()
        if call.scope is ServiceScope.MESH:
            others = await self.remote()
            found += self._matching(others, call)
        if not found:
            raise ServiceNotFoundError(self._why_not(call, others), service=call.name)
        return found

    def _matching(
        self, records: Registry | Sequence[ServiceBody], call: LookupCall
    ) -> tuple[ServiceBody, ...]:
        return tuple(
            record
            for record in records
            if matches(
                record,
                name=call.name,
                version=call.version,
                operations=call.operations,
                capabilities=call.capabilities,
            )
        )

    def _why_not(self, call: LookupCall, others: Sequence[ServiceBody]) -> str:
        near = sorted(
            {record.version for record in (*self._registry, *others) if record.name == call.name}
        )
        wanted = f"no provider of {call.name!r} in version {call.version}"
        if near:
            return f"{wanted} with what was asked for; there is version {', '.join(near)}"
        return f"{wanted}: `paglets service list` shows what there is"

    async def remote(self) -> tuple[ServiceBody, ...]:
        """Return what the usable hosts of the mesh provide."""
        hosts = [host for host in self._hosts.hosts() if host.online and host.error is None]
        answers = await asyncio.gather(*(self._ask(host) for host in hosts))
        return tuple(
            record for answer in answers for record in answer if record.scope is ServiceScope.MESH
        )

    async def _ask(self, host: HostRef) -> Sequence[ServiceBody]:
        peer = PeerAddress(host.host_id, host.name, host.url)
        try:
            return await self._calls.services(peer, timeout=_ASK_TIMEOUT)
        except PagletsError:
            # A host that does not answer provides nothing now; the mesh marks it soon.
            return ()

    def advertise(self, class_name: str, ref: PagletProxyRef, call: AdvertiseCall) -> None:
        """Add what a paglet of this host advertises."""
        self._registry.advertise(
            ServiceBody(
                name=call.name,
                version=call.version,
                provider=ref,
                operations=call.operations,
                scope=call.scope,
                capabilities=call.capabilities,
                metadata=call.metadata,
                host_name=ref.host_name,
                class_name=class_name,
            )
        )

    def withdraw(self, agent_id: str, name: str, version: str) -> None:
        """Remove what a paglet of this host advertised."""
        self._registry.withdraw(agent_id, name, version)

    def lease(self, call: LeaseCall) -> LeaseReply:
        """Take, renew or (`ttl` 0) release a lease."""
        lease_id = call.lease_id or new_id()
        now = time.monotonic()
        self._leases = {key: end for key, end in self._leases.items() if end > now}
        if call.ttl <= 0:
            self._leases.pop(lease_id, None)
            return LeaseReply(lease_id=lease_id, ttl=0.0)
        self._leases[lease_id] = now + call.ttl
        return LeaseReply(lease_id=lease_id, ttl=call.ttl)

    async def list(self, *, name: str | None, scope: str | None) -> ServiceList:
        """Return what can be called from here.

        Args:
            name: Only services of this name.
            scope: `local` for what this host provides itself; else other hosts are asked too.
        """
        found = [*self._registry]
        if scope != ServiceScope.LOCAL.value:
            found.extend(await self.remote())
        return ServiceList(services=tuple(r for r in found if name in {None, r.name}))
