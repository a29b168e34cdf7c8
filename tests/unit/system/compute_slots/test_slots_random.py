"""Random arrivals, ends, crashes, cancels and restarts: what must hold at every moment."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from paglets.system.compute_slots.contract import SlotRequest, SlotStatus
from paglets.system.compute_slots.needs import BlockerKind, Needs, Room, blockers
from paglets.system.compute_slots.slots import SlotTable, SlotTimes
from tests.unit.system.compute_slots.support import MIB, request, room

TIMES = SlotTimes(lease=20.0, patience=15.0, aging=50.0, silence=400.0)
LONGEST = 12.0
"""Seconds that a job computes at most."""


@dataclass
class Job:
    request: SlotRequest
    seconds: float
    arrived: float
    runs: int = 0
    crashes: int = 0
    is_running: bool = False
    is_cancelled: bool = False
    done_at: float | None = None


@dataclass
class World:
    """A host and its jobs, on a clock of their own."""

    dice: random.Random
    host: Room
    table: SlotTable = field(default_factory=SlotTable)
    jobs: dict[str, Job] = field(default_factory=dict)
    now: float = 0.0
    ends: list[tuple[float, str, int]] = field(default_factory=list)
    crash_rate: float = 0.0

    def arrive(self, priority: int | None = None, **wanted) -> Job:
        job_id = f"job-{len(self.jobs)}"
        needs = Needs(**wanted) if wanted else self._needs()
        asked = request(job_id, needs, priority=priority or self.dice.randint(1, 10))
        job = Job(asked, self.dice.uniform(0.5, LONGEST), self.now)
        self.jobs[job_id] = job
        self.table.ask(asked, self.host, self.now)
        self._admit()
        return job

    def _needs(self) -> Needs:
        share = self.dice.choice((0.1, 0.3, 0.5, 1.0))
        return Needs(
            cores=self.host.cores * share,
            memory_bytes=int(self.host.memory_bytes * self.dice.choice((0, 0, 0.2, 0.6, 1.0))),
            temp_bytes=int(self.host.temp_bytes * self.dice.choice((0, 0, 0, 0.5))),
        )

    def _admit(self) -> None:
        before = {each.request.job_id for each in self.table.slots.values() if each.is_granted}
        for slot in self.table.admit(self.host, TIMES, self.now):
            job = self.jobs[slot.request.job_id]
            assert slot.request.job_id not in before, "granted twice"
            assert not job.is_running
            assert not job.is_cancelled
            assert job.done_at is None
            self._begin(job)
        self.check()

    def _begin(self, job: Job) -> None:
        job.is_running, job.runs = True, job.runs + 1
        end = self.now + job.seconds
        if self.dice.random() < self.crash_rate:
            end = self.now + TIMES.lease + 1  # it falls silent; its lease ends first
            job.crashes += 1
        heapq.heappush(self.ends, (end, job.request.job_id, job.runs))

    def step(self, seconds: float) -> None:
        """Let time pass, with ends as they come; jobs that are alive renew and ask again."""
        until = self.now + seconds
        while self.ends and self.ends[0][0] <= until:
            self.now, job_id, run = heapq.heappop(self.ends)
            job = self.jobs[job_id]
            if job.is_running and job.runs == run and job.crashes < run:
                self._end(job)
            self._pass()
        self.now = until
        self._pass()

    def _end(self, job: Job) -> None:
        job.is_running, job.done_at = False, self.now
        assert self.table.release(job.request.job_id)

    def _pass(self) -> None:
        for job_id, slot in self.table.slots.items():
            job = self.jobs[job_id]
            is_silent = slot.is_granted and job.crashes == job.runs
            if not is_silent:
                self.table.renew(job_id, (0, 0), self.now)
        for slot in self.table.expire(TIMES, self.now):
            self.jobs[slot.request.job_id].is_running = False
        for job in self.jobs.values():
            if job.done_at is None and not job.is_running and not job.is_cancelled:
                self.table.ask(job.request, self.host, self.now)
        self._admit()

    def cancel(self, job: Job) -> None:
        if job.done_at is not None or job.is_cancelled:
            return
        self.table.cancel(job.request.job_id)
        assert self.table.status(job.request.job_id) is SlotStatus.CANCELLED
        job.is_cancelled, job.is_running = True, False
        self.table.release(job.request.job_id)
        self._admit()

    def restart(self, seconds: float) -> None:
        """The host is away; its jobs, which were on it, begin again."""
        self.now += seconds
        self.table.restarted(self.now)
        assert self.table.expire(TIMES, self.now) == []
        self.ends = [(max(end, self.now), job_id, run) for end, job_id, run in self.ends]
        heapq.heapify(self.ends)

    def check(self) -> None:
        use = self.table.use()
        assert use.cores <= self.host.cores + 1e-6
        assert use.memory_bytes <= self.host.memory_bytes
        assert use.temp_bytes <= self.host.temp_bytes
        for slot in self.table.waiting(TIMES, self.now):
            if not blockers(slot.request.needs, self.host, use):
                # Nobody waits who could run, but for one who is served next.
                found = self.table.why(slot.request.job_id, self.host, TIMES, self.now)
                assert [each.kind for each in found] == [BlockerKind.ORDER]
        open_jobs = {
            job_id
            for job_id, job in self.jobs.items()
            if job.done_at is None and not job.is_cancelled
        }
        granted = {job_id for job_id, slot in self.table.slots.items() if slot.is_granted}
        running = {job_id for job_id, job in self.jobs.items() if job.is_running}
        assert set(self.table.slots) <= open_jobs
        assert running == granted


def any_room(dice: random.Random) -> Room:
    size = dice.randint(1, 900) * MIB
    return room(
        dice.choice((0.5, 1.0, 2.0, 3.7, 16.0)),
        memory_bytes=size,
        memory_free_bytes=size,
        temp_bytes=size,
        temp_free_bytes=size,
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_job_ends_and_no_limit_is_passed_whatever_happens(seed):
    dice = random.Random(seed)
    world = World(dice, any_room(dice), crash_rate=dice.choice((0.0, 0.2)))
    for _ in range(120):
        match dice.randint(0, 9):
            case 0 | 1 | 2 | 3:
                world.arrive()
            case 4 if world.jobs:
                world.cancel(dice.choice(list(world.jobs.values())))
            case 5 if dice.random() < 0.2:
                world.restart(dice.uniform(0, 3 * TIMES.silence))
            case _:
                world.step(dice.expovariate(1 / 3))
    world.crash_rate = 0.0
    rest = sum(1 for job in world.jobs.values() if job.done_at is None and not job.is_cancelled)
    world.step(TIMES.lease + 1)
    for _ in range(rest + 1):
        world.step(LONGEST)
    assert all(job.is_cancelled or job.done_at is not None for job in world.jobs.values())
    assert all(
        job.runs == job.crashes + 1 for job in world.jobs.values() if job.done_at is not None
    )
    assert world.table.slots == {}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("priority", [1, 5])
def test_a_big_job_begins_in_time_though_small_ones_never_stop_coming(seed, priority):
    dice = random.Random(seed)
    world = World(dice, room(4))
    for _ in range(20):
        world.arrive(10, cores=1.0)
    big = world.arrive(priority, cores=4.0)
    # Until its waiting has made up for its priority, its patience is over, and all have ended who
    # were before it: at most four at a time.
    ahead = sum(1 for job in world.jobs.values() if job is not big and job.done_at is None)
    limit = (10 - priority) * TIMES.aging + TIMES.patience + (ahead + 8) * LONGEST
    while not big.runs and world.now < limit:
        world.arrive(10, cores=1.0)
        world.step(LONGEST / 6)
    assert big.runs == 1


@pytest.mark.parametrize("seed", range(10))
def test_in_a_full_host_jobs_of_one_size_are_served_by_priority_and_age(seed):
    dice = random.Random(seed)
    world = World(dice, room(1))
    world.arrive(10, cores=1.0)
    for _ in range(8):
        world.arrive(cores=1.0)
    waiting = list(world.jobs.values())[1:]
    expected = sorted(waiting, key=lambda job: (-job.request.priority, job.request.job_id))
    while any(job.done_at is None for job in world.jobs.values()):
        world.step(TIMES.aging / 400)
        if world.now > 40:
            break  # from here on the waiting counts
    served = sorted(
        (job for job in waiting if job.done_at is not None), key=lambda job: job.done_at
    )
    assert served == expected[: len(served)]
    assert served
