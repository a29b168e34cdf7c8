"""`GET /events`: the event log, a page as JSON or a stream as SSE."""

import asyncio
from collections.abc import AsyncIterator

from paglets.host.http.asked import Answer, ApiRequest, Query, StreamAnswer, json_answer
from paglets.host.http.fanout import FanOut
from paglets.host.http.ports import Events
from paglets.host.http.routing import Handler
from paglets.model.errors import InvalidRequestError
from paglets.remote.signing import STREAM
from paglets.remote.sse import KEEPALIVE, encode_events
from paglets.wire.hostbodies import EventList

LEVELS = ("debug", "info", "warning", "error")
SSE = "text/event-stream"
KEEPALIVE_SECONDS = 10.0
"""Between two signs of life on a stream where nothing happens."""


class EventRoutes:
    """Shows and streams the event log.

    Args:
        events: The log.
        fan_out: Asks the other hosts for `scope=mesh`.
        stopping: Set when the server stops: streams end.
        keepalive: Seconds between two signs of life.
    """

    def __init__(
        self,
        events: Events,
        fan_out: FanOut,
        stopping: asyncio.Event,
        *,
        keepalive: float = KEEPALIVE_SECONDS,
    ) -> None:
        self._events = events
        self._fan_out = fan_out
        self._stopping = stopping
        self._keepalive = keepalive

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"events": self.read}

    async def read(self, asked: ApiRequest) -> Answer:
        """Return events of this host or of all, or follow those of this host."""
        query = asked.query()
        mesh = query.mesh()
        if SSE in asked.headers.get("Accept", ""):
            if mesh:
                raise InvalidRequestError("a stream covers one host; use /hosts/NAME/events")
            after = self._start(asked, query)
            self._page(query, after)  # what is wrong with the query is said before the stream
            return StreamAnswer(
                self._follow(query, after, asked),
                STREAM,
                content_type=SSE,
                headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )
        if mesh:
            return json_answer(await self._of_all(asked, query))
        return json_answer(self._page(query, query.number("after", 0)))

    def _page(self, query: Query, after: int) -> EventList:
        return self._events.read(
            after=after,
            kind=query.text("kind"),
            agent_id=query.text("agent_id"),
            level=query.choice("level", *LEVELS),
            limit=query.limit(),
        )

    def _start(self, asked: ApiRequest, query: Query) -> int:
        last = asked.headers.get("Last-Event-ID")
        if last is None:
            return query.number("after", 0)
        if not (last.isascii() and last.isdigit() and len(last) < 19):
            raise InvalidRequestError("Last-Event-ID is no sequence number")
        return int(last)

    async def _follow(self, query: Query, after: int, asked: ApiRequest) -> AsyncIterator[bytes]:
        gone = asyncio.Future[None]() if asked.gone is None else asked.gone()
        yield KEEPALIVE  # the headers leave at once, so that a reader knows it is connected
        while not (self._stopping.is_set() or gone.done()):
            batch = self._page(query, after)
            if batch.events or batch.missed:
                yield encode_events(batch)
            if batch.next > after:
                after = batch.next
                continue
            if not await self._something(after, gone):
                yield KEEPALIVE

    async def _something(self, after: int, gone: "asyncio.Future[None]") -> bool:
        """Wait until there are events, the server stops or the reader goes; False for none."""
        waiter = asyncio.create_task(self._events.wait(after, self._keepalive))
        ends = [asyncio.create_task(end) for end in (self._stopping.wait(), _went(gone))]
        try:
            await asyncio.wait([waiter, *ends], return_when=asyncio.FIRST_COMPLETED)
            return self._page(Query({}), after).next > after
        finally:
            for task in (waiter, *ends):
                task.cancel()
            await asyncio.gather(waiter, *ends, return_exceptions=True)

    async def _of_all(self, asked: ApiRequest, query: Query) -> EventList:
        if query.text("after") is not None:
            raise InvalidRequestError("after counts on one host; leave out scope=mesh")
        values = {**query.values, "scope": "local"}
        others = await self._fan_out.ask(
            asked, lambda client, timeout: client.events(values, timeout=timeout)
        )
        pages = [self._page(query, 0), *others.answers]
        events = sorted((event for page in pages for event in page.events), key=lambda e: e.time)
        return EventList(
            events=tuple(events[-query.limit() :]),
            missed=sum(page.missed for page in pages),
            unreachable=others.unreachable,
        )


async def _went(gone: "asyncio.Future[None]") -> bool:
    """Wait until a reader has gone; cancelling this wait does not touch what others wait for."""
    await asyncio.wait([gone])
    return True
