"""Ways to the hosts of a mesh from outside it: through the entry host, or direct.

Through the entry every path is `/hosts/{name}/…`, one hop, so hosts that cannot be reached from
here work too. `direct=True` is for clients inside the network. Used by `calls.py`.
"""

from paglets.model.enums import PagletStatus
from paglets.model.errors import HostNotFoundError, PagletNotFoundError
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.remote.urls import parse_url
from paglets.wire.bodies import AgentInfo

HOP_LIMIT = 8
"""Tombstones that are followed to find a paglet."""


class HostWays:
    """Clients of hosts by name, reference or URL.

    Args:
        session: Connections and key.
        entry_url: Base URL of the entry host.
        direct: Connect to each host itself.
    """

    def __init__(self, session: PeerSession, entry_url: str, *, direct: bool) -> None:
        self._session = session
        self._direct = direct
        self._names: dict[str, str] = {}
        self.entry = HostClient.at(session, entry_url)

    async def to_paglet(self, ref: PagletProxyRef) -> HostClient:
        """Return a client of the host where a paglet was last seen.

        Where that host is not known any more it is the entry, which looks for the paglet.
        """
        if self._direct:
            return HostClient.at(self._session, ref.host_url)
        name = ref.host_name or await self._name_at(ref.host_url)
        return self.entry if name is None else await self._named_or_entry(name)

    async def to_host(self, host: str | HostRef) -> HostClient:
        """Return a client of a host.

        Args:
            host: A name, a HostRef, or a URL.

        Raises:
            HostNotFoundError: The entry host knows none of that name or URL.
        """
        if isinstance(host, HostRef):
            return HostClient.at(self._session, host.url) if self._direct else self.on(host.name)
        if "://" in host:
            if self._direct:
                return HostClient.at(self._session, host)
            name = await self._name_at(host)
            if name is None and parse_url(host) == self.entry.url:
                return self.entry
            if name is None:
                raise HostNotFoundError(f"{self.entry.url} knows no host at {host}", url=host)
            return self.on(name)
        if not self._direct:
            return self.on(host)
        await self._refresh()
        for url, name in self._names.items():
            if name == host:
                return HostClient.at(self._session, url)
        raise HostNotFoundError(f"{self.entry.url} knows no host called {host}", name=host)

    def on(self, name: str) -> HostClient:
        """Return a client of the host called `name`, through the entry."""
        return self.entry.on_host(name)

    async def find(self, client: HostClient, agent_id: str, *, timeout: float) -> AgentInfo:
        """Return what is known of a paglet, following it from the host `client` asks.

        Raises:
            PagletNotFoundError: No reachable host knows it.
        """
        info = await client.show_agent(agent_id, {"search": "mesh"}, timeout=timeout)
        for _ in range(HOP_LIMIT):
            if info.status != PagletStatus.MOVED or info.peer is None:
                return info
            info = await self.on(info.peer.name).show_agent(agent_id, timeout=timeout)
        raise PagletNotFoundError(f"paglet {agent_id} moves faster than it can be followed")

    async def _named_or_entry(self, name: str) -> HostClient:
        if name not in self._names.values():
            await self._refresh()
        return self.on(name) if name in self._names.values() else self.entry

    async def _name_at(self, url: str) -> str | None:
        base = parse_url(url)
        if base not in self._names:
            await self._refresh()
        return self._names.get(base)

    async def _refresh(self) -> None:
        listed = await self.entry.hosts()
        self._names = {parse_url(host.url): host.name for host in listed.hosts}


def reference(info: AgentInfo) -> PagletProxyRef:
    """Return the reference to a paglet that was shown or listed."""
    return PagletProxyRef(
        info.host_url,
        info.agent_id,
        host_name=info.host_name,
        epoch=info.epoch,
        birth_id=info.birth_id,
    )
