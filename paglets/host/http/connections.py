"""The open connections of a server: how many, whose, and who has gone.

A subclass of aiohttp's server that is told of every connection and its end. Strangers can open
connections but not keep others out: the longest idle connection that never proved a key makes room.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from paglets.host.http.limits import HttpLimits

Protocol = web.RequestHandler


class Connection:
    """One open connection."""

    __slots__ = ("_gone", "busy", "protocol", "proven")

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.proven = False
        """A request on it had credentials."""
        self.busy = False
        """A request is being handled: it never makes room for another connection."""
        self._gone: asyncio.Future[None] | None = None

    def gone(self) -> "asyncio.Future[None]":
        """Return what is done when the connection is lost; shared, so nobody cancels it."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        return self._gone

    def lost(self) -> None:
        """Tell who waits that the peer has gone."""
        gone = self.gone()
        if not gone.done():
            gone.set_result(None)


class ConnectionServer(web.Server):
    """aiohttp's low-level server with a bound on its connections.

    Handlers are not cancelled when a client goes away: a create half way through would be. Who
    wants to know has `Connection.gone`.

    Args:
        handler: Handles every request.
        limits: Connections, and times and sizes of request headers.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: HttpLimits,
    ) -> None:
        super().__init__(
            handler,
            handler_cancellation=False,
            keepalive_timeout=limits.keepalive,
            lingering_time=limits.linger,
            auto_decompress=False,
            max_line_size=limits.header_line_bytes,
            max_field_size=limits.header_line_bytes,
            max_headers=limits.headers,
            access_log=None,
        )
        self._limit = limits.connections
        self._open: dict[Protocol, Connection] = {}
        self.refused = 0
        """Connections closed at once because all others were busy."""

    def __len__(self) -> int:
        return len(self._open)

    def connection(self, protocol: Protocol) -> Connection:
        """Return the connection of a request."""
        found = self._open.get(protocol)
        if found is None:  # lost before its request was looked at
            found = Connection(protocol)
            found.lost()
        return found

    def connection_made(self, handler: Protocol, transport: asyncio.Transport) -> None:
        """Called by aiohttp for each new connection."""
        super().connection_made(handler, transport)
        if len(self._open) >= self._limit and not self._make_room():
            self.refused += 1
            transport.abort()
            return
        self._open[handler] = Connection(handler)

    def connection_lost(self, handler: Protocol, exc: BaseException | None = None) -> None:
        """Called by aiohttp when a connection has ended, by whomever."""
        found = self._open.pop(handler, None)
        if found is not None:
            found.lost()
        super().connection_lost(handler, exc)

    def used(self, connection: Connection) -> None:
        """Note that a connection is not idle: it becomes the last to make room."""
        if self._open.pop(connection.protocol, None) is not None:
            self._open[connection.protocol] = connection

    def _make_room(self) -> bool:
        idle = [found for found in self._open.values() if not found.busy]
        victim = next((found for found in idle if not found.proven), None)
        if victim is None:
            victim = idle[0] if idle else None
        if victim is None:
            return False
        self._open.pop(victim.protocol).lost()
        victim.protocol.force_close()
        return True
