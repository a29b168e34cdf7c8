"""What a host answers about its jobs. Pure: reads table and book, changes nothing."""

from dataclasses import dataclass

from paglets.model.errors import NotFoundError
from paglets.model.sizes import size_text
from paglets.system.compute_slots.book import BookEntry, JobBook
from paglets.system.compute_slots.contract import (
    JobInfo,
    JobList,
    JobPhase,
    JobQuery,
    Offer,
    SlotAnswer,
    SlotStatistics,
    SlotStatus,
    WhyAnswer,
)
from paglets.system.compute_slots.needs import (
    Blocker,
    Needs,
    Room,
    blockers,
    describe,
    finals,
)
from paglets.system.compute_slots.slots import Slot, SlotTable, SlotTimes

PAGE_LIMIT = 500
"""Most jobs in one answer."""


@dataclass(frozen=True)
class Answers:
    """Answers from one moment's view of a host."""

    host_name: str
    table: SlotTable
    book: JobBook
    times: SlotTimes
    room: Room
    now: float

    def standing(self, job_id: str) -> SlotAnswer:
        """Return how a job stands, with the reasons if it waits."""
        status = self.table.status(job_id)
        if status is SlotStatus.GRANTED:
            return SlotAnswer(status, lease_seconds=self.times.lease)
        if status is SlotStatus.QUEUED:
            return SlotAnswer(status, reasons=self._in_words(self._why(job_id)))
        return SlotAnswer(status)

    def refusal(self, needs: Needs) -> SlotAnswer:
        """Return that this host can never run a job that needs so much."""
        reasons = self._in_words(finals(needs, self.room))
        return SlotAnswer(SlotStatus.REFUSED, reasons=reasons)

    def offer(self, needs: Needs) -> Offer:
        """Return how a job would be served that came now."""
        found = blockers(needs, self.room, self.table.use())
        return Offer(
            host_name=self.host_name,
            blockers=found,
            reasons=self._in_words(found),
            cores=self.room.cores,
            cores_waiting=self.table.cores_wanted(),
        )

    def info(self, job_id: str) -> JobInfo:
        """Return what is known of a job.

        Raises:
            NotFoundError: Nothing is.
        """
        slot, entry = self.table.slots.get(job_id), self.book.entries.get(job_id)
        if slot is not None and (entry is None or not entry.phase.is_final):
            return self._of_slot(slot, entry)
        if entry is None:
            raise NotFoundError(f"{self.host_name} knows no job {job_id}", job_id=job_id)
        return _of_entry(job_id, entry)

    def list(self, query: JobQuery) -> JobList:
        """Return a page of the jobs."""
        known = sorted(
            job_id
            for job_id in {*self.table.slots, *self.book.entries}
            if job_id.startswith(query.prefix) and job_id > query.after
        )
        limit = max(1, min(query.limit, PAGE_LIMIT))
        page = known[:limit]
        return JobList(
            jobs=tuple(self.info(job_id) for job_id in page),
            next=page[-1] if len(known) > limit else None,
        )

    def why(self, job_id: str) -> WhyAnswer:
        """Return why a job is not further; raises as `info`."""
        info = self.info(job_id)
        slot = self.table.slots.get(job_id)
        if info.is_cancelled:
            return WhyAnswer(info, reasons=("it is to end, and has not answered yet",))
        if slot is None or info.phase.is_final:
            return WhyAnswer(info, reasons=(info.text,) if info.text else ())
        if slot.granted_at is not None:
            return WhyAnswer(info, reasons=(self._of_grant(slot, slot.granted_at),))
        found = self._why(job_id)
        return WhyAnswer(info, found, (*self._in_words(found), *self._place(job_id)))

    def statistics(self) -> SlotStatistics:
        """Return how full the host is."""
        use, slots = self.table.use(), self.table.slots.values()
        running = sum(1 for slot in slots if slot.is_granted)
        return SlotStatistics(
            host_name=self.host_name,
            cores=self.room.cores,
            cores_granted=use.cores,
            memory_bytes=self.room.memory_bytes,
            memory_granted_bytes=use.memory_bytes,
            temp_bytes=self.room.temp_bytes,
            temp_granted_bytes=use.temp_bytes,
            load_per_cpu=self.room.load_per_cpu,
            running=running,
            queued=len(slots) - running,
            at_home=self.book.open_count,
        )

    def _why(self, job_id: str) -> tuple[Blocker, ...]:
        return self.table.why(job_id, self.room, self.times, self.now)

    def _in_words(self, found: tuple[Blocker, ...]) -> tuple[str, ...]:
        return tuple(describe(each, self.table.holders(each.kind)) for each in found)

    def _place(self, job_id: str) -> tuple[str, ...]:
        order = [slot.request.job_id for slot in self.table.waiting(self.times, self.now)]
        ahead = order.index(job_id)
        return (f"{ahead} of {len(order)} that wait come before it",) if ahead else ()

    def _of_grant(self, slot: Slot, granted_at: float) -> str:
        needs = slot.request.needs
        text = f"has {needs.cores:g} of {self.room.cores:g} cores"
        if needs.memory_bytes:
            text += f" and {size_text(needs.memory_bytes)} of memory"
        left = slot.seen_at + self.times.lease - self.now
        since = self.now - granted_at
        return f"{text} for {since:.0f} s so far; it is lost if it says nothing for {left:.0f} s"

    def _of_slot(self, slot: Slot, entry: BookEntry | None) -> JobInfo:
        request = slot.request
        return JobInfo(
            job_id=request.job_id,
            class_name=request.class_name,
            phase=JobPhase.RUNNING if slot.is_granted else JobPhase.QUEUED,
            home=request.home,
            host=self.host_name,
            priority=request.priority,
            submitted_at=request.submitted_at,
            since=slot.asked_at if slot.granted_at is None else slot.granted_at,
            cores=request.needs.cores,
            is_cancelled=slot.is_cancelled or (entry is not None and entry.is_cancelled),
        )


def _of_entry(job_id: str, entry: BookEntry) -> JobInfo:
    return JobInfo(
        job_id=job_id,
        class_name=entry.class_name,
        phase=entry.phase,
        home=entry.home,
        host=entry.host,
        priority=entry.priority,
        submitted_at=entry.submitted_at,
        since=entry.since,
        text=entry.text,
        is_cancelled=entry.is_cancelled,
    )
