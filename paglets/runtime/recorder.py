"""Writes the host's event log, its Python log and the wake-ups of readers who follow it."""

import asyncio
import logging
import time

from paglets.model.events import ContextEvent
from paglets.runtime.eventlog import EventLog, Page

log = logging.getLogger("paglets.events")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class Recorder:
    """Records ContextEvents of one host; used from its loop."""

    def __init__(self, host_name: str) -> None:
        self._log = EventLog(host_name)
        self._host = host_name
        self._news: asyncio.Event = asyncio.Event()

    def record(
        self,
        kind: str,
        text: str,
        *,
        agent_id: str | None = None,
        level: str = "info",
        **detail: object,
    ) -> ContextEvent:
        """Add an event; `text` is one past-tense sentence for people."""
        event = self._log.append(
            kind, time=time.time(), agent_id=agent_id, level=level, text=text, detail=detail
        )
        log.log(
            _LEVELS.get(level, logging.ERROR),
            "%s agent=%s host=%s",
            text,
            agent_id or "-",
            self._host,
        )
        self._news.set()
        self._news = asyncio.Event()
        return event

    def story(self, agent_id: str) -> list[str]:
        """Return the last events of a paglet as sentences."""
        return self._log.story(agent_id)

    def read(
        self,
        *,
        after: int = 0,
        kind: str | None = None,
        agent_id: str | None = None,
        level: str = "debug",
        limit: int = 100,
    ) -> Page:
        """Return events with a sequence above `after`; see `EventLog.read`."""
        return self._log.read(after, kind=kind, agent_id=agent_id, level=level, limit=limit)

    async def wait(self, *, after: int, timeout: float) -> None:
        """Wait until there is an event with a sequence above `after`, or `timeout` seconds."""
        if self._log.last > after:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return
