"""Whom ComputeSlotsAgent tells and looks for in each tick. Pure: times are arguments.

Telling is only a nudge: a job asks before it believes. So one that is lost does no harm; it is
repeated until the job has asked. The messages themselves are sent by `nudging.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.book import JobBook
from paglets.system.compute_slots.slots import Slot, SlotTable

TICK = 1.0
"""Seconds between looks at leases and the machine while there are jobs."""
REST = 3600.0
"""The same while there are none; the first one ends it."""
TELL_AGAIN = 5.0
"""Seconds after which a job that has not asked since it was told is told again."""
LOOK_AFTER = 60.0
"""Seconds after which it is looked whether a job of this home that said nothing is still there."""
LOOKED_AT_ONCE = 20
"""Most such jobs in one tick."""


@dataclass(frozen=True)
class Ticked:
    """What follows from a tick."""

    turn: tuple[PagletProxyRef, ...]
    """Jobs that are to look: they have a slot, or had one."""
    end: tuple[PagletProxyRef, ...]
    """Jobs that are to end."""
    silent: tuple[PagletProxyRef, ...]
    """Jobs of which it is to be looked whether they are there."""
    pause: float
    """Seconds to the next tick."""


class Rounds:
    """Decides whom to tell and look for, and remembers when it did; lost with the process."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._looked: dict[str, float] = {}

    def heard(self, job_id: str) -> None:
        """A job has asked: what comes next is told it at once."""
        self._told.pop(job_id, None)

    def next(self, table: SlotTable, book: JobBook, expired: Sequence[Slot], now: float) -> Ticked:
        """Return whom to tell now: jobs that have a slot and do not know it, or are to end.

        Args:
            table: The slots of this host.
            book: The jobs whose home it is.
            expired: Slots that have just ended: their jobs are to look.
            now: Unix seconds.
        """
        turn = {slot.request.job_id: slot.request.job for slot in expired}
        end: dict[str, PagletProxyRef] = {}
        for job_id, slot in table.slots.items():
            if slot.is_cancelled:
                end[job_id] = slot.request.job
            elif slot.is_granted and not slot.is_heard:
                turn[job_id] = slot.request.job
        for job_id in book.cancelled():
            end.setdefault(job_id, book.entries[job_id].job)
        due = [each for each in (*turn, *end) if now - self._told.get(each, 0.0) >= TELL_AGAIN]
        self._told = {each: self._told.get(each, 0.0) for each in (*turn, *end)}
        self._told.update(dict.fromkeys(due, now))
        return Ticked(
            turn=tuple(ref for job_id, ref in turn.items() if job_id in due and job_id not in end),
            end=tuple(ref for job_id, ref in end.items() if job_id in due),
            silent=self._silent(table, book, now),
            pause=TICK if table.slots or end else LOOK_AFTER if book.open_count else REST,
        )

    def _silent(self, table: SlotTable, book: JobBook, now: float) -> tuple[PagletProxyRef, ...]:
        silent = [
            (job_id, entry.job)
            for job_id, entry in book.entries.items()
            if not entry.phase.is_final
            and job_id not in table.slots
            and now - max(entry.since, self._looked.get(job_id, 0.0)) >= LOOK_AFTER
        ][:LOOKED_AT_ONCE]
        self._looked = {each: when for each, when in self._looked.items() if each in book.entries}
        self._looked.update({job_id: now for job_id, _ in silent})
        return tuple(job for _, job in silent)
