"""Listens: the API on a TCP port, IPv4 or IPv6, with TLS where there are certificate files."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from paglets.host.http.connections import ConnectionServer
from paglets.host.http.gate import Gate
from paglets.host.http.limits import HttpLimits

_LEAST_GRACE = 0.01


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate files for https."""

    certificate: Path
    """Chain in PEM."""
    key: Path
    client_authority: Path | None = None
    """Where given, clients must show a certificate of this authority (mTLS)."""

    def server_context(self) -> ssl.SSLContext:
        """Return the context for listening.

        Raises:
            OSError: A file cannot be read, or is no certificate or key.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_authority is not None:
            context.load_verify_locations(self.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class HttpServer:
    """The API of one host, while it listens.

    Args:
        gate: Handles every request.
        bind: Address to listen on; `::` listens on IPv6 and IPv4.
        port: 0 takes a free one.
        listener: A socket bound already, in place of `bind` and `port`: the host knows its URL
            before anything is composed.
        tls: None speaks http.
        limits: Connections and times.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        bind: str,
        port: int,
        listener: socket.socket | None = None,
        tls: TlsFiles | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        self._gate = gate
        self._bind = bind
        self._port = port
        self._listener = listener
        self._tls = tls
        self._limits = limits or HttpLimits()
        self._runner: web.ServerRunner | None = None

    async def start(self) -> int:
        """Listen; return the port that is bound. Called once.

        Raises:
            OSError: The address is in use or not ours, or a certificate file is bad.
        """
        server = ConnectionServer(self._gate, self._limits)
        self._gate.server = server
        runner = web.ServerRunner(server, shutdown_timeout=0.0)
        await runner.setup()
        self._runner = runner
        context = self._tls.server_context() if self._tls is not None else None
        site: web.BaseSite
        if self._listener is not None:
            self._port = self._listener.getsockname()[1]
            site = web.SockSite(runner, self._listener, ssl_context=context, backlog=512)
        else:
            site = web.TCPSite(runner, self._bind, self._port, ssl_context=context, backlog=512)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        return int(site.port) if isinstance(site, web.TCPSite) else self._port

    async def stop(self, grace: float) -> None:
        """Stop listening, let requests under way end for `grace` seconds, then cancel them.

        Event streams end at once. Returns within twice `grace`.
        """
        runner, self._runner = self._runner, None
        if runner is None or self._gate.server is None:
            return
        self._gate.stopping.set()
        for site in runner.sites:
            await site.stop()
        self._gate.server.pre_shutdown()
        # aiohttp takes 0 for "for ever".
        await self._gate.server.shutdown(max(grace, _LEAST_GRACE))
        await runner.cleanup()
