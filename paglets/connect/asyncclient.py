"""`AsyncClient`: the twin of `Client` for asyncio programs; no thread, every call is awaited."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.port import (
    CALL_TIMEOUT,
    CREATE,
    EVENTS,
    FIND,
    HOSTS,
    LIFECYCLE_TIMEOUT,
    LOOKUP,
    WAIT_HOST,
)
from paglets.agent.proxy import SEND_TIMEOUT
from paglets.connect.asyncproxy import AsyncPagletProxy
from paglets.connect.calls import HttpCalls
from paglets.connect.client import SENDER, creation, finding
from paglets.connect.entry import find_entry
from paglets.connect.hosts import HostWays
from paglets.model.enums import ServiceScope
from paglets.model.errors import HostNotFoundError, ServiceNotFoundError
from paglets.model.events import ContextEvent
from paglets.model.message import Message
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.remote.session import PeerSession
from paglets.wire import hostcalls as wire
from paglets.wire.bodies import ServiceBody

Q = TypeVar("Q")
R = TypeVar("R")


class AsyncServiceHandle:
    """A typed client of one provider of a contract; made by `AsyncClient.services`."""

    def __init__(self, calls: HttpCalls, contract: ServiceContract, body: ServiceBody) -> None:
        self.contract = contract
        self.record = body
        """The provider's entry in the registry."""
        self._proxy = AsyncPagletProxy(calls, body.provider)

    async def call(
        self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = SEND_TIMEOUT
    ) -> R:
        """Call an operation and return its reply.

        Args:
            operation: One of the contract's.
            request: As the operation says.
            timeout: Seconds to the reply.

        Raises:
            TypeError: `request` is not of the operation's type.
            PagletsError: As `PagletProxy.send` raises.
        """
        if not isinstance(request, operation.request):
            raise TypeError(
                f"{operation.name} takes a {operation.request.__name__}, "
                f"not a {type(request).__name__}"
            )
        message = Message.of(request, kind=operation.name)
        return await self._proxy.send(message, operation.reply, timeout=timeout)


class AsyncClient:
    """A mesh as seen through one host. Made by `connect_async`; use it in `async with`."""

    def __init__(self, session: PeerSession, url: str, *, direct: bool) -> None:
        self._session = session
        self._calls = HttpCalls(HostWays(session, url, direct=direct))
        self.url = url
        """The entry host."""

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

    async def services(
        self, contract: ServiceContract, *, scope: ServiceScope = ServiceScope.MESH
    ) -> list[AsyncServiceHandle]:
        """Return handles to all providers of a contract, best first."""
        request = wire.LookupCall(name=contract.name, version=contract.version, scope=scope)
        found = await self._calls.call(LOOKUP, request, timeout=CALL_TIMEOUT)
        return [AsyncServiceHandle(self._calls, contract, body) for body in found.services]

    async def require(
        self, contract: ServiceContract, *, scope: ServiceScope = ServiceScope.MESH
    ) -> AsyncServiceHandle:
        """Return a handle to the best provider of a contract.

        Raises:
            ServiceNotFoundError: There is none.
        """
        found = await self.services(contract, scope=scope)
        if not found:
            raise ServiceNotFoundError(
                f"nobody provides {contract.name} version {contract.version}", name=contract.name
            )
        return found[0]

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
