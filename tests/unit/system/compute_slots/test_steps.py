"""What a job does next, whatever hosts answer and whatever was cut off before."""

import time

import pytest

from paglets.system.compute_slots.contract import (
    JobFailure,
    JobPhase,
    NoteAnswer,
    Step,
)
from paglets.system.compute_slots.placing import (
    FIRST_PAUSE,
    QUEUE_PAUSE,
)
from tests.unit.system.compute_slots.fakes import (
    BUSY,
    CANCELLED,
    GRANTED,
    NEVER,
    QUEUED,
    REFUSED,
    Ended,
    FakeJob,
    Slept,
    Went,
    offer,
    somebody,
)


def about(seconds: float):
    return pytest.approx(seconds, abs=1.0)


def test_a_new_job_asks_for_a_place_before_it_sets_off():
    job = FakeJob()
    job.hosts.offered = [offer("beta")]
    job.hosts.answers = {"beta": GRANTED}
    assert job.advance() is Went
    assert (job.went, job.job.host, job.job.going_to) == ("beta", "beta", "beta")
    assert job.hosts.asked[:2] == [("note", "alpha", JobPhase.PLACING, ""), ("request", "beta")]


def test_a_job_that_finds_its_place_at_home_begins_without_moving():
    job = FakeJob()
    job.hosts.offered = [offer("alpha")]
    job.hosts.answers = {"alpha": GRANTED}
    assert job.advance() is Step.COMPUTE
    assert (job.went, job.steps.lease_seconds) == ("", 60.0)


def test_a_job_goes_on_to_the_next_host_where_one_does_not_take_it():
    job = FakeJob(refuses=("beta",))
    job.hosts.offered = [offer("beta"), offer("gamma", BUSY), offer("delta", NEVER)]
    job.hosts.answers = {"beta": GRANTED, "gamma": QUEUED}
    assert job.advance() is Went
    assert job.went == "gamma"
    assert job.hosts.released() == ["beta"]


def test_where_no_host_takes_it_the_job_says_why_and_sleeps_ever_longer():
    job = FakeJob(refuses=("beta",))
    job.hosts.offered = [offer("beta"), offer("gamma"), offer("delta")]
    job.hosts.reasons = ["epsilon: too small"]
    job.hosts.answers = {"beta": GRANTED, "gamma": REFUSED}
    assert job.advance() is Slept
    assert job.slept == about(FIRST_PAUSE)
    host, phase, text = job.hosts.notes()[-1]
    assert (host, phase) == ("alpha", JobPhase.PLACING)
    for reason in (
        "epsilon: too small",
        "beta: beta is draining",
        "gamma: too small",
        "delta does not answer",
    ):
        assert reason in text
    assert job.advance() is Slept
    assert job.slept == about(2 * FIRST_PAUSE)
    assert job.job.host == ""


def test_a_host_that_was_set_off_to_in_vain_is_tried_last():
    job = FakeJob()
    job.job.host = job.job.going_to = "beta"
    job.hosts.offered = [offer("beta"), offer("gamma", BUSY)]
    job.hosts.answers = {"beta": GRANTED, "gamma": QUEUED}
    assert job.advance() is Went
    assert job.went == "gamma"
    assert job.hosts.released() == ["beta"]


def test_a_job_that_arrived_asks_again_and_sleeps_until_its_turn():
    job = FakeJob("beta")
    job.job.host = job.job.going_to = "beta"
    job.hosts.answers = {"beta": QUEUED}
    assert job.advance() is Slept
    assert job.slept == about(QUEUE_PAUSE)
    assert job.job.going_to == ""
    job.hosts.answers = {"beta": GRANTED}
    assert job.advance() is Step.COMPUTE
    assert job.job.pauses == 0


def test_a_job_that_has_waited_goes_where_it_can_begin_at_once():
    job = FakeJob("beta")
    job.job.host, job.job.pauses = "beta", 1
    job.hosts.offered = [offer("beta", BUSY), offer("gamma")]
    job.hosts.answers = {"beta": QUEUED, "gamma": GRANTED}
    assert job.advance() is Went
    assert (job.went, job.job.host) == ("gamma", "gamma")
    assert job.hosts.released() == ["beta"]


def test_a_job_keeps_its_place_where_the_free_host_was_taken_meanwhile():
    job = FakeJob("beta")
    job.job.host, job.job.pauses = "beta", 1
    job.hosts.offered = [offer("gamma")]
    job.hosts.answers = {"beta": QUEUED, "gamma": QUEUED}
    assert job.advance() is Slept
    assert (job.job.host, job.hosts.released()) == ("beta", ["gamma"])
    assert job.slept == about(2 * QUEUE_PAUSE)


def test_a_job_that_its_host_can_no_longer_run_looks_for_another():
    job = FakeJob("beta")
    job.job.host = "beta"
    job.hosts.offered = [offer("gamma")]
    job.hosts.answers = {"beta": REFUSED, "gamma": GRANTED}
    assert job.advance() is Went
    assert job.went == "gamma"


def test_a_job_whose_host_does_not_answer_asks_again_later():
    job = FakeJob("beta")
    job.job.host = "beta"
    assert job.advance() is Slept
    assert (job.slept, job.job.host) == (about(FIRST_PAUSE), "beta")


def test_a_job_that_was_moved_from_outside_gives_up_the_place_it_had():
    job = FakeJob("gamma")
    job.job.host = "beta"
    job.hosts.offered = [offer("gamma")]
    job.hosts.answers = {"gamma": GRANTED}
    assert job.advance() is Step.COMPUTE
    assert job.hosts.released() == ["beta"]


@pytest.mark.parametrize("place", ["home", "host", "on the way"])
def test_a_job_hears_wherever_it_asks_that_it_is_to_end(place):
    job = FakeJob("beta" if place == "host" else "alpha")
    job.hosts.offered = [offer("beta")]
    if place == "home":
        job.hosts.noted = NoteAnswer(is_cancelled=True)
    else:
        job.hosts.answers = {"beta": CANCELLED}
    if place == "host":
        job.job.host = "beta"
    assert job.advance() in {Slept, Went}
    assert job.job.outcome.phase is JobPhase.CANCELLED
    assert job.job.outcome.attempts == 0


def test_a_surplus_job_vanishes_without_a_word():
    job = FakeJob()
    job.job.ticket = "late"
    job.hosts.noted = NoteAnswer(is_surplus=True)
    assert job.advance() is Ended
    job.steps.disposed()
    assert [asked[0] for asked in job.hosts.asked] == ["note"]


def test_a_job_that_was_submitted_begins_nothing_before_its_home_has_said_that_it_is_it():
    job = FakeJob()
    job.job.ticket = "mine"
    job.hosts.noted = None
    job.hosts.offered = [offer("alpha")]
    job.hosts.answers = {"alpha": GRANTED}
    assert job.advance() is Slept
    assert ("request", "alpha") not in job.hosts.asked
    job.hosts.noted = NoteAnswer()
    assert job.advance() is Step.COMPUTE
    job.job.host, job.hosts.noted = "", None  # later its home may be away
    assert job.advance() is Step.COMPUTE


def test_the_death_of_its_process_counts_and_that_of_its_host_does_not():
    job = FakeJob()
    job.job.host = "alpha"
    job.hosts.answers = {"alpha": GRANTED}
    job.job.begun_in = job.generation - 1
    assert job.advance() is Step.COMPUTE
    assert job.job.failures == 0
    job.job.begun_in = job.generation
    assert job.advance() is Step.COMPUTE
    assert (job.job.failures, job.job.begun_in) == (1, 0)


def test_one_death_too_many_is_a_failure():
    job = FakeJob(max_attempts=1)
    job.job.begun_in, job.job.attempts = job.generation, 1
    assert job.advance() is Slept
    assert job.job.outcome.failure.type == "ProcessDied"
    assert "attempt 1" in job.job.outcome.failure.message


def test_before_another_attempt_a_job_rests_without_its_slot():
    job = FakeJob("beta")
    job.job.host, job.job.retry_at = "beta", time.time() + 30
    assert job.advance() is Slept
    assert job.slept == about(30)
    assert job.hosts.released() == ["beta"]


def test_an_outcome_is_decided_once():
    job = FakeJob("beta")
    assert job.steps.end(JobPhase.DONE, result=1)
    assert not job.steps.end(JobPhase.CANCELLED)
    assert (job.job.outcome.phase, job.job.outcome.host) == (JobPhase.DONE, "beta")


def test_a_job_that_has_ended_gives_its_slot_up_and_goes_home():
    job = FakeJob("beta")
    job.job.host = "beta"
    job.steps.end(JobPhase.DONE, result=1)
    assert job.advance() is Went
    assert (job.went, job.hosts.released()) == ("alpha", ["beta"])


@pytest.mark.parametrize("how", ["refused", "failed on the way"])
def test_while_home_is_away_the_outcome_waits_and_says_so(how):
    job = FakeJob("beta", refuses=("alpha",) if how == "refused" else ())
    job.steps.end(JobPhase.DONE, result=1)
    if how == "failed on the way":
        job.job.going_to = "alpha"
    assert job.advance() is Slept
    host, phase, text = job.hosts.notes()[-1]
    assert (host, phase) == ("beta", JobPhase.RETURNING)
    assert "alpha" in text
    job.refuses = ()
    assert job.advance() is Went
    assert ("forget", "beta") in job.hosts.asked


def test_at_home_the_outcome_is_noted_and_kept():
    job = FakeJob(keep_seconds=500.0)
    job.steps.end(JobPhase.FAILED, failure=JobFailure("ValueError", "no"))
    assert job.advance() is Slept
    assert job.hosts.notes() == [("alpha", JobPhase.FAILED, "ValueError: no")]
    assert job.slept == about(500)


def test_an_outcome_is_given_up_when_its_time_is_over():
    job = FakeJob(keep_seconds=0.0)
    job.steps.end(JobPhase.DONE)
    assert job.advance() is Ended
    job.steps.disposed()
    assert job.hosts.asked[-1] == ("forget", "alpha")


def test_where_home_does_not_take_note_it_is_told_again():
    job = FakeJob()
    job.steps.end(JobPhase.DONE)
    job.hosts.noted = None
    assert job.advance() is Slept
    assert job.slept == about(FIRST_PAUSE)


def test_who_wants_to_know_is_told_once_and_later_where_that_was_not_possible():
    job = FakeJob(keep_seconds=500.0)
    job.job.report_to = somebody()
    job.steps.end(JobPhase.DONE)
    assert job.advance() is Step.REPORT
    job.job.retry_at = time.time() + 20
    assert job.advance() is Slept
    assert job.slept == about(20)
    job.job.retry_at = 0.0
    assert job.advance() is Step.REPORT
    job.job.is_reported = True
    assert job.advance() is Slept
    assert job.slept == about(500)


def test_a_job_that_computes_goes_on_where_it_has_its_slot_or_nobody_answers():
    job = FakeJob("beta")
    job.steps.is_computing = True
    for answer in (GRANTED, None):
        job.hosts.answers = {"beta": answer}
        job.steps.look_after_slot()
    assert job.job.outcome is None


def test_a_job_that_has_lost_its_slot_stops_computing_and_asks_anew():
    job = FakeJob("beta")
    job.steps.is_computing = True
    job.hosts.answers = {"beta": QUEUED}
    with pytest.raises(Slept):
        job.steps.look_after_slot()
    assert job.slept == about(0)
    assert job.job.outcome is None


@pytest.mark.parametrize(("here", "unwinds"), [("beta", Went), ("alpha", Slept)])
def test_a_job_that_is_ended_while_it_computes_keeps_its_slot_until_its_process_is_gone(
    here, unwinds
):
    job = FakeJob(here)
    job.job.host = here
    job.steps.is_computing = True
    job.hosts.answers = {here: CANCELLED}
    with pytest.raises(unwinds):
        job.steps.look_after_slot()
    assert job.job.outcome.phase is JobPhase.CANCELLED
    assert job.hosts.released() == []
    home = FakeJob()
    home.state = job.state
    home.steps._job = job.state.job
    assert home.advance() is Slept
    assert home.hosts.released() == [here]


def test_a_job_that_is_disposed_of_gives_up_place_and_id():
    job = FakeJob("beta")
    job.job.host = "beta"
    job.steps.disposed()
    assert job.hosts.asked == [
        ("release", "beta"),
        ("note", "alpha", JobPhase.CANCELLED, "somebody has disposed of it"),
    ]
