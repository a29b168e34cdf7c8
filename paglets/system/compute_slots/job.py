"""ComputeJob: what authors extend to have something computed where there is room for it."""

import inspect
import sys
from typing import ClassVar, TypeVar

from paglets.agent.handlers import provides
from paglets.agent.introspection import class_name_of
from paglets.agent.paglet import Paglet
from paglets.model.enums import Durability, Priority, RestartPolicy
from paglets.model.errors import ConflictError, PagletsError
from paglets.model.events import DisposalEvent
from paglets.model.message import Message
from paglets.system.compute_slots.computing import Computing
from paglets.system.compute_slots.contract import (
    ADVANCE,
    NUDGE,
    OUTCOME,
    HostQuery,
    JobOutcome,
    NextStep,
    Nudge,
    Nudged,
    Step,
    require_priority,
)
from paglets.system.compute_slots.hosts import SlotHosts
from paglets.system.compute_slots.needs import Needs
from paglets.system.compute_slots.record import JobState, JobTerms
from paglets.system.compute_slots.reporting import report
from paglets.system.compute_slots.steps import Steps

S = TypeVar("S", bound=JobState)

STEP_SECONDS = 300.0
"""Longest wait for one step, which asks many hosts at worst."""
TROUBLE_PAUSE = 5.0
"""Seconds after which a step that failed is tried again."""


class ComputeJob(Paglet[S]):
    """A paglet that computes something once, on a host that has room for it.

    Write `compute()`, and what it needs as class variables; submit it with `submit_job` or `paglets
    jobs submit`. The job finds a host, goes there, sleeps until it has a slot, computes, and comes
    home with its result. `compute()` may run again after a crash, from the last `checkpoint()`; its
    outcome is decided once. A subclass that overrides `on_disposing` calls `super()`.
    """

    durability: ClassVar[Durability] = Durability.LIFECYCLE
    restart: ClassVar[RestartPolicy] = RestartPolicy.ON_CRASH
    needs: ClassVar[Needs] = Needs()
    """What it takes to run."""
    priority: ClassVar[int] = Priority.NORMAL
    """1 to 10; the highest is served first."""
    max_attempts: ClassVar[int] = 3
    """How often it is begun where its process dies, or it raises one of `retry_on`."""
    retry_on: ClassVar[tuple[type[Exception], ...]] = ()
    """Exceptions that may not happen again. After others the job has failed."""
    keep_seconds: ClassVar[float] = 7 * 24 * 3600.0
    """How long the outcome is kept at home."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _check(cls)

    def __init__(self) -> None:
        wishes = self.state.job.wishes
        self._terms = JobTerms(
            needs=wishes.needs(self.needs),
            priority=self.priority if wishes.priority is None else wishes.priority,
            max_attempts=wishes.max_attempts or self.max_attempts,
            keep_seconds=self.keep_seconds if wishes.keep_seconds is None else wishes.keep_seconds,
        )
        self._hosts = SlotHosts(
            self.context, self.state.job, class_name_of(type(self)), self._terms
        )
        self._steps: Steps[S] = Steps(self, self._terms, self._hosts)

    def __setattr__(self, name: str, value: object) -> None:
        # A State that the author puts in place of the one before goes on with the job's record.
        if name == "state" and isinstance(value, JobState) and "_steps" in self.__dict__:
            value.job = self.state.job
        super().__setattr__(name, value)

    def compute(self) -> object:
        """Compute, and return the result: a JSON-compatible value or a dataclass instance.

        Called in the thread of `run()`, with a slot. Long ones look at `self.stopping` and return
        when it is true, for whatever reason: what they return then is dropped, and they are called
        again. What `checkpoint()` commits is in `self.state` then.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute()")

    def run(self) -> None:
        """Carry the job through its phases; not for authors."""
        while not self.stopping:
            try:
                step = self._ask_lane()
            except PagletsError as error:
                print(f"step failed: {error}", file=sys.stderr)  # noqa: T201 - its log
                self.sleep(TROUBLE_PAUSE)
                continue
            if step is Step.REPORT:
                report(self)
            else:
                self._compute_now()

    def _ask_lane(self) -> Step:
        message = Message.of(HostQuery(), kind=ADVANCE.name)
        return self.context.proxy.send(message, NextStep, timeout=STEP_SECONDS).step

    def _compute_now(self) -> None:
        attempt = Computing(
            self,
            self.compute,
            self.retry_on,
            steps=self._steps,
            hosts=self._hosts,
            terms=self._terms,
        )
        self._steps.is_computing = True
        try:
            attempt.run()
        finally:
            self._steps.is_computing = False

    @provides(ADVANCE)
    def _job_advance(self, _query: HostQuery) -> NextStep:
        """Go on as far as can be; sent by `run()`, so that steps and messages take turns."""
        return NextStep(self._steps.advance())

    @provides(NUDGE)
    def _job_nudged(self, nudge: Nudge) -> Nudged:
        """Look how the job stands: its turn may have come, or it is to end."""
        if nudge.is_cancelled:
            self.state.job.is_cancelled = True
        if self._steps.is_computing:
            self._steps.look_after_slot()
        return Nudged()

    @provides(OUTCOME)
    def _job_outcome(self, _query: HostQuery) -> JobOutcome:
        """Return how the job ended.

        Raises:
            ConflictError: It has not.
        """
        outcome = self.state.job.outcome
        if outcome is None:
            raise ConflictError(
                f"job {self.agent_id} has not ended: `paglets jobs why {self.agent_id}` says why"
            )
        return outcome

    def on_disposing(self, event: DisposalEvent) -> None:
        """Give up slot and entry at the hosts that know the job."""
        del event
        self._steps.disposed()


def _check(cls: type[ComputeJob[S]]) -> None:
    """Check what a class says of itself, when it is defined.

    Raises:
        TypeError: A class variable has another type.
        InvalidRequestError: Or a value out of range.
    """
    name = cls.__qualname__
    if not isinstance(cls.needs, Needs):
        raise TypeError(f"{name}.needs is a Needs, such as Needs(cores=2)")
    require_priority(cls.priority)
    if cls.max_attempts < 1 or cls.keep_seconds < 0:
        raise ValueError(f"{name}.max_attempts is 1 or more, keep_seconds not below 0")
    if cls.durability is not Durability.LIFECYCLE:
        raise TypeError(f"{name} is a ComputeJob, which commits by itself: leave its durability")
    if inspect.iscoroutinefunction(cls.compute):
        raise TypeError(f"{name}.compute is no `async def`: call asyncio.run() in it")
