"""Who gets a slot of a host: the queue, the grants, the leases.

Pure: a table that is changed by what jobs say and by the time, which comes as an argument in Unix
seconds, as does the room there is. Not here: telling jobs (`agent.py`), what fits (`needs.py`).

The order is by priority, oldest first within one; waiting raises the priority by one every
`aging` seconds, so nobody is passed for ever. Of that order everything that fits is granted. The
first that does not fit *because of other jobs*, and has waited `patience` seconds, is served next:
what comes after it is granted only where it leaves room for it once the present jobs have ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from paglets.model.enums import Priority
from paglets.model.errors import FullError
from paglets.system.compute_slots.contract import SlotRequest, SlotStatus
from paglets.system.compute_slots.needs import (
    Blocker,
    BlockerKind,
    Room,
    Use,
    blockers,
    finals,
    fits_beside,
)

QUEUE_LIMIT = 1000
"""Most jobs that have or want a slot of one host: its whole table is written at each change."""


@dataclass(frozen=True)
class SlotTimes:
    """How patient a host is with its jobs, in seconds."""

    lease: float = 60.0
    """How long a slot is kept for a job that says nothing. Shorter frees it sooner after a crash;
    jobs renew three times as often."""
    patience: float = 30.0
    """How long a job is passed by smaller ones. Shorter leaves more cores idle for it."""
    aging: float = 600.0
    """Waiting so long counts as one more of priority."""
    silence: float = 3600.0
    """How long a place in the queue is kept for a job that says nothing; sleeping jobs ask again
    four times as often."""


@dataclass
class Slot:
    """A job that has a slot or waits for one."""

    request: SlotRequest
    number: int
    """Of its arrival in this table."""
    asked_at: float
    seen_at: float
    """When the job spoke last."""
    granted_at: float | None = None
    is_heard: bool = False
    """Whether the job has spoken since it was granted, and so knows."""
    memory_used_bytes: int = 0
    temp_used_bytes: int = 0
    is_cancelled: bool = False

    @property
    def is_granted(self) -> bool:
        """Whether its cores are taken."""
        return self.granted_at is not None


@dataclass
class SlotTable:
    """The slots of one host. All changes are by its methods."""

    slots: dict[str, Slot] = field(default_factory=dict)
    """By job id."""
    count: int = 0
    """Arrivals so far."""
    next_up: str = ""
    """The job that is served next, because it has been passed long enough."""
    next_up_since: float = 0.0

    def ask(self, request: SlotRequest, room: Room, now: float) -> SlotStatus:
        """Take a job's request, the first or another; it is granted by `admit` only.

        Raises:
            FullError: The table is full.
        """
        slot = self.slots.get(request.job_id)
        if slot is None or not slot.is_granted:
            if finals(request.needs, room):
                self.slots.pop(request.job_id, None)
                return SlotStatus.REFUSED
            if slot is None:
                slot = self._enter(request, now)
        slot.request, slot.seen_at, slot.is_heard = request, now, slot.is_granted
        return self.status(request.job_id)

    def heard(self, job_id: str) -> None:
        """Take note that a job is being told how it stands."""
        slot = self.slots.get(job_id)
        if slot is not None:
            slot.is_heard = slot.is_granted

    def status(self, job_id: str) -> SlotStatus:
        """Return how a job stands."""
        slot = self.slots.get(job_id)
        if slot is None:
            return SlotStatus.UNKNOWN
        if slot.is_cancelled:
            return SlotStatus.CANCELLED
        return SlotStatus.GRANTED if slot.is_granted else SlotStatus.QUEUED

    def renew(self, job_id: str, used: tuple[int, int], now: float) -> SlotStatus:
        """Keep the slot of a running job; `used` are bytes of memory and of temp space."""
        slot = self.slots.get(job_id)
        if slot is not None:
            slot.seen_at, slot.is_heard = now, slot.is_granted
            slot.memory_used_bytes, slot.temp_used_bytes = used
        return self.status(job_id)

    def release(self, job_id: str) -> bool:
        """Forget a job that has ended or left; return whether it was known."""
        return self.slots.pop(job_id, None) is not None

    def cancel(self, job_id: str) -> bool:
        """Mark a job that is to end: it is granted nothing, and keeps what it has until it goes."""
        slot = self.slots.get(job_id)
        if slot is not None:
            slot.is_cancelled = True
        return slot is not None

    def expire(self, times: SlotTimes, now: float) -> list[Slot]:
        """Forget jobs that have been silent for too long; return them, to be told."""
        expired = [
            slot
            for slot in self.slots.values()
            if now >= slot.seen_at + (times.lease if slot.is_granted else times.silence)
        ]
        for slot in expired:
            del self.slots[slot.request.job_id]
        return expired

    def restarted(self, now: float) -> None:
        """Give all jobs their time anew: their host was away, so none of them could speak."""
        for slot in self.slots.values():
            slot.seen_at = now

    def admit(self, room: Room, times: SlotTimes, now: float) -> list[Slot]:
        """Grant what may be granted now; return those slots, to be told."""
        granted: list[Slot] = []
        first, use = "", self.use()
        for slot in self.waiting(times, now):
            needs = slot.request.needs
            found = blockers(needs, room, use)
            if not found:
                if first and not self._leaves_room(first, slot, room):
                    continue
                slot.granted_at = slot.seen_at = now
                slot.is_heard = False
                granted.append(slot)
                use = use.plus(needs)
            elif not first and self._is_next(slot, found, times, now):
                first = slot.request.job_id
                if first != self.next_up:
                    self.next_up, self.next_up_since = first, now
        if not first:
            self.next_up = ""
        return granted

    def waiting(self, times: SlotTimes, now: float) -> list[Slot]:
        """Return the jobs that wait, in the order in which they are served."""
        queued = [s for s in self.slots.values() if not s.is_granted and not s.is_cancelled]
        return sorted(queued, key=lambda slot: (-priority_now(slot, times, now), slot.number))

    def use(self) -> Use:
        """Return what has been granted, in sum."""
        granted = [slot for slot in self.slots.values() if slot.is_granted]
        needs = [slot.request.needs for slot in granted]
        return Use(
            cores=sum(each.cores for each in needs),
            memory_bytes=sum(each.memory_bytes for each in needs),
            temp_bytes=sum(each.temp_bytes for each in needs),
            memory_unused_bytes=sum(
                max(0, slot.request.needs.memory_bytes - slot.memory_used_bytes) for slot in granted
            ),
            temp_unused_bytes=sum(
                max(0, slot.request.needs.temp_bytes - slot.temp_used_bytes) for slot in granted
            ),
        )

    def cores_wanted(self) -> float:
        """Return the cores of all that have a slot or wait for one."""
        return sum(s.request.needs.cores for s in self.slots.values() if not s.is_cancelled)

    def why(self, job_id: str, room: Room, times: SlotTimes, now: float) -> tuple[Blocker, ...]:
        """Return what a waiting job waits for; nothing for others."""
        slot = self.slots.get(job_id)
        if slot is None or slot.is_granted or slot.is_cancelled:
            return ()
        found = blockers(slot.request.needs, room, self.use())
        order = [each.request.job_id for each in self.waiting(times, now)]
        first = self.next_up
        is_passed = first in order and order.index(job_id) > order.index(first)
        if is_passed and not self._leaves_room(first, slot, room):
            return (*found, Blocker(BlockerKind.ORDER, missing=(first,), is_held=True))
        return found

    def holders(self, kind: BlockerKind) -> list[str]:
        """Return the jobs whose end would give way to one that lacks this, oldest grant first."""
        granted = [slot for slot in self.slots.values() if slot.granted_at is not None]
        return [
            slot.request.job_id
            for slot in sorted(granted, key=lambda slot: (slot.granted_at or 0.0, slot.number))
            if _takes(slot, kind)
        ]

    def _enter(self, request: SlotRequest, now: float) -> Slot:
        if len(self.slots) >= QUEUE_LIMIT:
            raise FullError(
                f"{QUEUE_LIMIT} jobs have or want a slot here; try another host or later",
                retry_after=30.0,
            )
        self.count += 1
        slot = Slot(request, number=self.count, asked_at=now, seen_at=now)
        self.slots[request.job_id] = slot
        return slot

    def _is_next(self, slot: Slot, found: Sequence[Blocker], times: SlotTimes, now: float) -> bool:
        # Who waits for anything but jobs must not hold others up: that would free nothing.
        return now - slot.asked_at >= times.patience and all(each.is_held for each in found)

    def _leaves_room(self, first: str, slot: Slot, room: Room) -> bool:
        """Return whether `first` can begin beside `slot` as soon as older grants have ended."""
        since = [
            each.request.needs
            for each in self.slots.values()
            if each.granted_at is not None and each.granted_at >= self.next_up_since
        ]
        return fits_beside([self.slots[first].request.needs, slot.request.needs, *since], room)


def priority_now(slot: Slot, times: SlotTimes, now: float) -> int:
    """Return the priority of a waiting job, raised by its waiting."""
    raised = slot.request.priority + int(max(0.0, now - slot.asked_at) // times.aging)
    return min(raised, Priority.MAX)


def _takes(slot: Slot, kind: BlockerKind) -> bool:
    needs = slot.request.needs
    match kind:
        case BlockerKind.CORES:
            return True
        case BlockerKind.MEMORY:
            return needs.memory_bytes > 0
        case BlockerKind.TEMP:
            return needs.temp_bytes > 0
        case BlockerKind.LOAD | BlockerKind.TAGS | BlockerKind.ORDER:
            return False
