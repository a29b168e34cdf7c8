"""Calls of the user-info services of a mesh, for `paglets user …`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from paglets.agent.contracts import ServiceOperation
from paglets.cli.output import say
from paglets.model.errors import HostNotFoundError, PagletsError, ServiceNotFoundError
from paglets.model.message import Message
from paglets.system.user_info.contract import (
    ACKNOWLEDGE,
    NEWS,
    READ,
    USER_INFO,
    Acknowledge,
    Page,
    Reading,
)
from paglets.system.user_info.following import Place
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall
from paglets.wire.jsonvalues import decode_reply
from paglets.wire.messages import encode_message, wire_message

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

CALL_SECONDS = 10.0
"""For one answer; a sleeping resident wakes in milliseconds."""
STREAM_SECONDS = 3600.0
"""A stream is opened anew after this, so that a dead connection does not last."""
_ALL_NEWS = "1000"


class UserInfoCalls:
    """Reaches the journals of a mesh through one host.

    Args:
        host: The entry host.
        only: Name of the only host that is asked; None: all.
    """

    def __init__(self, host: "HostClient", only: str | None = None) -> None:
        self._host = host
        self._only = only

    async def providers(self) -> list[ServiceBody]:
        """Return who has a journal now, on the entry host first."""
        wanted = LookupCall(name=USER_INFO.name, version=USER_INFO.version, host=self._only or "")
        return list((await self._host.services(wanted)).services)

    async def require(self) -> list[ServiceBody]:
        """Return who has a journal now; at least one.

        Raises:
            HostNotFoundError: The only host that is asked is none of the mesh.
            ServiceNotFoundError: Nobody has one.
        """
        found = await self.providers()
        if found:
            return found
        if self._only is not None and self._only not in await self.online():
            raise HostNotFoundError(f"no host {self._only!r} is online", name=self._only)
        where = "on no host of this mesh" if self._only is None else f"not on {self._only}"
        raise ServiceNotFoundError(
            f"{USER_INFO.name} runs {where}; `paglets launch show` says what a host starts",
            name=USER_INFO.name,
        )

    async def online(self) -> set[str]:
        """Return the names of the hosts that are believed to be up."""
        return {each.name for each in (await self._host.hosts({"online": "true"})).hosts}

    async def call(self, provider: ServiceBody, operation: ServiceOperation[Q, R], request: Q) -> R:
        """Call an operation of one provider, on its own host.

        Raises:
            PagletsError: As `HostClient.send` does.
        """
        message = Message.of(request, kind=operation.name)
        body = encode_message(wire_message(message, timeout=CALL_SECONDS))
        client = self._client(provider)
        answer = await client.send(provider.provider.agent_id, body, timeout=CALL_SECONDS)
        return decode_reply(answer.reply, operation.reply)

    async def read(self, provider: ServiceBody, reading: Reading) -> Page:
        """Return a page of a journal; raises as `call` does."""
        return await self.call(provider, READ, reading)

    async def pages(self, provider: ServiceBody, wanted: Reading) -> list[Page]:
        """Return all that comes after `wanted.after`; raises as `call` does."""
        place, found = Place(wanted.after), list[Page]()
        while not found or found[-1].more:
            page = await self.read(provider, place.question(wanted))
            place.take(page)
            found.append(page)
        return found

    async def last_news(self, provider: ServiceBody) -> int:
        """Return the number of the last event of its host that said that a journal grew."""
        query = {**_news_of(provider), "limit": _ALL_NEWS}
        after = 0
        while True:
            page = await self._client(provider).events({**query, "after": str(after)})
            if page.next <= after:
                return after
            after = page.next

    async def news(self, provider: ServiceBody, after: int) -> AsyncIterator[None]:
        """Yield when a journal has grown, or may have; ends after an hour or with its host."""
        query = {**_news_of(provider), "after": str(after)}
        stream = self._client(provider).follow_events(query, timeout=STREAM_SECONDS)
        end = asyncio.get_running_loop().time() + STREAM_SECONDS
        try:
            async with aclosing(stream):
                async for _ in stream:
                    yield
        except PagletsError:
            if asyncio.get_running_loop().time() < end:
                raise

    def _client(self, provider: ServiceBody) -> "HostClient":
        return self._host.on_host(provider.host_name) if provider.host_name else self._host


async def of_each(
    calls: UserInfoCalls, question: Callable[[ServiceBody], Awaitable[T]]
) -> list[tuple[ServiceBody, T]]:
    """Ask all journals at once and return their answers; those that do not answer are named.

    Raises:
        PagletsError: None answers.
    """
    providers = await calls.require()
    answers = await asyncio.gather(*map(question, providers), return_exceptions=True)
    found: list[tuple[ServiceBody, T]] = []
    last: PagletsError | None = None
    for provider, answer in zip(providers, answers, strict=True):
        if isinstance(answer, PagletsError):
            last = answer
            say(f"{provider.host_name} is missing here: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found.append((provider, answer))
    if not found and last is not None:
        raise last
    return found


async def acknowledge(calls: UserInfoCalls, provider: ServiceBody, page: Page, reader: str) -> None:
    """Acknowledge all up to the end of a page."""
    await calls.call(provider, ACKNOWLEDGE, Acknowledge(reader, page.journal, page.next))


def _news_of(provider: ServiceBody) -> dict[str, str]:
    return {"kind": NEWS, "agent_id": provider.provider.agent_id}
