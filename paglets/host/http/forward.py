"""`ANY /hosts/{name}/{path}`: for clients that reach one host only. One hop, signed anew.

Small answers are verified before they are passed on; large ones and event streams are passed on
while they arrive, under the digest that the other host signed, so that the client verifies them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest, StreamAnswer
from paglets.host.http.ports import Hosts
from paglets.host.http.routing import FORWARD, Match, Router
from paglets.model.errors import (
    ForbiddenError,
    HostNotFoundError,
    HostUnreachableError,
    InvalidRequestError,
    NotFoundError,
)
from paglets.model.names import parse_name
from paglets.model.refs import HostRef
from paglets.remote.session import Call, OpenAnswer, PeerSession
from paglets.remote.signing import STREAM
from paglets.remote.urls import parse_url
from paglets.wire.routes import Pool

BUFFER_BYTES = 1024 * 1024
"""Largest answer that is held and verified here."""
_PASSED_ON = ("Accept", "Content-Type", "Idempotency-Key", "Last-Event-ID")


class Forwarder:
    """Sends requests on to other hosts of the mesh.

    Args:
        hosts: Finds them.
        own_id: Host id of this host; requests to itself take no hop.
        session: Connections and keys.
    """

    def __init__(self, hosts: Hosts, own_id: str, session: PeerSession) -> None:
        self._hosts = hosts
        self._own_id = own_id
        self._session = session
        self._router: Router | None = None

    def use(self, router: Router) -> None:
        """Take the table that requests are looked up in; called once, when the app is built."""
        self._router = router

    async def forward(self, asked: ApiRequest) -> Answer:
        """Send a request on and pass its answer back.

        Raises:
            HostNotFoundError: No host has this name.
            ForbiddenError: What hosts ask of each other is not forwarded.
        """
        inner = self._inner(asked)
        ref = self._find(parse_name(asked.params["name"], what="host name"))
        if ref.host_id == self._own_id:
            return await inner.handler(replace(asked, entry=inner.entry, params=inner.params))
        path = asked.params["path"]
        call = Call(
            asked.method,
            parse_url(ref.url),
            f"{path}?{asked.query_string}" if asked.query_string else path,
            asked.body,
            {name: asked.headers[name] for name in _PASSED_ON if name in asked.headers},
            timeout=asked.budget,
            host_id=ref.host_id,
            host_name=ref.name,
        )
        async with AsyncExitStack() as stack:
            with _while_awaited(asked):
                opened = await stack.enter_async_context(self._session.open(call))
                content_type = opened.headers.get("Content-Type", "application/octet-stream")
                if opened.mark.digest != STREAM and _length(opened) <= BUFFER_BYTES:
                    answer = await self._session.complete(opened, call)
                    return ApiAnswer(answer.status, answer.body, content_type)
            return StreamAnswer(
                _pass_on(opened, stack.pop_all()),
                opened.mark.digest,
                opened.status,
                content_type,
            )

    def _inner(self, asked: ApiRequest) -> Match:
        assert self._router is not None
        path = asked.params["path"]
        inner = self._router.find(asked.method, path)
        if inner is None:
            raise NotFoundError(f"there is no {asked.method} {path[:80]} to be forwarded")
        if inner.entry is FORWARD:
            raise InvalidRequestError("a request is forwarded once, not twice")
        if inner.entry.pool in {Pool.MESH, Pool.TRANSFER}:
            raise ForbiddenError("what hosts ask of each other is not forwarded")
        return inner

    def _find(self, name: str) -> HostRef:
        ref = self._hosts.lookup(name)
        if ref is None:
            known = ", ".join(sorted(ref.name for ref in self._hosts.hosts())) or "none"
            raise HostNotFoundError(f"no host {name} is known here; known: {known}", name=name)
        return ref


@contextmanager
def _while_awaited(asked: ApiRequest) -> Iterator[None]:
    """Give the other host up when the caller has gone: it takes a queued message along then."""
    task = asyncio.current_task()
    if asked.gone is None or task is None:
        yield
        return
    gone = asked.gone()

    def give_up(_gone: "asyncio.Future[None]") -> None:
        task.cancel()

    gone.add_done_callback(give_up)
    try:
        yield
    except asyncio.CancelledError:
        if not gone.done() or task.uncancel():
            raise
        raise HostUnreachableError("the caller of a forwarded request has gone") from None
    finally:
        gone.remove_done_callback(give_up)


async def _pass_on(opened: OpenAnswer, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in opened.content.iter_any():
            yield chunk


def _length(opened: OpenAnswer) -> int:
    """Return the announced length; an answer without one counts as large."""
    text = opened.headers.get("Content-Length", "")
    if not text:
        return 0 if opened.status == 204 else BUFFER_BYTES + 1
    return int(text)
