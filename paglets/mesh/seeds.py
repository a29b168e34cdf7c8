"""What people write for a seed, and the addresses behind it.

A name may stand for many hosts (a compose service, a headless service); all of them are tried, and
resolved anew each time, because containers change their addresses. Which of them are worth a join
is decided in `contacts.py`.
"""

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from paglets.mesh.messages import check_url
from paglets.model.errors import HostUnreachableError, InvalidRequestError

DEFAULT_PORT = 8765
"""Port of a seed that is written without one."""

RESOLVE_TIMEOUT = 5.0
"""Seconds the name service has to answer."""


def parse_seed(text: str) -> str:
    """Return the URL of a seed written as `name`, `name:port`, `[ipv6]:port` or a URL.

    Raises:
        InvalidRequestError: It cannot be read so.
    """
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        check_url(url)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else DEFAULT_PORT)
    except ValueError as error:
        raise InvalidRequestError(f"seed {text!r} is not NAME:PORT or a URL: {error}") from error
    return f"{parts.scheme}://{_bracketed(parts.hostname or '')}:{port}"


async def resolve_seed(seed: str) -> tuple[str, ...]:
    """Return the URLs behind a seed, one an address.

    An address stays as it is, and so does an https URL, whose certificate is for its name.

    Raises:
        HostUnreachableError: The name is unknown, or the name service does not answer.
    """
    parts = urlsplit(seed)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    if parts.scheme != "http" or _is_address(host):
        return (seed,)
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except OSError as error:
        why = str(error) or "the name service does not answer"
        text = f"seed {host} has no address: {why}"
        raise HostUnreachableError(text, url=seed) from error
    hosts = dict.fromkeys(str(address[0]) for *_, address in found)
    return tuple(f"http://{_bracketed(each)}:{port}" for each in hosts)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
