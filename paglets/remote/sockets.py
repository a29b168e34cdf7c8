"""Connections to other hosts: how many, and how it is noticed that nobody is there any more.

A host that loses power, or its network, closes nothing: what is sent to it on a kept connection is
repeated by the kernel for a quarter of an hour, and the call waits to its end. The kernel of a host
that lives acknowledges what it gets, however busy or frozen the process is. So its silence, and
only that, ends a connection. Used by `remote/session.py`.
"""

import socket
from dataclasses import dataclass

from aiohttp.connector import AddrInfoType

_PROBES = 2
"""Questions whether somebody is still there, on a connection on which we only wait."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds on the connections of one session. Calls beyond them wait while their time lasts."""

    total: int = 512
    per_host: int = 128
    timeout: float = 5.0
    """Seconds to find the addresses of a name, and to connect to each: a host that is down is
    noticed after as long."""
    keepalive: float = 10.0
    """Seconds an idle connection stays; less than the server's 45, so it never closes first.
    Longer spares connections that are used seldom, each holds a file at both ends."""
    silence: float | None = 10.0
    """Seconds without a word of the other side's kernel after which a connection is over. Six
    repeats of a packet fit into it: where a third of them is lost, that happens once in a thousand
    times. None: only the calls' own times count, as for long bodies, which a host may take in with
    pauses."""

    def make_socket(self, address: AddrInfoType) -> socket.socket:
        """Return a socket for a connection; what a system has no option for is left out."""
        family, kind, protocol, _, _ = address
        made = socket.socket(family=family, type=kind, proto=protocol)
        if self.silence is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            interval = max(1, int(self.silence / (_PROBES + 1)))
            for name, value in (
                ("TCP_USER_TIMEOUT", int(self.silence * 1000)),
                ("TCP_KEEPIDLE", interval),
                ("TCP_KEEPINTVL", interval),
                ("TCP_KEEPCNT", _PROBES),
            ):
                option = getattr(socket, name, None)
                if option is not None:
                    made.setsockopt(socket.IPPROTO_TCP, option, value)
        return made
