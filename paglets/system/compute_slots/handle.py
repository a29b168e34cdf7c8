"""Submitting jobs and following them: for scripts and notebooks, and for paglets."""

import time
from collections.abc import Mapping
from typing import Protocol, TypeVar, overload

import msgspec

from paglets.agent.context import PagletContext
from paglets.agent.introspection import class_name_of, encode_initial_state
from paglets.agent.proxy import PagletProxy
from paglets.agent.servicehandle import ServiceHandle
from paglets.agent.services import Services
from paglets.model.enums import ServiceScope
from paglets.model.errors import (
    ConflictError,
    DeadlineError,
    HandlerError,
    HostUnreachableError,
    UnavailableError,
)
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.contract import (
    CANCEL,
    COMPUTE_SLOTS,
    OUTCOME,
    STATUS,
    SUBMIT,
    WHY,
    HostQuery,
    JobInfo,
    JobName,
    JobOrder,
    JobOutcome,
    JobPhase,
    JobWishes,
    WhyAnswer,
)

T = TypeVar("T")

SUBMIT_SECONDS = 30.0
"""Longest wait until a job is durable at its home."""
ANSWER_SECONDS = 10.0
FIRST_LOOK = 0.05
"""Seconds between the first looks whether a job has ended; they grow."""
LONGEST_LOOK = 1.0


class Outside(Protocol):
    """A client of a mesh, as `paglets.connect` returns."""

    @property
    def services(self) -> Services:
        """Finds services."""

    def proxy(self, paglet: PagletProxyRef) -> PagletProxy:
        """Return a proxy of a paglet."""


class JobHandle:
    """A job that was submitted. Its calls block. Made by `submit_job`.

    Args:
        slots: The `compute-slots` of its home.
        proxy: Of the job.
        is_new: Whether it was made by this submission.
    """

    def __init__(self, slots: ServiceHandle, proxy: PagletProxy, *, is_new: bool) -> None:
        self._slots = slots
        self._proxy = proxy
        self.is_new = is_new
        """False: the job was submitted before under this id."""

    @property
    def job_id(self) -> str:
        """Its id."""
        return self._proxy.agent_id

    def ref(self) -> PagletProxyRef:
        """Return a reference to the job, for State and messages."""
        return self._proxy.ref()

    def status(self) -> JobInfo:
        """Return what its home knows of it; where it is queued its host knows more.

        Raises:
            NotFoundError: Its outcome was given up, some time after it ended.
        """
        return self._slots.call(STATUS, JobName(self.job_id), timeout=ANSWER_SECONDS)

    def why(self) -> WhyAnswer:
        """Return why it is not further, as its home knows; raises as `status`."""
        return self._slots.call(WHY, JobName(self.job_id), timeout=ANSWER_SECONDS)

    def cancel(self) -> bool:
        """Have it end, as soon as it hears of it; return False if it has ended already."""
        name = JobName(self.job_id)
        return self._slots.call(CANCEL, name, timeout=ANSWER_SECONDS).is_known

    def wait(self, timeout: float) -> JobOutcome:
        """Return how it ended, waiting for it; its home may be restarted meanwhile.

        Args:
            timeout: Seconds.

        Raises:
            DeadlineError: It has not ended; ask again.
            NotFoundError: Its outcome was given up.
        """
        deadline, look = time.monotonic() + timeout, FIRST_LOOK
        while True:
            phase = self._phase()
            if phase is not None and phase.is_final:
                return self._proxy.send(
                    Message.of(HostQuery(), kind=OUTCOME.name), JobOutcome, timeout=ANSWER_SECONDS
                )
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineError(
                    f"job {self.job_id} has not ended within {timeout:g} s: `paglets jobs why "
                    f"{self.job_id}` says why",
                    job_id=self.job_id,
                )
            time.sleep(min(look, left))
            look = min(look * 1.3, LONGEST_LOOK)

    @overload
    def result(self, *, timeout: float) -> JsonValue: ...
    @overload
    def result(self, result_type: type[T], *, timeout: float) -> T: ...
    def result(self, result_type: type[T] | None = None, *, timeout: float) -> JsonValue | T:
        """Return what `compute()` returned, waiting for it.

        Args:
            result_type: Type to read it as; None: the plain JSON value.
            timeout: Seconds.

        Raises:
            HandlerError: `compute()` raised; has its type, message and traceback.
            ConflictError: The job was cancelled.
            DeadlineError: It has not ended.
        """
        outcome = require_done(self.job_id, self.wait(timeout))
        if result_type is None:
            return outcome.result
        return msgspec.convert(outcome.result, result_type)

    def _phase(self) -> JobPhase | None:
        try:
            return self.status().phase
        except (HostUnreachableError, UnavailableError, DeadlineError):
            return None  # it is being restarted; the deadline counts


def submit_job(
    at: PagletContext | Outside,
    job_class: type | str,
    state: object | None = None,
    *,
    job_id: str | None = None,
    wishes: JobWishes | None = None,
    report_to: PagletProxyRef | None = None,
) -> JobHandle:
    """Submit a job to the host of a paglet, or the entry host of a client: its home.

    Args:
        at: `self.context` of a paglet, or what `paglets.connect` returned.
        job_class: A ComputeJob, or `module:QualName` where it cannot be imported here.
        state: Instance of its State, or a dict of its fields; None for the defaults.
        job_id: A fixed id: submitted again with it, the job is the same one and is not computed
            again. None for a new one.
        wishes: What it needs, if not what its class says.
        report_to: A paglet that is sent a JobReport when it has ended.

    Raises:
        ServiceNotFoundError: That host has no `compute-slots`.
        ForbiddenError: It does not allow the class.
        InvalidRequestError: The class is no ComputeJob, or the state does not fit.
        FullError: Too many jobs submitted there have not ended.
        ConflictError: `job_id` belongs to another paglet.
    """
    slots = at.services.require(COMPUTE_SLOTS, scope=ServiceScope.LOCAL)
    order = JobOrder(
        job_id=job_id or f"job-{new_id()[:12]}",
        class_name=job_class if isinstance(job_class, str) else class_name_of(job_class),
        state=_fields_of(state),
        wishes=wishes or JobWishes(),
        report_to=report_to,
    )
    made = slots.call(SUBMIT, order, timeout=SUBMIT_SECONDS)
    proxy = at.resolve(made.job) if isinstance(at, PagletContext) else at.proxy(made.job)
    return JobHandle(slots, proxy, is_new=made.is_new)


def require_done(job_id: str, outcome: JobOutcome) -> JobOutcome:
    """Return an outcome that has a result.

    Raises:
        HandlerError: The job failed.
        ConflictError: It was cancelled.
    """
    failure = outcome.failure
    if failure is not None:
        raise HandlerError(
            f"job {job_id} failed: {failure.type}: {failure.message}",
            exception_type=failure.type,
            exception_message=failure.message,
            traceback_text=failure.traceback,
        )
    if outcome.phase is JobPhase.CANCELLED:
        raise ConflictError(f"job {job_id} was cancelled", job_id=job_id)
    return outcome


def _fields_of(state: object | None) -> dict[str, JsonValue]:
    """Return the author's fields of a State."""
    if state is None:
        return {}
    if isinstance(state, Mapping):
        return dict(state)
    found: dict[str, JsonValue] = msgspec.json.decode(encode_initial_state(state))
    found.pop("job", None)
    return found
