"""What a job does beside computing: find a host, go there, wait its turn, bring its outcome home.

All of it runs in the lane of the job's process, one step at a time with its messages, and each step
begins from the job's record: whoever is killed in between does the same again. The hosts' tables
are asked, never believed to have told: a message that the turn has come only wakes the job. Where
nothing can be done now, the job sleeps, without a process, until it is woken or a pause is over.
Not here: the computing itself (`computing.py`).
"""

import time
from typing import Generic, TypeVar

from paglets.agent.paglet import Paglet
from paglets.model.errors import PagletsError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.transfer import TransferTicket
from paglets.system.compute_slots.contract import (
    JobFailure,
    JobOutcome,
    JobPhase,
    SlotStatus,
    Step,
)
from paglets.system.compute_slots.hosts import SlotHosts
from paglets.system.compute_slots.placing import free_elsewhere, in_order, pause
from paglets.system.compute_slots.record import JobState, JobTerms

S = TypeVar("S", bound=JobState)

TRAVEL_SECONDS = 10.0
"""Longest wait for a host to say whether it takes the job."""


class Steps(Generic[S]):
    """Carries one job through its phases.

    Args:
        paglet: The job.
        terms: What it asks for.
        hosts: Asks hosts in its name.
    """

    def __init__(self, paglet: Paglet[S], terms: JobTerms, hosts: SlotHosts) -> None:
        self._paglet = paglet
        self._terms = terms
        self._hosts = hosts
        self._job = paglet.state.job
        self.is_computing = False
        """Whether `compute()` runs in this process; set by the thread that runs it."""
        self.is_surplus = False
        """Whether another job was made under its id before."""
        self.lease_seconds = 0.0
        """How long the slot is kept without another word."""

    @property
    def _here(self) -> str:
        return self._paglet.context.host_name

    @property
    def generation(self) -> int:
        """Number of the present run of this host."""
        host = self._paglet.context.mesh.lookup(self._here)
        return 0 if host is None else host.generation

    def advance(self) -> Step:
        """Go on as far as can be; return what `run()` is to do, or unwind to move or to sleep."""
        job = self._job
        failed = job.going_to if job.going_to != self._here else ""
        job.going_to = ""
        job.home = job.home or self._here
        job.submitted_at = job.submitted_at or time.time()
        self._account_for_death()
        while job.outcome is None:
            if job.is_cancelled:
                self.end(JobPhase.CANCELLED)
            elif job.retry_at > time.time():
                self._rest()
            elif job.host != self._here:
                self._place(failed)
            elif self._has_slot():
                return Step.COMPUTE
        return self._bring_home(failed)

    def look_after_slot(self) -> None:
        """See whether the job may go on computing; end or interrupt that if not."""
        job = self._job
        if job.outcome is None and not job.is_cancelled:
            answer = self._hosts.request(self._here)
            if answer is None or answer.status is SlotStatus.GRANTED:
                return  # who does not answer gives the slot to nobody else either
            if answer.status is not SlotStatus.CANCELLED:
                self._sleep(0.0)  # the slot is another's: this process ends, a new one waits
            job.is_cancelled = True
        if job.outcome is None:
            self.end(JobPhase.CANCELLED)
        self._bring_home("")

    def end(
        self, phase: JobPhase, *, result: object = None, failure: JobFailure | None = None
    ) -> bool:
        """Decide the outcome; return False if it was decided before, which nothing changes."""
        with self._paglet.locked_state() as state:
            if state.job.outcome is not None:
                return False
            state.job.outcome = JobOutcome(
                phase=phase,
                result=result,
                failure=failure,
                host=self._here,
                attempts=state.job.attempts,
                ended_at=time.time(),
            )
            state.job.begun_in, state.job.pauses, state.job.retry_at = 0, 0, 0.0
            return True

    def disposed(self) -> None:
        """Tell the hosts that the job is no more."""
        job = self._job
        if self.is_surplus:
            return
        if job.outcome is not None:
            self._hosts.forget(job.home)
            return
        if job.host:
            self._hosts.release(job.host)
        self._hosts.note(job.home, JobPhase.CANCELLED, "somebody has disposed of it", is_gone=True)

    def _account_for_death(self) -> None:
        """Count an attempt that was cut off by the end of its process, but not of its host."""
        job = self._job
        if not job.begun_in or self.is_computing:
            return
        if job.begun_in == self.generation:
            job.failures += 1
        job.begun_in = 0
        if job.failures >= self._terms.max_attempts:
            text = (
                f"its process ended in the middle of attempt {job.attempts}; `paglets agent logs "
                f"{self._paglet.agent_id}` shows what it printed last"
            )
            self.end(JobPhase.FAILED, failure=JobFailure("ProcessDied", text))

    def _place(self, failed: str) -> None:
        """Find a host and go there; return where the job has its place on this one, or is to end.

        Args:
            failed: Host that the job has just set off to in vain.
        """
        job = self._job
        if job.host:
            self._hosts.release(job.host)
            job.host = ""
        noted = self._hosts.note(job.home, JobPhase.PLACING)
        if noted is not None and noted.is_surplus and not job.is_expected:
            self.is_surplus = True
            self._paglet.dispose()
        if noted is None and job.ticket and not job.is_expected:
            self._pause()
        job.is_expected = True
        if noted is not None and noted.is_cancelled:
            job.is_cancelled = True
            return
        offers, reasons = self._hosts.offers()
        for offer in in_order(offers, self._paglet.agent_id, last=failed):
            answer = self._hosts.request(offer.host_name)
            if answer is None:
                reasons.append(f"{offer.host_name} does not answer")
            elif answer.status is SlotStatus.CANCELLED:
                job.is_cancelled = True
                return
            elif answer.status is SlotStatus.REFUSED:
                reasons.append(f"{offer.host_name}: {'; '.join(answer.reasons)}")
            else:
                reasons += self._go(offer.host_name)
                if job.host:
                    return
        self._hosts.note(job.home, JobPhase.PLACING, "; ".join(reasons))
        self._pause()

    def _go(self, host: str) -> list[str]:
        """Go to a host that has a place for the job; return why that was not possible."""
        job = self._job
        job.host, pauses, job.pauses = host, job.pauses, 0
        if host == self._here:
            return []
        self._hosts.note(job.home, JobPhase.QUEUED)
        refused = self._dispatch(host)
        self._hosts.release(host)
        job.host, job.pauses = "", pauses
        return [f"{host}: {refused}"]

    def _has_slot(self) -> bool:
        """Return whether the job may begin; sleep where it must wait."""
        job = self._job
        answer = self._hosts.request(self._here)
        if answer is None:
            self._pause()
        elif answer.status is SlotStatus.GRANTED:
            self.lease_seconds, job.pauses = answer.lease_seconds, 0
            return True
        elif answer.status is SlotStatus.QUEUED:
            if job.pauses:
                self._go_where_it_is_free()
            self._pause(in_queue=True)
        elif answer.status is SlotStatus.CANCELLED:
            job.is_cancelled = True
        else:
            job.host = ""
        return False

    def _go_where_it_is_free(self) -> None:
        """Leave a long queue for a host that can begin now, if there is one."""
        job = self._job
        offers, _ = self._hosts.offers()
        for offer in free_elsewhere(offers, self._here, self._terms.needs, self._paglet.agent_id):
            answer = self._hosts.request(offer.host_name)
            if answer is not None and answer.status is SlotStatus.GRANTED:
                self._hosts.release(self._here)
                self._go(offer.host_name)
                return
            self._hosts.release(offer.host_name)
        job.host = self._here

    def _rest(self) -> None:
        """Let time pass before the next attempt, without a slot."""
        job = self._job
        if job.host:
            self._hosts.release(job.host)
        self._sleep(max(0.0, job.retry_at - time.time()))

    def _bring_home(self, failed: str) -> Step:
        """Go home with the outcome and have it settled there; then sleep until it is given up."""
        job = self._job
        assert job.outcome is not None
        if not self.is_computing and job.host == self._here:
            self._hosts.release(job.host)
            job.host = ""
        if job.home != self._here:
            self._leave_for_home(failed)
        if self.is_computing:
            self._sleep(0.0)  # ends the process, and the computing with it
        if job.host:
            self._hosts.release(job.host)
            job.host = ""
        failure = job.outcome.failure
        text = "" if failure is None else f"{failure.type}: {failure.message}"
        is_noted = self._hosts.note(job.home, job.outcome.phase, text) is not None
        if job.report_to is not None and not job.is_reported:
            if job.retry_at <= time.time():
                return Step.REPORT
            self._sleep(job.retry_at - time.time())
        left = job.outcome.ended_at + self._terms.keep_seconds - time.time()
        if left <= 0:
            self._paglet.dispose()
        if is_noted:
            self._sleep(left)
        self._pause()
        raise AssertionError("sleeping unwinds")

    def _leave_for_home(self, failed: str) -> None:
        """Go home, or sleep here until home can be reached."""
        job = self._job
        refused = f"{failed} did not take it"
        if failed != job.home:
            if job.pauses:
                self._hosts.forget(self._here)
            refused = self._dispatch(job.home)
        self._hosts.note(self._here, JobPhase.RETURNING, refused)
        self._pause()

    def _dispatch(self, host: str) -> str:
        """Go to a host; return why it does not take the job."""
        job = self._job
        job.going_to = host
        try:
            self._paglet.dispatch(TransferTicket(destination=host, timeout=TRAVEL_SECONDS))
        except PagletsError as error:
            job.going_to = ""
            return error.message

    def _pause(self, *, in_queue: bool = False) -> None:
        job = self._job
        seconds = pause(job.pauses, in_queue=in_queue)
        job.pauses += 1
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        self._paglet.deactivate(DeactivationPolicy.after(seconds))
