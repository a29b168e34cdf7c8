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
    AgentIdTakenError,
    ConflictError,
    DeadlineError,
    HandlerError,
    HostUnreachableError,
    InvalidRequestError,
    PagletsError,
    StateError,
    UnavailableError,
)
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.contract import (
    COMPUTE_SLOTS,
    FORGET,
    OUTCOME,
    STATUS,
    SUBMIT,
    HostQuery,
    JobInfo,
    JobName,
    JobOrder,
    JobOutcome,
    JobPhase,
    JobWishes,
    WhyAnswer,
)
from paglets.system.compute_slots.overview import MeshJobs
from paglets.system.compute_slots.record import JobRecord

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

    def proxy(self, paglet: str | PagletProxyRef) -> PagletProxy:
        """Return a proxy of a paglet."""

    def create(
        self,
        cls_or_name: type | str,
        state: object | None = None,
        host: str | None = None,
        agent_id: str | None = None,
    ) -> PagletProxy:
        """Create a paglet."""


class JobHandle:
    """A job that was submitted. Its calls block. Made by `submit_job`.

    Args:
        mesh: Finds the job on other hosts.
        slots: The `compute-slots` of its home.
        proxy: Of the job.
        is_new: Whether it was made by this submission.
    """

    def __init__(
        self, mesh: MeshJobs, slots: ServiceHandle, proxy: PagletProxy, *, is_new: bool
    ) -> None:
        self._mesh = mesh
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
        """Return what its home knows of it; `why` asks the host too where it waits.

        Raises:
            NotFoundError: Its outcome was given up, some time after it ended.
        """
        return self._slots.call(STATUS, JobName(self.job_id), timeout=ANSWER_SECONDS)

    def why(self) -> WhyAnswer:
        """Return why it is not further, as the host says that knows most; raises as `status`."""
        return self._mesh.why(self.job_id)

    def cancel(self) -> bool:
        """Have it end, as soon as it hears of it; return False if it has ended already."""
        try:
            self._mesh.cancel(self.job_id)
        except ConflictError:
            return False
        return True

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
                return outcome_of(self._proxy)
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


def submit_job(  # noqa: PLR0913 - each says another thing of the job, by name
    at: PagletContext | Outside,
    job_class: type | str,
    state: object | None = None,
    *,
    job_id: str | None = None,
    wishes: JobWishes | None = None,
    report_to: PagletProxyRef | None = None,
    home: str | None = None,
) -> JobHandle:
    """Submit a job to its home, the host to which it comes back with its outcome.

    Args:
        at: `self.context` of a paglet, or what `paglets.connect` returned.
        job_class: A ComputeJob, or `module:QualName` where it cannot be imported here.
        state: Instance of its State, or a dict of its fields; None for the defaults.
        job_id: A fixed id: submitted again with it, the job is the same one and is not computed
            again. None for a new one.
        wishes: What it needs, if not what its class says.
        report_to: A paglet that is sent a JobReport when it has ended.
        home: Name of a host; None for the host of the paglet, or the entry host of the client.

    Raises:
        ServiceNotFoundError: That host has no `compute-slots`.
        ClassNotAllowedError: It does not allow the class.
        ClassLoadError: The class cannot be imported there.
        InvalidRequestError: It is no ComputeJob.
        StateError: The state does not fit it.
        FullError: Too many jobs submitted there have not ended.
        ConflictError: `job_id` belongs to another paglet.
    """
    slots = _slots_of(at, home)
    order = JobOrder(
        job_id=job_id or f"job-{new_id()[:12]}",
        class_name=job_class if isinstance(job_class, str) else class_name_of(job_class),
        ticket=new_id()[:12],
    )
    record = JobRecord(
        home=slots.record.host_name,
        wishes=wishes or JobWishes(),
        report_to=report_to,
        ticket=order.ticket,
        submitted_at=time.time(),
    )
    return _submit(at, slots, order, {**_fields_of(state), "job": msgspec.to_builtins(record)})


def _slots_of(at: PagletContext | Outside, home: str | None) -> ServiceHandle:
    if home is None:
        return at.services.require(COMPUTE_SLOTS, scope=ServiceScope.LOCAL)
    return at.services.require(COMPUTE_SLOTS, host=home)


def _submit(
    at: PagletContext | Outside,
    slots: ServiceHandle,
    order: JobOrder,
    state: dict[str, JsonValue],
) -> JobHandle:
    # Announced first: from then on nobody else makes it, wherever it has gone meanwhile.
    announced = slots.call(SUBMIT, order, timeout=SUBMIT_SECONDS)
    is_new = announced.is_new
    if is_new:
        try:
            is_new = _make(at, order, state, slots.record.host_name)
        except PagletsError:
            slots.call(FORGET, JobName(order.job_id), timeout=ANSWER_SECONDS)
            raise
    job = announced.job
    proxy = at.resolve(job) if isinstance(at, PagletContext) else at.proxy(job)
    return JobHandle(MeshJobs(at.services), slots, proxy, is_new=is_new)


def _make(
    at: PagletContext | Outside, order: JobOrder, state: dict[str, JsonValue], home: str
) -> bool:
    """Create the paglet of a job; return False if it is there already."""
    try:
        at.create(order.class_name, state, host=home, agent_id=order.job_id)
    except AgentIdTakenError as error:
        # It was made by a submission whose end was lost, unless it is no such job at all.
        found = (
            at.proxies.get(order.job_id, home)
            if isinstance(at, PagletContext)
            else at.proxy(order.job_id)
        )
        class_name = found.info().class_name
        if class_name != order.class_name:
            raise ConflictError(
                f"{order.job_id} is the id of a {class_name}; choose another one",
                job_id=order.job_id,
            ) from error
        return False
    except StateError as error:
        if error.field == "job":
            raise InvalidRequestError(
                f"{order.class_name} is no ComputeJob: extend ComputeJob[TheState], with "
                "`class TheState(JobState)`"
            ) from error
        raise
    return True


def outcome_of(job: PagletProxy) -> JobOutcome:
    """Return how a job ended, as it says itself; it is woken.

    Raises:
        ConflictError: It has not ended.
    """
    message = Message.of(HostQuery(), kind=OUTCOME.name)
    return job.send(message, JobOutcome, timeout=ANSWER_SECONDS)


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
        if "job" in state:
            raise InvalidRequestError("`job` is the job's own record; leave it out of the state")
        return dict(state)
    found: dict[str, JsonValue] = msgspec.json.decode(encode_initial_state(state))
    del found["job"]
    return found
