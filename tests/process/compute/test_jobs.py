"""Jobs on real hosts: from submitting to the outcome at home."""

import pytest

from paglets import (
    ClassLoadError,
    ClassNotAllowedError,
    ConflictError,
    HandlerError,
    InvalidRequestError,
    JobPhase,
    NotFoundError,
    StateError,
)
from paglets.system.compute_slots.needs import BlockerKind
from tests.agents.compute.jobs import Area
from tests.process.compute.stage import PATIENCE, Stage

pytestmark = pytest.mark.slow


def test_a_job_computes_once_and_its_result_is_at_home_for_all_who_ask(stage: Stage):
    job = stage.submit("Sum", {"numbers": [1, 2, 3]})
    assert job.result(int, timeout=PATIENCE) == 6
    assert job.result(timeout=PATIENCE) == 6
    outcome = job.wait(PATIENCE)
    assert (outcome.phase, outcome.attempts) == (JobPhase.DONE, 1)
    assert stage.where(job)[0] == "alpha"
    assert job.status().host == outcome.host


def test_a_result_may_be_a_dataclass(stage: Stage):
    job = stage.submit("Drawing")
    assert job.result(Area, timeout=PATIENCE) == Area(2.0, 3.0)


def test_jobs_go_where_there_is_room_and_the_rest_sleeps_until_its_turn_comes(stage: Stage):
    first, second = stage.gate(), stage.gate()
    hosts = {stage.wait_begun(first)[0], stage.wait_begun(second)[0]}
    assert hosts == {"alpha", "beta"}
    third = stage.gate()
    place = stage.wait_asleep(third, JobPhase.QUEUED)
    assert stage.mesh.client().proxy(third.job_id).info().pid is None
    ahead = first if stage.begun(first)[0][0] == place else second
    stage.go(ahead, third)
    assert third.result(timeout=PATIENCE) == f"ran on {place}"
    stage.go(first, second)
    results = {job.result(timeout=PATIENCE) for job in (first, second)}
    assert results == {"ran on alpha", "ran on beta"}
    assert [len(stage.begun(job)) for job in (first, second, third)] == [1, 1, 1]


def test_a_higher_priority_is_served_first(stage: Stage):
    running = [stage.gate(), stage.gate()]
    for job in running:
        stage.wait_begun(job)
    low, high = stage.gate(priority=1), stage.gate(priority=9)
    places = {stage.wait_asleep(job, JobPhase.QUEUED) for job in (low, high)}
    if len(places) == 1:
        stage.go(*(job for job in running if stage.begun(job)[0][0] in places))
        stage.wait_begun(high)
        assert not stage.begun(low)
    stage.go(*running, low, high)
    assert low.wait(PATIENCE).phase is JobPhase.DONE


def test_a_job_submitted_again_is_the_same_job(stage: Stage):
    first = stage.submit("Sum", {"numbers": [1]}, job_id="nightly")
    again = stage.submit("Sum", {"numbers": [2]}, job_id="nightly")
    assert (first.is_new, again.is_new) == (True, False)
    assert first.result(timeout=PATIENCE) == again.result(timeout=PATIENCE) == 1
    assert not stage.submit("Sum", {"numbers": [3]}, job_id="nightly").is_new


def test_a_job_that_raises_has_failed_with_type_message_and_traceback(stage: Stage):
    job = stage.submit("Raising")
    with pytest.raises(HandlerError, match="nothing to divide by") as failed:
        job.result(timeout=PATIENCE)
    assert failed.value.exception_type == "ZeroDivisionError"
    assert "in compute" in failed.value.traceback_text
    assert job.status().text == "ZeroDivisionError: nothing to divide by"


@pytest.mark.parametrize(
    ("name", "type_name", "text"),
    [
        ("Misfit", "StateError", "step"),
        ("Large", "TooLargeError", "leave it in the state"),
        ("Odd", "TypeError", "reply"),
        ("Hungry", "MemoryError", ""),
    ],
)
def test_what_cannot_be_kept_or_had_is_a_failure_that_says_so(stage, name, type_name, text):
    failure = stage.submit(name).wait(PATIENCE).failure
    assert failure is not None
    assert failure.type == type_name
    assert text in failure.message


def test_an_exception_worth_another_attempt_gets_one_after_a_pause(stage: Stage):
    job = stage.submit("Unstable")
    outcome = job.wait(PATIENCE)
    assert (outcome.result, outcome.attempts) == (2, 2)


def test_a_job_whose_process_dies_is_begun_again_only_so_often(stage: Stage):
    job = stage.submit("Dying")
    outcome = job.wait(PATIENCE)
    assert (outcome.phase, outcome.attempts) == (JobPhase.FAILED, 2)
    assert outcome.failure is not None
    assert (outcome.failure.type, "agent logs" in outcome.failure.message) == ("ProcessDied", True)


def test_a_job_whose_process_is_killed_goes_on_from_its_last_checkpoint(stage: Stage):
    job = stage.gate("Counting")
    _, pid = stage.wait_begun(job)
    stage.wait_for(lambda: stage.mesh.client().proxy(job.job_id).state()["step"] == 99, "waits")
    stage.kill_process(pid)
    assert job.result(timeout=PATIENCE) == 10
    assert len(stage.begun(job)) == 2


def test_a_job_that_no_host_can_ever_run_waits_at_home_and_says_why(stage: Stage):
    job = stage.gate(cores=64.0, tags=("gpu",))
    assert stage.wait_asleep(job, JobPhase.PLACING) == "alpha"
    (reason,) = job.why().reasons
    assert "beta: needs 64 cores, the host has 1 for jobs; the host has no tag gpu" in reason
    assert "alpha: needs 64 cores" in reason


def test_why_names_who_holds_what_a_job_waits_for(stage: Stage):
    running = stage.gate()
    stage.wait_begun(running)
    other = stage.gate()
    stage.wait_begun(other)
    waiting = stage.gate()
    place = stage.wait_asleep(waiting, JobPhase.QUEUED)
    holder = running if stage.begun(running)[0][0] == place else other
    answer = stage.why(place, waiting)
    assert [each.kind for each in answer.blockers] == [BlockerKind.CORES]
    assert answer.reasons == (f"needs 1 core, 0 of 1 are free until job {holder.job_id} is over",)
    assert stage.why(place, holder).reasons[0].startswith("has 1 of 1 cores for ")


@pytest.mark.parametrize(
    ("name", "state", "error", "text"),
    [
        ("jobs:Ordinary", {}, InvalidRequestError, "no ComputeJob"),
        ("jobs:Nobody", {}, ClassLoadError, "Nobody"),
        ("os:Path", {}, ClassNotAllowedError, "allowed"),
        ("jobs:Sum", {"numbers": "none"}, StateError, "numbers"),
        ("jobs:Sum", {"more": 1}, StateError, "more"),
        ("jobs:Sum", {"job": {}}, InvalidRequestError, "own record"),
    ],
)
def test_what_cannot_be_a_job_is_refused_when_it_is_submitted(stage, name, state, error, text):
    with pytest.raises(error, match=text):
        stage.submit_class(name, state)


def test_the_id_of_another_paglet_is_taken(stage: Stage):
    stage.mesh.client().create("jobs:Ordinary", agent_id="taken")
    with pytest.raises(ConflictError, match="choose another"):
        stage.submit("Sum", job_id="taken")
    stage.mesh.client().proxy("taken").dispose()


def test_a_paglet_that_wants_to_know_is_told_once(stage: Stage):
    stage.mesh.client().create("jobs:Collector", agent_id="collector")
    stage.send_collector("submit", numbers=[4, 5], job_id="told")
    stage.handles.append(stage.submit("Sum", job_id="told"))
    stage.wait_for(lambda: stage.send_collector("reports") == ["told done 9"], "it is told")
    stage.wait_for(lambda: stage.where(stage.handles[-1])[1] == "inactive", "it sleeps at home")
    stage.mesh.client().proxy("told").activate()
    stage.wait_for(lambda: stage.where(stage.handles[-1])[1] == "inactive", "it sleeps again")
    assert stage.send_collector("reports") == ["told done 9"]
    stage.mesh.client().proxy("collector").dispose()


def test_an_outcome_is_given_up_after_its_time_and_the_id_is_free_again(stage: Stage):
    job = stage.submit("Sum", {"numbers": [1]}, job_id="short", keep_seconds=0.0)
    stage.wait_for(lambda: stage.is_forgotten(job), "its outcome is given up")
    with pytest.raises(NotFoundError):
        job.status()
    assert stage.submit("Sum", {"numbers": [1]}, job_id="short").is_new


def test_a_job_that_is_disposed_of_gives_its_slot_back_at_once(stage: Stage):
    job = stage.gate()
    host, _ = stage.wait_begun(job)
    stage.mesh.client().proxy(job.job_id).dispose()
    stage.wait_no_slot(host)
    assert job.status().phase is JobPhase.CANCELLED
