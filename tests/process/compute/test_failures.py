"""Jobs whose host, process or home goes away, and jobs that are ended or moved from outside."""

import pytest

from paglets import ConflictError, JobPhase
from tests.process.compute.stage import PATIENCE, Stage

pytestmark = pytest.mark.slow


def on(stage: Stage, host: str, **options):
    """Submit a job that runs on a host, by filling the other one first; return both."""
    first, second = stage.gate(**options), stage.gate(**options)
    places = {stage.wait_begun(job)[0]: job for job in (first, second)}
    other = "alpha" if host == "beta" else "beta"
    return places[host], places[other]


def test_a_running_job_whose_host_is_killed_runs_again_there_and_ends_once(stage: Stage):
    job, other = on(stage, "beta")
    stage.mesh.kill("beta")
    stage.mesh["beta"].start()
    assert stage.wait_begun(job, 2)[0] == "beta"
    stage.go(job, other)
    assert job.result(timeout=PATIENCE) == "ran on beta"
    assert job.wait(PATIENCE).attempts == 2
    assert len(stage.begun(other)) == 1


def test_the_death_of_a_host_is_no_failure_of_its_jobs(stage: Stage):
    job, other = on(stage, "beta", max_attempts=1)
    stage.mesh.kill("beta")
    stage.mesh["beta"].start()
    stage.wait_begun(job, 2)
    stage.go(job, other)
    assert job.wait(PATIENCE).phase is JobPhase.DONE


def test_a_stopped_host_goes_on_with_queue_and_slots_when_it_is_back(stage: Stage):
    running, other = on(stage, "beta")
    queued = [stage.gate(), stage.gate()]
    places = [stage.wait_asleep(job, JobPhase.QUEUED) for job in queued]
    assert sorted(places) == ["alpha", "beta"]
    waiting = queued[places.index("beta")]
    assert stage.mesh.stop("beta") == 0
    stage.mesh["beta"].start()
    stage.wait_begun(running, 2)
    assert stage.jobs(stage.mesh["beta"])[waiting.job_id].phase is JobPhase.QUEUED
    stage.go(running)
    assert stage.wait_begun(waiting)[0] == "beta"
    stage.go(other, *queued)
    assert [job.wait(PATIENCE).phase for job in queued] == [JobPhase.DONE] * 2


def test_slots_and_queue_outlive_the_process_that_keeps_them(stage: Stage):
    running, other = on(stage, "alpha")
    waiting = stage.gate()
    place = stage.wait_asleep(waiting, JobPhase.QUEUED)
    before = stage.mesh[place].client.proxy("compute-slots", host=place).info().pid
    stage.kill_process(before)
    stage.wait_for(lambda: stage.statistics(place).queued == 1, "it is back")
    assert stage.statistics(place).cores_granted == 1
    stage.go(running, other, waiting)
    assert waiting.result(timeout=PATIENCE) == f"ran on {place}"
    assert [len(stage.begun(job)) for job in (running, other, waiting)] == [1, 1, 1]


def test_an_outcome_waits_where_it_is_until_its_home_is_back(stage: Stage):
    job, other = on(stage, "beta")
    stage.mesh.kill("alpha")
    stage.go(job, other)
    stage.wait_for(lambda: stage.phase("beta", job) is JobPhase.RETURNING, "it waits")
    stage.mesh["alpha"].start()
    stage.mesh.wait_converged()
    assert stage.again(job).result(timeout=PATIENCE) == "ran on beta"
    stage.wait_for(lambda: stage.where(job) == ("alpha", "inactive"), "it is at home")
    assert len(stage.begun(job)) == 1


def test_a_job_made_again_under_its_id_while_it_is_away_vanishes(stage: Stage):
    job, other = on(stage, "beta")
    record = {"home": "alpha", "ticket": "of a submission that was late", "submitted_at": 1.0}
    state = {"folder": str(stage.folder), "job": record}
    again = stage.mesh.client().create("jobs:Gate", state, agent_id=job.job_id)
    stage.wait_for(lambda: stage.mesh["alpha"].statuses().get(job.job_id) is None, "it vanishes")
    stage.go(job, other)
    assert job.result(timeout=PATIENCE) == "ran on beta"
    assert len(stage.begun(job)) == 1
    assert again.info().host_name == "alpha"


@pytest.mark.parametrize("name", ["Gate", "Polite"])
def test_a_running_job_that_is_cancelled_ends_whether_it_listens_or_not(stage: Stage, name):
    first, second = stage.gate(name), stage.gate(name)
    for job in (first, second):
        host, _ = stage.wait_begun(job)
        assert job.cancel()
        assert job.wait(PATIENCE).phase is JobPhase.CANCELLED
        stage.wait_no_slot(host)
        with pytest.raises(ConflictError, match="was cancelled"):
            job.result(timeout=1.0)
        assert not job.cancel()
        stage.wait_for(lambda each=job: stage.where(each) == ("alpha", "inactive"), "it sleeps")


def test_a_job_that_is_cancelled_in_the_queue_never_begins(stage: Stage):
    running, other = on(stage, "alpha")
    waiting = stage.gate()
    stage.wait_asleep(waiting, JobPhase.QUEUED)
    assert waiting.cancel()
    assert waiting.wait(PATIENCE).phase is JobPhase.CANCELLED
    stage.go(running, other)
    for job in (running, other):
        job.wait(PATIENCE)
    assert stage.begun(waiting) == []


def test_a_job_that_is_cancelled_while_it_looks_for_a_host_ends(stage: Stage):
    job = stage.gate(cores=64.0)
    stage.wait_asleep(job, JobPhase.PLACING)
    assert job.cancel()
    assert job.wait(PATIENCE).phase is JobPhase.CANCELLED


def test_a_job_whose_host_is_away_hears_later_that_it_is_cancelled(stage: Stage):
    job, other = on(stage, "beta")
    stage.mesh.kill("beta")
    assert job.cancel()
    assert job.status().is_cancelled
    stage.mesh["beta"].start()
    assert job.wait(PATIENCE).phase is JobPhase.CANCELLED
    stage.go(other)
    assert other.wait(PATIENCE).phase is JobPhase.DONE


def test_a_queued_job_that_is_moved_from_outside_goes_on_from_there(stage: Stage):
    running, other = on(stage, "alpha")
    waiting = stage.gate()
    place = stage.wait_asleep(waiting, JobPhase.QUEUED)
    elsewhere = "beta" if place == "alpha" else "alpha"
    stage.mesh.client().proxy(waiting.job_id).dispatch(elsewhere)
    stage.mesh.client().proxy(waiting.job_id).activate()
    stage.wait_asleep(waiting, JobPhase.QUEUED)
    stage.go(running, other, waiting)
    assert waiting.wait(PATIENCE).phase is JobPhase.DONE
    assert len(stage.begun(waiting)) == 1


def test_a_running_job_that_is_moved_from_outside_begins_again_where_there_is_room(stage: Stage):
    job = stage.gate()
    host, _ = stage.wait_begun(job)
    stage.mesh.client().proxy(job.job_id).dispatch("beta" if host == "alpha" else "alpha")
    stage.wait_begun(job, 2)
    stage.go(job)
    assert job.wait(PATIENCE).phase is JobPhase.DONE
    for name in ("alpha", "beta"):
        stage.wait_no_slot(name)


def test_what_a_job_returns_when_it_is_told_to_stop_is_no_result(stage: Stage):
    job = stage.gate("Polite")
    host, _ = stage.wait_begun(job)
    stage.mesh.client().proxy(job.job_id).deactivate()
    stage.mesh.client().proxy(job.job_id).activate()
    stage.wait_begun(job, 2)
    stage.go(job)
    assert job.result(timeout=PATIENCE) == f"ran on {host}"
    assert job.wait(PATIENCE).attempts == 2


def test_a_job_whose_paglet_is_gone_is_found_out_when_it_is_cancelled(stage: Stage):
    job = stage.gate()
    host, _ = stage.wait_begun(job)
    stage.mesh.client().proxy(job.job_id).dispose(force=True)
    assert job.cancel()
    stage.wait_for(lambda: job.status().phase is JobPhase.CANCELLED, "it is known to be gone")
    stage.wait_no_slot(host)


def test_a_slot_is_taken_back_from_a_job_whose_process_hangs(stage: Stage):
    job = stage.gate()
    host, pid = stage.wait_begun(job)
    stage.pause_process(pid)
    try:
        stage.wait_no_slot(host)
    finally:
        stage.resume_process(pid)
    stage.wait_begun(job, 1)
    stage.go(job)
    assert job.wait(PATIENCE).phase is JobPhase.DONE
