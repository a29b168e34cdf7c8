"""Requests to other hosts: signed, verified, bounded, and typed when they fail.

One session per program. It keeps, per base URL, who answers there, how far that clock is off and
which key it knows, and repeats a request at most once for each of these when the other side says
it was addressed by what has changed: nothing was done then. Redirects are not followed, proxies
of the environment are not used, cookies are not kept.

Not here: what the routes mean (`remote/client.py`), which host to ask (`remote/peers.py`).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

import aiohttp
import msgspec
from aiohttp.connector import Connection
from aiohttp.payload import Payload
from aiohttp.tracing import Trace
from yarl import URL

from paglets.config.keys import Keyring
from paglets.model.errors import (
    InvalidRequestError,
    MisdirectedError,
    PagletsError,
    TooLargeError,
    UnauthorizedError,
)
from paglets.remote.answers import Answer, unreachable, verify_body, verify_mark, why_silent
from paglets.remote.known import Attempt, KnownHost, Lesson, Signable
from paglets.remote.signing import (
    ANSWER_HEADER,
    BUDGET_HEADER,
    STREAM,
    AnswerMark,
    RequestLine,
    body_digest,
)
from paglets.remote.sockets import ConnectionLimits
from paglets.remote.urls import CheckedResolver, UrlPolicy, authority_of, parse_url
from paglets.wire.failures import parse_error_body

ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
ERROR_LIMIT_BYTES = 1024 * 1024
"""Largest body of an error that is read."""
_MAX_ATTEMPTS = 4
"""First, and once each for another clock, another generation and another key."""

_attempt: ContextVar[Attempt] = ContextVar("attempt")
"""The attempt that this task makes; tells the connector whose connection it gives."""
_KNOWN_LIMIT = 4096
"""URLs of which something is kept; the oldest is forgotten, and learnt again when used."""


@dataclass(frozen=True, slots=True)
class StreamBody:
    """A request body that is not held in memory."""

    payload: Payload
    digest: str
    """What the signature covers; for an envelope the digest of its header."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    url: str
    """Base URL, as `parse_url` returns it."""
    path: str
    """Path and query, percent-encoded."""
    body: bytes | StreamBody = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    """Seconds for everything, from the first attempt to the last byte of the answer."""
    host_id: str = ""
    """The host that is meant; another's answer is a MisdirectedError. Empty: whoever is there."""
    host_name: str = ""
    """Its name where that is known, for people who read an error."""
    limit_bytes: int = ANSWER_LIMIT_BYTES
    """Largest answer that is read."""
    is_bare: bool = False
    """Sent without content type and budget: for small exchanges of which there are many."""


@dataclass(slots=True)
class OpenAnswer:
    """An answer whose header is verified and whose body is still to be read."""

    status: int
    mark: AnswerMark
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    """Whoever reads it all compares its digest with `mark.digest`, unless that is `stream`."""


class _Alive(msgspec.Struct):
    key_id: str | None


class PeerSession:
    """Connections to hosts, and what is known of each. Use as `async with`.

    Args:
        keyring: Signs and verifies; None means `--insecure`: no signatures at all.
        sender: Who we are: a host's id, else `cli`, `connect` or the like.
        policy: What addresses may be connected to.
        ssl_context: For https, None for the system's authorities.
        clock: Wall-clock seconds; tests hand in theirs.
        connections: How many, and how long one may take to be made.
    """

    def __init__(
        self,
        keyring: Keyring | None,
        *,
        sender: str,
        policy: UrlPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        connections: ConnectionLimits | None = None,
    ) -> None:
        self._keyring = keyring
        self._sender = sender
        self._policy = policy or UrlPolicy()
        self._ssl = ssl_context
        self._clock = clock
        self._connections = connections or ConnectionLimits()
        self._hosts: dict[str, KnownHost] = {}
        self._http: aiohttp.ClientSession | None = None
        self._resolver: CheckedResolver | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; requests under way fail as unreachable."""
        if self._http is not None:
            await self._http.close()
            self._http = None
        if self._resolver is not None:  # aiohttp closes only one that it has made
            await self._resolver.close()
            self._resolver = None

    def forget(self, url: str) -> None:
        """Forget who answers at `url`; called when the mesh says it is another host."""
        self._hosts.pop(url, None)

    async def request(self, call: Call) -> Answer:
        """Send a request and return its complete answer.

        Raises:
            PagletsError: What the host answered with, as it is there.
            HostUnreachableError: No genuine answer; `connected` tells whether any byte may have
                reached a host.
            InvalidRequestError: `call.url` is none that may be used.
            MisdirectedError: Another host than `call.host_id` answers there.
            UnauthorizedError: We share no key; `signed` is False, `key_id` names the host's key.
            TooLargeError: The answer is longer than `call.limit_bytes`.
        """
        async with self.open(call) as opened:
            return await self.complete(opened, call)

    async def complete(self, opened: OpenAnswer, call: Call) -> Answer:
        """Read the rest of an answer to `call` and verify it, inside the block of `open`.

        Raises:
            HostUnreachableError: It is a stream, or not what was signed.
            TooLargeError: It is longer than `call.limit_bytes`.
        """
        if opened.mark.digest == STREAM:
            raise unreachable(call.url, "a stream where an answer was asked for", connected=True)
        body = await _read(opened.content, call.limit_bytes, call.url)
        if not verify_body(opened.mark, body):
            raise unreachable(call.url, "the answer is not what was signed", connected=True)
        return Answer(opened.status, body, opened.mark.host_id, opened.mark.generation)

    async def key_id(self, url: str, *, timeout: float = 5.0) -> str | None:
        """Ask a host which key it uses; needs no key. None with `--insecure`.

        What `client_keyring` looks for. The answer is not signed: believe it only so far.

        Raises:
            HostUnreachableError: Nothing that looks like a host answers there.
            InvalidRequestError: `url` is none that may be used.
        """
        attempt = Attempt()
        _attempt.set(attempt)
        try:
            async with asyncio.timeout(timeout):
                request = self._client().get(
                    f"{parse_url(url, self._policy)}/livez",
                    allow_redirects=False,
                )
                async with request as response:
                    body = await _read(response.content, ERROR_LIMIT_BYTES, url)
                    return msgspec.json.decode(body, type=_Alive).key_id
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            reason = why_silent(error, timeout=timeout)
            raise unreachable(url, reason, connected=attempt.connected) from error

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[OpenAnswer]:
        """Send a request and give its answer while it arrives; successes only, errors raise.

        `call.timeout` covers everything up to the end of the block.

        Raises:
            PagletsError: As `request` does.
        """
        attempt = Attempt()
        try:
            async with asyncio.timeout(call.timeout):
                response = await self._exchange(call, attempt)
                async with response:
                    yield self._opened(response, call, attempt)
        except PagletsError:  # first: a DeadlineError of the host is a TimeoutError too
            raise
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            reason = why_silent(error, timeout=call.timeout)
            raise unreachable(
                call.url, reason, connected=attempt.connected, host=call.host_name
            ) from error

    async def _exchange(self, call: Call, attempt: Attempt) -> aiohttp.ClientResponse:
        """Send until there is a success; raise what the host answered otherwise."""
        learnt: set[Lesson] = set()
        for _ in range(_MAX_ATTEMPTS):
            response = await self._send(call, attempt)
            if response.status < 300:
                return response
            async with response:
                body = await _read(response.content, ERROR_LIMIT_BYTES, call.url)
                error = self._error_of(response, body, call, attempt)
            lesson = self._known(call.url).learn(
                error,
                attempt,
                expected_id=call.host_id,
                keyring=self._keyring,
                now=self._clock(),
            )
            if lesson is None or lesson in learnt:
                raise error
            learnt.add(lesson)
        raise unreachable(call.url, "its answers contradict each other", connected=True)

    async def _send(self, call: Call, attempt: Attempt) -> aiohttp.ClientResponse:
        headers = dict(call.headers)
        data: bytes | Payload | None
        if isinstance(call.body, StreamBody):
            data, digest = call.body.payload, call.body.digest
        else:
            data, digest = call.body or None, body_digest(call.body)
            if not call.is_bare:
                headers.setdefault("Content-Type", "application/json")
        if not call.is_bare:
            headers.setdefault(BUDGET_HEADER, str(int(call.timeout * 1000)))
        headers["Authorization"] = self._known(call.url).sign(
            Signable(
                RequestLine(call.method, call.path), digest, authority_of(call.url), call.host_id
            ),
            attempt,
            keyring=self._keyring,
            sender=self._sender,
            now=self._clock(),
        )
        _attempt.set(attempt)
        return await self._client().request(
            call.method,
            URL(call.url + call.path, encoded=True),
            data=data,
            headers=headers,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",) if call.is_bare else None,
        )

    def _mark_of(
        self, response: aiohttp.ClientResponse, call: Call, attempt: Attempt
    ) -> AnswerMark | None:
        mark = verify_mark(
            response.headers.get(ANSWER_HEADER),
            key=attempt.key,
            asked=attempt.asked,
            status=response.status,
            nonce=attempt.nonce,
        )
        if mark is not None:
            self._known(call.url).heard(mark)
        return mark

    def _opened(self, response: aiohttp.ClientResponse, call: Call, attempt: Attempt) -> OpenAnswer:
        mark = self._mark_of(response, call, attempt)
        if mark is None:
            raise unreachable(
                call.url, "what answers there does not sign with our key", connected=True
            )
        if call.host_id and mark.host_id != call.host_id:
            raise _misdirected(call, mark.host_id)
        return OpenAnswer(response.status, mark, response.headers, response.content)

    def _error_of(
        self, response: aiohttp.ClientResponse, body: bytes, call: Call, attempt: Attempt
    ) -> PagletsError:
        """Return the error of an unsuccessful answer, if it is an answer."""
        mark = self._mark_of(response, call, attempt)
        error = parse_error_body(body, response.status)
        if mark is not None and verify_body(mark, body):
            error.detail.setdefault("host_id", mark.host_id)
            retry_after = response.headers.get("Retry-After", "")
            if retry_after.isascii() and retry_after.isdigit():
                error.detail.setdefault("retry_after", float(retry_after))
            return error
        if isinstance(error, UnauthorizedError):
            error.detail["signed"] = False
            return error
        reason = f"HTTP {response.status} that is not signed with our key: {error.message[:200]}"
        return unreachable(call.url, reason, connected=True)

    def _known(self, url: str) -> KnownHost:
        """Return what is known of a URL; a new one is checked by the policy here, once."""
        known = self._hosts.get(url)
        if known is None:
            if parse_url(url, self._policy) != url:
                raise InvalidRequestError(f"URL {url[:200]!r} is not as parse_url returns it")
            if len(self._hosts) >= _KNOWN_LIMIT:
                del self._hosts[next(iter(self._hosts))]
            known = self._hosts[url] = KnownHost()
        return known

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._resolver = CheckedResolver(self._policy, timeout=self._connections.timeout)
            self._http = aiohttp.ClientSession(
                connector=_NotingConnector(
                    limit=self._connections.total,
                    limit_per_host=self._connections.per_host,
                    keepalive_timeout=self._connections.keepalive,
                    use_dns_cache=False,
                    resolver=self._resolver,
                    socket_factory=self._connections.make_socket,
                    ssl=self._ssl if self._ssl is not None else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connections.timeout),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
            )
        return self._http


class _NotingConnector(aiohttp.TCPConnector):
    """Notes in the attempt that there was a connection; tracing would cost each request more."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a new or kept connection; called by aiohttp in the task of the request."""
        connection = await super().connect(req, traces, timeout)
        _attempt.get().connected = True
        return connection


async def _read(content: aiohttp.StreamReader, limit_bytes: int, url: str) -> bytes:
    chunks: list[bytes] = []
    length = 0
    async for chunk in content.iter_any():
        length += len(chunk)
        if length > limit_bytes:
            raise TooLargeError(f"the answer of {url} is over {limit_bytes} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _misdirected(call: Call, host_id: str) -> MisdirectedError:
    return MisdirectedError(
        f"{call.url} is now host {host_id}, not {call.host_id}", host_id=host_id, url=call.url
    )
