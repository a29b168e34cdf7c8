"""Follows the journals of all hosts of a mesh, over the ends and restarts of hosts.

Each journal is told in its order, every entry once. Between journals there is no order but that in
which news arrive. Hosts that join later are followed too.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from paglets.model.errors import PagletsError
from paglets.system.user_info.contract import NEWS_SECONDS, Entry, Page, Reading
from paglets.system.user_info.following import Place
from paglets.wire.bodies import ServiceBody

LOOK_SECONDS = 2.0
"""Between two looks which hosts there are."""
REOPEN_SECONDS = 1.0
"""Before a host that was lost is asked again."""

_NOTHING = Reading(notifications=False, streams=[])
"""Passes over all there is."""


class Journals(Protocol):
    """Where the journals are; `UserInfoCalls`, or a test's own."""

    async def providers(self) -> list[ServiceBody]:
        """Return who has a journal now."""

    async def online(self) -> set[str]:
        """Return the names of the hosts that are believed to be up."""

    async def last_news(self, provider: ServiceBody) -> int:
        """Return the number of the last event that said that the journal grew."""

    def news(self, provider: ServiceBody, after: int) -> AsyncIterator[None]:
        """Yield when the journal has grown since that event."""

    async def read(self, provider: ServiceBody, reading: Reading) -> Page:
        """Return a page of the journal."""


class Listener(Protocol):
    """Is told what happens."""

    async def told(self, provider: ServiceBody, page: Page, entries: list[Entry]) -> None:
        """Get new entries of a journal, perhaps none."""

    def say(self, text: str) -> None:
        """Get a sentence for people that is no entry."""


class Begin(StrEnum):
    """Where in a journal to begin."""

    UNREAD = "unread"
    """After what the reader has acknowledged."""
    ALL = "all"
    """With the oldest that is kept."""
    NOW = "now"
    """With what comes from now on; a host that joins later, with what is unread."""


@dataclass
class _Followed:
    provider: ServiceBody
    place: Place
    is_to_skip: bool
    """Whether what the journal has already is still to be passed over."""
    task: asyncio.Task[None] | None = None
    is_lost: bool = False

    @property
    def host(self) -> str:
        return self.provider.host_name


@dataclass
class Follower:
    """Follows until it is cancelled."""

    journals: Journals
    listener: Listener
    wanted: Reading
    begin: Begin = Begin.UNREAD
    _is_mesh_lost: bool = field(default=False, init=False)
    _followed: dict[tuple[str, str], _Followed] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Follow all journals there are and those that come."""
        is_first = True
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._look(group, skips=self.begin is Begin.NOW and is_first)
                    is_first = self._is_mesh_lost = False
                except PagletsError as error:
                    if not self._is_mesh_lost:
                        self.listener.say(f"cannot ask for the hosts, trying again: {error}")
                    self._is_mesh_lost = True
                await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, group: asyncio.TaskGroup, *, skips: bool) -> None:
        for provider in await self.journals.providers():
            key = (provider.host_name, provider.provider.agent_id)
            if key not in self._followed:
                place = Place(0 if self.begin is Begin.ALL else None)
                self._followed[key] = _Followed(provider, place, skips)
        online = await self.journals.online()
        for each in self._followed.values():
            if each.host in online and each.task is None:
                each.task = group.create_task(self._follow(each), name=f"journal of {each.host}")
            elif each.host not in online and each.task is not None:
                each.task.cancel()
                each.task = None
                self._lose(each, "the mesh says that it is away")

    async def _follow(self, each: _Followed) -> None:
        while True:
            try:
                await self._listen(each)
            except PagletsError as error:
                self._lose(each, str(error))
            await asyncio.sleep(REOPEN_SECONDS)

    async def _listen(self, each: _Followed) -> None:
        # Asked for before the journal is read: what comes in between is read twice, not never.
        after = await self.journals.last_news(each.provider)
        if each.is_to_skip:
            page = await self.journals.read(each.provider, each.place.question(_NOTHING))
            each.place.take(page)
            each.is_to_skip = False
        await self._catch_up(each)
        async for _ in self.journals.news(each.provider, after):
            await self._catch_up(each)
            # One event stands for all that is told within this time; see NEWS_SECONDS.
            await asyncio.sleep(NEWS_SECONDS)
            await self._catch_up(each)

    async def _catch_up(self, each: _Followed) -> None:
        more = True
        while more:
            page = await self.journals.read(each.provider, each.place.question(self.wanted))
            told = each.place.take(page)
            more = told.more
            if each.is_lost:
                each.is_lost = False
                self.listener.say(f"{each.host} is back")
            if told.is_new_journal:
                self.listener.say(f"{each.host} has begun a new journal; the old one is gone")
                continue
            if told.missed:
                self.listener.say(
                    f"{each.host}: {told.missed} entries were dropped before they could be read"
                )
            await self.listener.told(each.provider, page, told.entries)

    def _lose(self, each: _Followed, why: str) -> None:
        if not each.is_lost:
            self.listener.say(f"lost {each.host}, trying again: {why}")
        each.is_lost = True
