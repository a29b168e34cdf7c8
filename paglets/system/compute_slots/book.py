"""What a host knows of jobs that are its own: submitted here, or waiting here to get home.

Pure: a book changed by what jobs tell; times in Unix seconds are arguments. It is no authority on
a job, which carries its own record: it lets people find jobs, and remembers who is to end. Not
here: slots (`slots.py`), telling jobs (`agent.py`).
"""

from dataclasses import dataclass, field

from paglets.model.errors import ConflictError, FullError
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.contract import (
    NORMAL_PRIORITY,
    JobNote,
    JobOrder,
    JobPhase,
    NoteAnswer,
)

OPEN_LIMIT = 1000
"""Most jobs of one home that have not ended: its whole book is written at each change."""
ENDED_LIMIT = 500
"""Ended jobs that are still listed, the newest; the outcome itself is with the job."""
TEXT_LIMIT = 300
"""Longest text of a note, in characters."""


@dataclass
class BookEntry:
    """One job."""

    class_name: str
    job: PagletProxyRef
    home: str
    phase: JobPhase
    priority: int
    submitted_at: float
    since: float
    """When the phase began."""
    host: str = ""
    """Whose slot it has or waits for."""
    text: str = ""
    is_cancelled: bool = False
    is_made: bool = True
    """Whether there is a paglet of it: it was announced only, or is gone, if not."""
    ticket: str = ""
    """Of the submission it was made by."""


@dataclass
class JobBook:
    """The jobs of one host. All changes are by its methods."""

    entries: dict[str, BookEntry] = field(default_factory=dict)
    """By job id, in the order in which they came or ended."""

    @property
    def open_count(self) -> int:
        """How many jobs have not ended."""
        return sum(1 for entry in self.entries.values() if not entry.phase.is_final)

    def require_room(self) -> None:
        """Check that one more job may be submitted.

        Raises:
            FullError: Too many have not ended.
        """
        if self.open_count >= OPEN_LIMIT:
            raise FullError(
                f"{OPEN_LIMIT} jobs submitted here have not ended; submit to another host or later",
                retry_after=30.0,
            )

    def expect(self, order: JobOrder, home: PagletProxyRef, now: float) -> bool:
        """Enter a job that is about to be made; return False if it is there already.

        Args:
            order: Which.
            home: Where its paglet will be made.
            now: Unix seconds.

        Raises:
            ConflictError: The id is that of a job of another class.
            FullError: Too many have not ended.
        """
        entry = self.entries.get(order.job_id)
        if entry is not None and entry.is_made:
            if entry.class_name != order.class_name:
                raise ConflictError(
                    f"{order.job_id} is the id of a {entry.class_name}; choose another one",
                    job_id=order.job_id,
                )
            return False
        if entry is None or entry.phase.is_final:
            self.require_room()
        self.entries[order.job_id] = BookEntry(
            class_name=order.class_name,
            job=home,
            home=home.host_name,
            phase=JobPhase.PLACING,
            priority=NORMAL_PRIORITY,
            submitted_at=now,
            since=now,
            is_made=False,
            ticket=order.ticket,
        )
        return True

    def write(self, note: JobNote, now: float) -> NoteAnswer:
        """Write down how far a job is; return whether it is to end, and has not yet.

        Nothing is written of a surplus one.
        """
        entry = self.entries.get(note.job_id)
        if entry is not None and entry.is_made and entry.ticket != note.ticket:
            return NoteAnswer(is_surplus=True)
        is_news = entry is None or entry.phase is not note.phase
        fresh = BookEntry(
            class_name=note.class_name,
            job=note.job,
            home=note.home,
            phase=note.phase,
            priority=note.priority,
            submitted_at=note.submitted_at or now,
            since=now if entry is None or is_news else entry.since,
            host=note.host,
            text=note.text[:TEXT_LIMIT],
            is_cancelled=entry is not None and entry.is_cancelled and not note.phase.is_final,
            is_made=not note.is_gone,
            ticket=note.ticket,
        )
        if entry is not None and note.phase.is_final and is_news:
            del self.entries[note.job_id]  # to the end of the book
        self.entries[note.job_id] = fresh
        self._forget_oldest()
        return NoteAnswer(fresh.is_cancelled)

    def cancel(self, job_id: str) -> bool:
        """Mark a job that is to end; return whether it is known and has not ended."""
        entry = self.entries.get(job_id)
        if entry is None or entry.phase.is_final:
            return False
        entry.is_cancelled = True
        return True

    def gone(self, job_id: str, now: float) -> None:
        """Take note that a job's paglet is not there any more, or never was."""
        entry = self.entries.get(job_id)
        if entry is None:
            return
        if not entry.is_made and not entry.phase.is_final:
            del self.entries[job_id]  # whoever announced it did not come to make it
            return
        entry.is_made = False
        if not entry.phase.is_final:
            entry.phase = JobPhase.CANCELLED if entry.is_cancelled else JobPhase.FAILED
            entry.since, entry.text = now, "its paglet is gone: somebody has disposed of it"
            entry.is_cancelled = False

    def forget(self, job_id: str) -> bool:
        """Remove a job; return whether it was known."""
        return self.entries.pop(job_id, None) is not None

    def cancelled(self) -> list[str]:
        """Return the ids of the jobs that are to end and have not."""
        return [job_id for job_id, entry in self.entries.items() if entry.is_cancelled]

    def _forget_oldest(self) -> None:
        ended = [job_id for job_id, entry in self.entries.items() if entry.phase.is_final]
        for job_id in ended[: max(0, len(ended) - ENDED_LIMIT)]:
            del self.entries[job_id]
