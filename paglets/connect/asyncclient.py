"""`AsyncClient`: the twin of `Client` for asyncio programs; no thread, every call is awaited."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from paglets.agent.port import (
    CALL_TIMEOUT,
    CREATE,
    EVENTS,
    FIND,
    HOSTS,
    LIFECYCLE_TIMEOUT,
    WAIT_HOST,
)
from paglets.connect.asyncproxy import AsyncPagletProxy
from paglets.connect.asyncservices import AsyncServices
from paglets.connect.calls import HttpCalls
from paglets.connect.client import SENDER, creation, finding
from paglets.connect.entry import find_entry
from paglets.connect.hosts import HostWays
from paglets.model.errors import HostNotFoundError
from paglets.model.events import ContextEvent
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.remote.session import PeerSession
from paglets.wire import hostcalls as wire


class AsyncClient:
    """A mesh as seen through one host. Made by `connect_async`; use it in `async with`."""

    def __init__(self, session: PeerSession, url: str, *, direct: bool) -> None:
        self._session = session
        self._calls = HttpCalls(HostWays(session, url, direct=direct))
        self.url = url
        """The entry host."""
        self.services = AsyncServices(self._calls)
        """Finds services, calls them and keeps them awake; own services are for paglets."""

    async def create(
        self,
        cls_or_name: type | str,
        state: object | None = None,
        host: str | HostRef | None = None,
        agent_id: str | None = None,
    ) -> AsyncPagletProxy:
        """Create a paglet; return its proxy once it is durable. As `Client.create`."""
        request = creation(cls_or_name, state, host, agent_id)
        created = await self._calls.call(CREATE, request, timeout=LIFECYCLE_TIMEOUT)
        return AsyncPagletProxy(self._calls, created.ref)

    async def proxy(
        self, paglet: str | PagletProxyRef, host: str | None = None
    ) -> AsyncPagletProxy:
        """Return a proxy of a paglet; as `Client.proxy`."""
        if isinstance(paglet, PagletProxyRef):
            return AsyncPagletProxy(self._calls, paglet)
        found = await self._calls.call(FIND, finding(paglet, host), timeout=CALL_TIMEOUT)
        return AsyncPagletProxy(self._calls, found.ref)

    async def hosts(self, *, online_only: bool = True) -> Sequence[HostRef]:
        """Return the hosts of the mesh as the entry host sees them."""
        request = wire.HostsCall(online_only=online_only)
        return (await self._calls.call(HOSTS, request, timeout=CALL_TIMEOUT)).hosts

    async def wait_for_host(self, name: str, timeout: float = CALL_TIMEOUT) -> HostRef:
        """Return the host of this name as soon as it is online, at most `timeout` seconds later.

        Raises:
            HostNotFoundError: It was not online in time.
        """
        request = wire.WaitHostCall(name=name, timeout=timeout)
        host = (await self._calls.call(WAIT_HOST, request, timeout=timeout)).host
        if host is None:
            raise HostNotFoundError(f"host {name} was not online within {timeout:g} s", name=name)
        return host

    async def events(self, after: int = 0, limit: int = 100) -> list[ContextEvent]:
        """Return events of the entry host in order.

        Args:
            after: Sequence number of the last event already seen; 0: the oldest kept.
            limit: At most so many.
        """
        request = wire.EventsCall(after=after, limit=limit)
        listed = await self._calls.call(EVENTS, request, timeout=CALL_TIMEOUT)
        return [ContextEvent(**msgspec.structs.asdict(event)) for event in listed.events]

    async def close(self) -> None:
        """Close all connections; a second time nothing happens."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.url}>"


async def connect_async(
    url: str | None = None, key_file: str | Path | None = None, *, direct: bool = False
) -> AsyncClient:
    """Return a client of a mesh for asyncio programs; arguments and errors as for `connect`."""
    entry = await find_entry(url, None if key_file is None else Path(key_file))
    session = PeerSession(entry.keyring, sender=SENDER)
    return AsyncClient(session, entry.url, direct=direct)
