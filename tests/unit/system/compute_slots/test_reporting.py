"""How whoever wants to know is told the outcome of a job."""

import pytest

from paglets.model.errors import (
    HandlerError,
    HostUnreachableError,
    NotHandledError,
    PagletNotFoundError,
)
from paglets.system.compute_slots.contract import JobPhase, JobReport
from paglets.system.compute_slots.reporting import report
from tests.unit.system.compute_slots.fakes import FakeJob, somebody


class Reporter(FakeJob):
    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error, self.sent, self.commits = error, [], 0
        self.job.report_to = somebody()
        self.steps.end(JobPhase.DONE, result=[1])

    def send(self, to, message, *, timeout, retry_for):
        self.sent.append((to, message))
        if self.error is not None:
            raise self.error

    def checkpoint(self):
        self.commits += 1


def test_the_outcome_is_sent_and_that_it_was_is_committed():
    job = Reporter()
    report(job)
    (to, message) = job.sent[0]
    told = message.decode(JobReport)
    assert (to, told.job_id, told.outcome.result) == (somebody(), "job-1", [1])
    assert (job.job.is_reported, job.commits) == (True, 1)


def test_a_repeat_has_the_same_message_id_so_that_it_is_known():
    job = Reporter()
    report(job)
    report(job)
    assert job.sent[0][1].message_id == job.sent[1][1].message_id


@pytest.mark.parametrize(
    "error", [HandlerError("no"), NotHandledError("no"), PagletNotFoundError("gone")]
)
def test_who_does_not_want_to_hear_it_or_is_gone_is_not_told_again(error):
    job = Reporter(error)
    report(job)
    assert job.job.is_reported


def test_who_cannot_be_reached_is_told_later():
    job = Reporter(HostUnreachableError("away"))
    report(job)
    assert (job.job.is_reported, job.commits, job.job.pauses) == (False, 0, 1)
    first = job.job.retry_at
    report(job)
    assert job.job.retry_at > first > 0


def test_without_anybody_to_tell_nothing_is_sent():
    job = Reporter()
    job.job.report_to = None
    report(job)
    assert job.sent == []
