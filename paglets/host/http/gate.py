"""The one way in: every request passes here, in this order, before a handler sees it.

    Host, Origin → who is it (MAC) → is it for us, now, and new → route → slot → size → body
    → handler → answer, signed

Errors of any of these become `{"error": …}`; what is none of ours becomes InternalError with an
incident id under which the traceback is in the log. Not here: what routes do (one file each).
"""

import asyncio
import logging
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDict

from paglets.host.http.access import ANONYMOUS, Access, Caller
from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest, StreamAnswer
from paglets.host.http.connections import Connection, ConnectionServer
from paglets.host.http.limits import RETRY_AFTER_SECONDS, Held, HttpLimits, Pools
from paglets.host.http.reading import BodyReader
from paglets.host.http.routing import Match, Router
from paglets.host.http.tally import Tally
from paglets.model.errors import (
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PagletsError,
    UnauthorizedError,
)
from paglets.model.names import new_id
from paglets.remote.signing import ANSWER_HEADER, BUDGET_HEADER, RequestLine, body_digest
from paglets.wire.failures import error_body
from paglets.wire.routes import Pool

logger = logging.getLogger(__name__)

DEFAULT_BUDGET = 30.0
"""Seconds a caller is taken to wait who does not say."""
_BUDGET_LIMIT = 3600.0
_SERVER = "paglets"


@dataclass(slots=True)
class _Passage:
    """One request on its way through the gate."""

    request: web.BaseRequest
    connection: Connection
    path: str
    query_string: str
    match: Match | None
    caller: Caller = ANONYMOUS
    held: Held = field(default_factory=Held)


class Gate:
    """Lets requests through to handlers and sends their answers.

    Args:
        router: Finds handlers.
        access: Decides who may ask, and signs.
        limits: Sizes, times and slots.
        tally: Counts answers.
        stopping: Set by `HttpServer` when it stops: streams end then.
    """

    def __init__(
        self,
        router: Router,
        access: Access,
        limits: HttpLimits,
        *,
        tally: Tally,
        stopping: asyncio.Event,
    ) -> None:
        self._router = router
        self._access = access
        self._limits = limits
        self._pools = Pools(limits)
        self._reader = BodyReader(limits)
        self._tally = tally
        self.stopping = stopping
        self.server: ConnectionServer | None = None
        """Set by `HttpServer` when it starts."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request; called by aiohttp. Never raises for anything a client does."""
        assert self.server is not None
        path, _, query_string = request.raw_path.partition("?")
        passage = _Passage(
            request,
            self.server.connection(request.protocol),
            path,
            query_string,
            self._router.find(request.method, path),
        )
        passage.connection.busy = True
        try:
            answer = await self._answer(passage)
            name = passage.match.entry.name if passage.match is not None else "none"
            self._tally.count(name, answer.status)
            return await self._send(passage, answer)
        finally:
            passage.held.give_back()
            passage.connection.busy = False

    async def _answer(self, passage: _Passage) -> Answer:
        try:
            return await self._pass(passage)
        except PagletsError as error:
            return self._refusal(error)
        except RecursionError:
            return self._refusal(InvalidRequestError("nested too deep"))
        except Exception as error:  # noqa: BLE001 - the border of the API: logged with its incident
            return self._incident(error, passage)

    async def _pass(self, passage: _Passage) -> Answer:
        request = passage.request
        match = passage.match
        host = request.headers.get("Host")
        stranger = self._identify(passage)
        # Before a stranger is turned away: pages of a browser are to learn nothing at all.
        self._access.check_browser(host, request.headers.get("Origin"))
        if match is None or match.entry.pool is not Pool.OPEN:
            if stranger is not None:
                raise stranger
            self._access.admit(passage.caller, host)
            passage.connection.proven = True
        if self.server is not None:
            self.server.used(passage.connection)
        if match is None:
            return self._no_route(passage)
        return await match.handler(await self._admit_body(passage, match))

    def _identify(self, passage: _Passage) -> UnauthorizedError | None:
        """Set who asks, so that even a refusal is signed; return the error for a stranger."""
        request = passage.request
        line = RequestLine(request.method, request.raw_path)
        try:
            passage.caller = self._access.identify(line, request.headers.get("Authorization"))
        except UnauthorizedError as error:
            return error
        return None

    async def _admit_body(self, passage: _Passage, match: Match) -> ApiRequest:
        """Take the slots a request needs, and read its body unless the handler does."""
        request = passage.request
        limit = self._limits.body_limit(match.inner.entry if match.inner else match.entry)
        passage.held.take(self._pools.by_pool[match.entry.pool])
        length = self._reader.check_size(request, limit)
        credentials = passage.caller.credentials
        asked = ApiRequest(
            request.method,
            match.entry,
            match.params,
            passage.query_string,
            b"",
            passage.caller.sender,
            request.headers,
            _budget(request.headers.get(BUDGET_HEADER)),
            digest=None if credentials is None else credentials.digest,
            content_length=length,
            gone=passage.connection.gone,
        )
        if length == 0 or not request.body_exists:
            await self._reader.whole(request, 0, asked.digest)
            return asked
        await _continue(request)
        if match.entry.name == "offer_transfer":
            passage.held.take(self._pools.arriving)
            asked.chunks = self._reader.chunks(request, limit)
        else:
            passage.held.take(self._pools.bodies, limit if length is None else length)
            asked.body = await self._reader.whole(request, limit, asked.digest)
        return asked

    def _no_route(self, passage: _Passage) -> ApiAnswer:
        methods = self._router.methods(passage.path)
        if not methods:
            raise NotFoundError(f"there is no {passage.path[:80]}; /openapi.json lists what is")
        allowed = ", ".join(methods)
        error = InvalidRequestError(f"{passage.path[:80]} takes {allowed}")
        return ApiAnswer(405, error_body(error), headers={"Allow": allowed})

    def _refusal(self, error: PagletsError) -> ApiAnswer:
        headers: dict[str, str] = {}
        retry_after = error.detail.get("retry_after")
        if error.status in {429, 503}:
            seconds = retry_after if isinstance(retry_after, int | float) else RETRY_AFTER_SECONDS
            headers["Retry-After"] = str(max(1, round(seconds)))
        if error.status == 401:
            headers["WWW-Authenticate"] = f"Paglets key={self._access.key_id}, Bearer"
        return ApiAnswer(error.status, error_body(error), headers=headers)

    def _incident(self, error: Exception, passage: _Passage) -> ApiAnswer:
        incident = new_id()[:12]
        request = passage.request
        logger.error(
            "request failed by a defect: %s %s incident=%s",
            request.method, passage.path[:200], incident, exc_info=error,
        )  # fmt: skip
        message = f"a defect of this host; its log has the traceback under {incident}"
        return self._refusal(InternalError(message, incident=incident))

    async def _send(self, passage: _Passage, answer: Answer) -> web.StreamResponse:
        request = passage.request
        headers: CIMultiDict[str] = CIMultiDict(answer.headers)
        headers["Server"] = _SERVER
        digest = answer.digest if isinstance(answer, StreamAnswer) else body_digest(answer.body)
        mark = self._access.sign(passage.caller, status=answer.status, digest=digest)
        if mark is not None:
            headers[ANSWER_HEADER] = mark
        if isinstance(answer, StreamAnswer):
            headers["Content-Type"] = answer.content_type
            return await _stream(request, answer, headers)
        if answer.body:
            headers["Content-Type"] = answer.content_type
        is_exchange = passage.match is not None and passage.match.entry.pool is Pool.MESH
        kind = _BareResponse if is_exchange and answer.status < 300 else web.Response
        response = kind(status=answer.status, body=answer.body, headers=headers)
        if not request.content.is_eof():
            response.force_close()  # rather than read on a body that nobody wants
        return response


class _BareResponse(web.Response):
    """Sends no header that says nothing: the mesh's answers are as small as the rest together.

    An aiohttp that calls no such method sends them, which costs bytes and nothing else.
    """

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        for name in ("Server", "Date", "Content-Type"):
            self.headers.popall(name, None)


async def _stream(
    request: web.BaseRequest, answer: StreamAnswer, headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Send a stream; one that breaks off closes the connection: nobody takes it for whole."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    try:
        await response.prepare(request)
        async for chunk in answer.chunks:
            await response.write(chunk)
        await response.write_eof()
    except (ConnectionError, PagletsError) as error:
        logger.info("stream ended early: %s path=%s", error, request.raw_path[:200])
        request.protocol.force_close()
    return response


async def _continue(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue` now that the body is wanted."""
    expect = request.headers.get("Expect")
    if expect is None:
        return
    if expect.lower() != "100-continue":
        raise InvalidRequestError(f"Expect: {expect[:40]!r} is not known")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer's headers are still to come


def _budget(text: str | None) -> float:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 16):
        return DEFAULT_BUDGET
    return min(int(text) / 1000, _BUDGET_LIMIT)
