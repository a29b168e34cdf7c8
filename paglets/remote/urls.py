"""Which URLs a host follows: those of hosts, and never a cloud's metadata service.

URLs come from people, from peers and from references in messages. A text is checked here when it
is read; a name is checked again when it is resolved, by the resolver of the session, and the
connection goes to the very address that was checked, so a name that changes its mind gains nothing.
"""

import asyncio
import errno
import functools
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from paglets.model.errors import InvalidRequestError

DEFAULT_PORT = 8765
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|\d+)(\.(0[xX][0-9a-fA-F]*|\d+))*\.?")
"""Forms that C libraries read as an address and Python does not: 0x7f000001, 2130706433, 127.1."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_Question: TypeAlias = tuple[str, int, socket.AddressFamily]
"""Host name, port and family of a look-up."""


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """What addresses may be connected to."""

    allow_loopback: bool = True
    """For clients, and for hosts that are on loopback themselves; others have no peer there."""

    def refusal(self, address: IPAddress) -> str | None:
        """Return why `address` may not be connected to, None if it may."""
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        if address.is_link_local:
            return "a link-local address (where clouds keep credentials)"
        if address.is_multicast:
            return "a multicast address"
        if address.is_unspecified:
            return "the unspecified address"
        if address.is_reserved and not address.is_loopback:
            return "a reserved address"
        if address.is_loopback and not self.allow_loopback:
            return "a loopback address, but this host is not on loopback"
        return None


@functools.lru_cache(maxsize=1024)
def parse_url(text: str, policy: UrlPolicy | None = None) -> str:
    """Return the base URL of a host in one spelling: `http://host:port`, no trailing slash.

    Args:
        text: From a person or a peer; `host:port` and `host` are short for http.
        policy: What addresses may be connected to; the default lets loopback through.

    Raises:
        InvalidRequestError: Other schemes than http and https, user info, a path, a query, an
            address that `policy` refuses, or a number that only some programs take for an address.
    """
    split = _split(text)
    host = (split.hostname or "").lower()
    literal = _as_address(host)
    if literal is not None:
        refusal = (policy or UrlPolicy()).refusal(literal)
        if refusal is not None:
            raise InvalidRequestError(f"URL {text[:200]!r}: {refusal}")
    elif _NUMERIC.fullmatch(host) or not _NAME.fullmatch(host) or len(host) > 253:
        raise InvalidRequestError(f"URL {text[:200]!r}: {host[:80]!r} is no host name or address")
    port = split.port or (DEFAULT_PORT if split.scheme == "http" else 443)
    shown = f"[{literal}]" if isinstance(literal, ipaddress.IPv6Address) else host
    return f"{split.scheme}://{shown}:{port}"


def authority_of(base: str) -> str:
    """Return `host:port` of a URL that `parse_url` returned, as in a Host header."""
    return base.partition("://")[2]


def host_of_header(text: str) -> str | None:
    """Return the host in a Host header without its port, None if it is malformed."""
    try:
        split = urlsplit(f"//{text}")
        _ = split.port
    except ValueError:
        return None
    if split.username is not None or split.path or split.query or split.fragment:
        return None
    return split.hostname


def is_address(host: str) -> bool:
    """Return whether `host` is a literal IP address."""
    return _as_address(host) is not None


def _split(text: str) -> SplitResult:
    if len(text) > 512 or not text.isprintable() or " " in text or "\\" in text:
        raise InvalidRequestError(f"URL {text[:80]!r}: too long, or has characters URLs have not")
    try:
        split = urlsplit(text if "://" in text else f"http://{text}")
        port = split.port
    except ValueError as error:
        raise InvalidRequestError(f"URL {text[:200]!r}: {error}") from error
    if split.scheme not in {"http", "https"}:
        raise InvalidRequestError(f"URL {text[:200]!r}: the scheme is http or https")
    if "@" in split.netloc:
        raise InvalidRequestError("a URL of a host has no user name or password")
    if split.path not in {"", "/"} or split.query or split.fragment:
        raise InvalidRequestError(f"URL {text[:200]!r}: write only scheme, host and port")
    if port == 0 or "%" in split.netloc:
        raise InvalidRequestError(f"URL {text[:200]!r}: host or port is not usable")
    return split


def _as_address(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class CheckedResolver(AbstractResolver):
    """Resolves names in bounded time, leaving out addresses that the policy refuses.

    A look-up that a silent name server holds up keeps its thread to the end. So there is one for
    each name at a time, which all that ask for it meanwhile share.

    Args:
        policy: What addresses may be connected to.
        inner: Looks names up; that of the system if None.
        timeout: Seconds that a caller waits for a look-up.
    """

    def __init__(
        self, policy: UrlPolicy, inner: AbstractResolver | None = None, *, timeout: float = 5.0
    ) -> None:
        self._policy = policy
        self._inner = inner or ThreadedResolver()
        self._timeout = timeout
        self._looking: dict[_Question, asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; called for every new connection.

        Raises:
            OSError: It has none, none in time, or none that may be connected to.
        """
        found: Sequence[ResolveResult] = await self._found((host, port, family))
        refusals: list[str] = []
        allowed: list[ResolveResult] = []
        for result in found:
            address = result["host"].partition("%")[0]
            refusal = self._policy.refusal(ipaddress.ip_address(address))
            if refusal is None:
                allowed.append(result)
            else:
                refusals.append(f"{host} is {address}, {refusal}")
        if not allowed:
            reason = "; ".join(refusals) or f"{host} has no address"
            raise OSError(errno.EHOSTUNREACH, reason)  # aiohttp shows only an error's strerror
        return allowed

    async def _found(self, question: _Question) -> list[ResolveResult]:
        looking = self._looking.get(question)
        if looking is None:
            looking = asyncio.create_task(self._inner.resolve(*question), name="look up a name")
            looking.add_done_callback(lambda done: self._end(question, done))
            self._looking[question] = looking
        done, _ = await asyncio.wait([looking], timeout=self._timeout)
        if not done:
            reason = f"{question[0]} was not resolved within {self._timeout:g} s"
            raise OSError(errno.EHOSTUNREACH, reason)
        return looking.result()

    def _end(self, question: _Question, done: "asyncio.Task[list[ResolveResult]]") -> None:
        del self._looking[question]
        if not done.cancelled():
            done.exception()  # whoever waits gets it; maybe nobody does any more

    async def close(self) -> None:
        """Give up what is being looked up, and release what the inner resolver holds."""
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await self._inner.close()
