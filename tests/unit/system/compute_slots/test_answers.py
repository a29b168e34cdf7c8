"""What a host answers about jobs, and whom of several one believes."""

import pytest

from paglets.model.errors import NotFoundError
from paglets.system.compute_slots.answers import Answers
from paglets.system.compute_slots.book import JobBook
from paglets.system.compute_slots.contract import JobInfo, JobPhase, JobQuery, SlotStatus
from paglets.system.compute_slots.needs import Needs
from paglets.system.compute_slots.overview import merged
from paglets.system.compute_slots.slots import SlotTable, SlotTimes
from tests.unit.system.compute_slots.support import MIB, note, request, room

TIMES = SlotTimes(lease=60.0)


class Host:
    def __init__(self) -> None:
        self.table, self.book, self.room, self.now = SlotTable(), JobBook(), room(4), 1000.0

    @property
    def answers(self) -> Answers:
        return Answers("alpha", self.table, self.book, TIMES, self.room, self.now)

    def ask(self, job_id: str, **wanted) -> None:
        self.table.ask(request(job_id, **wanted), self.room, self.now)
        self.table.admit(self.room, TIMES, self.now)

    def note(self, job_id: str, phase: JobPhase, **changes) -> None:
        self.book.write(note(job_id, phase, **changes), self.now)


@pytest.fixture
def host() -> Host:
    made = Host()
    made.ask("runs", cores=3, memory_bytes=100 * MIB)
    made.ask("waits", cores=2)
    made.ask("behind", cores=4, priority=1)
    return made


def test_a_job_hears_how_long_its_slot_is_kept_or_what_it_waits_for(host: Host):
    assert host.answers.standing("runs").lease_seconds == TIMES.lease
    waiting = host.answers.standing("waits")
    assert waiting.status is SlotStatus.QUEUED
    assert waiting.reasons == ("needs 2 cores, 1 of 4 are free until job runs is over",)
    assert host.answers.standing("nobody").status is SlotStatus.UNKNOWN


def test_a_refusal_names_all_that_is_missing(host: Host):
    refused = host.answers.refusal(Needs(cores=9, tags=("gpu",)))
    assert refused.reasons == (
        "needs 9 cores, the host has 4 for jobs",
        "the host has no tag gpu",
    )


def test_an_offer_tells_blockers_and_how_much_waits(host: Host):
    free, busy = host.answers.offer(Needs(cores=1)), host.answers.offer(Needs(cores=2))
    assert (free.blockers, free.cores, free.cores_waiting) == ((), 4, 9)
    assert not busy.is_final
    assert busy.blockers
    assert host.answers.offer(Needs(cores=5)).is_final


def test_why_tells_of_a_slot_what_it_is_and_when_it_would_be_lost(host: Host):
    host.now += 20
    (text,) = host.answers.why("runs").reasons
    assert text == (
        "has 3 of 4 cores and 100.0 MiB of memory for 20 s so far; it is lost if it says nothing "
        "for 40 s"
    )


def test_why_tells_a_waiting_job_its_blockers_and_its_place(host: Host):
    assert host.answers.why("behind").reasons == (
        "needs 4 cores, 1 of 4 are free until job runs is over",
        "1 of 2 that wait come before it",
    )


def test_why_of_others_is_what_their_home_was_told(host: Host):
    host.note("lost", JobPhase.PLACING, text="beta: has no tag gpu")
    host.note("done", JobPhase.DONE)
    assert host.answers.why("lost").reasons == ("beta: has no tag gpu",)
    assert host.answers.why("done").reasons == ()
    host.table.cancel("runs")
    assert "is to end" in host.answers.why("runs").reasons[0]
    with pytest.raises(NotFoundError, match="alpha knows no job nobody"):
        host.answers.why("nobody")


def test_of_a_job_that_is_in_table_and_book_the_table_tells_until_it_has_ended(host: Host):
    host.note("runs", JobPhase.QUEUED, host="alpha")
    assert host.answers.info("runs").phase is JobPhase.RUNNING
    host.note("runs", JobPhase.FAILED, text="ValueError")
    assert (host.answers.info("runs").phase, host.answers.info("runs").text) == (
        JobPhase.FAILED,
        "ValueError",
    )


def test_a_list_comes_in_pages_by_id(host: Host):
    first = host.answers.list(JobQuery(limit=2))
    assert [info.job_id for info in first.jobs] == ["behind", "runs"]
    rest = host.answers.list(JobQuery(limit=2, after=first.next))
    assert ([info.job_id for info in rest.jobs], rest.next) == (["waits"], None)
    assert [info.job_id for info in host.answers.list(JobQuery("wa")).jobs] == ["waits"]


def test_statistics_count_what_is_granted_and_who_is_there(host: Host):
    host.note("mine", JobPhase.PLACING)
    host.note("old", JobPhase.DONE)
    found = host.answers.statistics()
    assert (found.running, found.queued, found.at_home) == (1, 2, 1)
    assert (found.cores_granted, found.memory_granted_bytes) == (3, 100 * MIB)


def info(phase: JobPhase, since: float = 1.0, job_id: str = "a", **changes) -> JobInfo:
    facts = {"home": "alpha", "host": "", "priority": 5, "submitted_at": 1.0, **changes}
    return JobInfo(job_id, "m:Job", phase, since=since, **facts)


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ([info(JobPhase.PLACING), info(JobPhase.QUEUED, cores=1.0)], JobPhase.QUEUED),
        ([info(JobPhase.RUNNING, cores=1.0), info(JobPhase.QUEUED)], JobPhase.RUNNING),
        ([info(JobPhase.RETURNING), info(JobPhase.QUEUED)], JobPhase.RETURNING),
        ([info(JobPhase.DONE), info(JobPhase.RUNNING, cores=1.0)], JobPhase.DONE),
        ([info(JobPhase.CANCELLED), info(JobPhase.RETURNING)], JobPhase.CANCELLED),
    ],
)
def test_of_what_hosts_tell_of_a_job_the_later_phase_is_believed(told, believed):
    assert [each.phase for each in merged(told)] == [believed]
    assert merged(told) == merged(told[::-1])


def test_of_two_hosts_in_whose_queue_it_is_the_later_one_is_believed():
    early, late = (info(JobPhase.QUEUED, since, cores=1.0) for since in (1.0, 2.0))
    assert merged([late, early]) == [late]


def test_open_jobs_come_first_by_the_time_they_were_submitted():
    told = [
        info(JobPhase.DONE, job_id="ended", submitted_at=1.0),
        info(JobPhase.RUNNING, job_id="young", submitted_at=3.0),
        info(JobPhase.QUEUED, job_id="old", submitted_at=2.0),
    ]
    assert [each.job_id for each in merged(told)] == ["old", "young", "ended"]
