"""The bounded in-memory event log of a host: what happened, in order. Pure."""

from collections import deque
from dataclasses import dataclass
from itertools import islice

from paglets.model.events import ContextEvent

LEVELS = ("debug", "info", "warning", "error")
CAPACITY = 10_000
"""Events kept; older ones are dropped, and a reader who fell behind is told how many."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events read in one go."""

    events: tuple[ContextEvent, ...]
    next: int
    """Sequence number to read on from."""
    missed: int
    """Events dropped between the reader's place and the first event kept."""


class EventLog:
    """A ring of ContextEvents. One writer; readers keep their own place."""

    def __init__(self, host_name: str, *, capacity: int = CAPACITY) -> None:
        self._host_name = host_name
        self._events: deque[ContextEvent] = deque(maxlen=capacity)
        self._sequence = 0

    @property
    def last(self) -> int:
        """Sequence number of the newest event, 0 for none."""
        return self._sequence

    def append(
        self,
        kind: str,
        *,
        time: float,
        agent_id: str | None = None,
        level: str = "info",
        text: str = "",
        detail: dict[str, object] | None = None,
    ) -> ContextEvent:
        """Add an event and return it."""
        self._sequence += 1
        event = ContextEvent(
            sequence=self._sequence,
            time=time,
            kind=kind,
            host_name=self._host_name,
            agent_id=agent_id,
            level=level,
            text=text,
            detail=detail or {},
        )
        self._events.append(event)
        return event

    def read(
        self,
        after: int,
        *,
        kind: str | None = None,
        agent_id: str | None = None,
        level: str = "debug",
        limit: int = 100,
    ) -> Page:
        """Return up to `limit` events with a sequence above `after` that match the filters."""
        least = LEVELS.index(level)
        found: list[ContextEvent] = []
        seen = after
        for event in self._from(after):
            seen = event.sequence
            if (
                (kind is None or event.kind == kind)
                and (agent_id is None or event.agent_id == agent_id)
                and LEVELS.index(event.level) >= least
            ):
                found.append(event)
                if len(found) >= limit:
                    break
        first_kept = self._events[0].sequence if self._events else self._sequence + 1
        missed = max(0, first_kept - after - 1) if after else 0
        return Page(tuple(found), max(seen, after), missed)

    def _from(self, after: int) -> list[ContextEvent]:
        if not self._events:
            return []
        start = max(0, after + 1 - self._events[0].sequence)
        return list(islice(self._events, start, None))

    def story(self, agent_id: str, *, limit: int = 5) -> list[str]:
        """Return the last events of one paglet as sentences, for error messages."""
        lines = [f"{e.kind}: {e.text}" for e in self._events if e.agent_id == agent_id]
        return lines[-limit:]
