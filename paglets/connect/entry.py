"""Which host a client talks to, and with which key.

The host: what the caller names, else `PAGLETS_URL`, else the only host that runs on this machine
under `PAGLETS_HOME`, else port 8765 here. The key: see `config/keys.py`; which one the host uses it
tells itself on `/livez`, unsigned, so that hint only chooses among keys this user has.
"""

import logging
import os
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from paglets.config.keys import Keyring, client_keyring, home_dir
from paglets.model.errors import HostUnreachableError, InvalidRequestError, UnauthorizedError
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.remote.urls import DEFAULT_PORT, CheckedResolver, UrlPolicy, parse_url

logger = logging.getLogger(__name__)

HOST_FILE = "host.json"
"""Written by a running host into its data folder."""
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
HELLO_TIMEOUT = 5.0
"""Seconds a host may take to say which key it uses."""
_HELLO_LIMIT_BYTES = 4096


class RunningHost(msgspec.Struct, frozen=True):
    """What a running host wrote about itself."""

    pid: int
    url: str
    name: str
    key_id: str | None = None
    started_at: float = 0.0
    local_url: str | None = None
    """Where it is reached on this machine, if not at `url`."""


class _Hello(msgspec.Struct, frozen=True):
    """What `/livez` says."""

    ok: bool
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """The host a client talks to."""

    url: str
    keyring: Keyring | None
    """None for a host that runs with `--insecure`."""
    is_insecure: bool = False


def running_hosts(home: Path) -> list[RunningHost]:
    """Return the hosts that run on this machine with a data folder under `home`, by name."""
    found = [_read(path) for path in sorted(home.glob(f"hosts/*/{HOST_FILE}"))]
    return [host for host in found if host is not None and _is_alive(host.pid)]


def choose_url(named: str | None, environ: MutableMapping[str, str]) -> str:
    """Return the base URL of the host to talk to.

    Args:
        named: What the caller says; None to look for one.
        environ: The process environment.

    Raises:
        InvalidRequestError: It is no URL of a host, or several hosts run here.
    """
    wanted = named or environ.get("PAGLETS_URL")
    if wanted:
        return parse_url(wanted)
    running = running_hosts(home_dir(environ))
    if len(running) > 1:
        choices = ", ".join(f"{host.name} {host.url}" for host in running)
        raise InvalidRequestError(
            f"several hosts run here ({choices}): choose one by --url or PAGLETS_URL"
        )
    if not running:
        return DEFAULT_URL
    return parse_url(running[0].local_url or running[0].url)


async def find_entry(
    url: str | None = None,
    key_file: Path | None = None,
    *,
    environ: MutableMapping[str, str] | None = None,
) -> Entry:
    """Return the host to talk to, with the key it knows.

    Args:
        url: As for `choose_url`.
        key_file: The key to sign with; None to look for the one the host uses.
        environ: The process environment; None for the real one.

    Raises:
        HostUnreachableError: Nothing answers there.
        UnauthorizedError: This user has no key of that host; `key_id` names it.
        InvalidRequestError: The URL or a key is malformed.
        OSError: A key file that was named cannot be read.
    """
    environ = os.environ if environ is None else environ
    base = choose_url(url, environ)
    if key_file is not None or environ.get("PAGLETS_KEY_FILE") or environ.get("PAGLETS_KEY"):
        return Entry(base, client_keyring(environ=environ, key_file=key_file))
    hello = await _hello(base)
    if hello.key_id is None:
        logger.warning("%s runs without a key: anybody who reaches it can use it", base)
        return Entry(base, None, is_insecure=True)
    keyring = client_keyring(environ=environ, key_id=hello.key_id)
    if keyring is None:
        raise UnauthorizedError(
            f"{base} uses key {hello.key_id[:16]!r}, which is not among yours",
            key_id=hello.key_id[:16],
            url=base,
        )
    return Entry(base, keyring)


@asynccontextmanager
async def open_host(
    url: str | None = None, key_file: Path | None = None, *, sender: str
) -> AsyncIterator[HostClient]:
    """Give a client of the entry host; its connections are closed after the block.

    Args:
        url: As for `choose_url`.
        key_file: As for `find_entry`.
        sender: What kind of client this is, for the host's log: `cli`, `connect`.

    Raises:
        PagletsError: As `find_entry`.
    """
    entry = await find_entry(url, key_file)
    async with PeerSession(entry.keyring, sender=sender) as session:
        yield HostClient.at(session, entry.url)


def _read(path: Path) -> RunningHost | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunningHost)
    except (OSError, msgspec.DecodeError):  # being written or removed just now: no running host
        return None


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _hello(base: str) -> _Hello:
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(UrlPolicy()))
    timeout = aiohttp.ClientTimeout(total=HELLO_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as http,
            http.get(f"{base}/livez", allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_HELLO_LIMIT_BYTES)
    except TimeoutError as error:
        raise _silent(base, f"nothing came within {HELLO_TIMEOUT:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _silent(base, str(error) or type(error).__name__) from error
    try:
        return msgspec.json.decode(body, type=_Hello)
    except msgspec.DecodeError as error:
        raise _silent(base, "what answers there is no host of paglets") from error


def _silent(base: str, reason: str) -> HostUnreachableError:
    return HostUnreachableError(
        f"no answer from {base}: {reason}", url=base, reason=reason, connected=False
    )
