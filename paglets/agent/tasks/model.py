"""The words of tasks: what a worker keeps of each, and what it tells about it."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from paglets.agent.contracts import ServiceOperation
from paglets.model.enums import TaskStatus
from paglets.model.errors import PagletsError, UnavailableError
from paglets.model.message import JsonValue
from paglets.model.refs import PagletProxyRef
from paglets.wire.failures import Failure, decode_failure, encode_failure
from paglets.wire.jsonvalues import decode_reply, encode_json_value

R = TypeVar("R")

LONGEST_WAIT = 20.0
"""Seconds that one question waits for news; who waits longer asks again."""


@dataclass(frozen=True)
class TaskTicket:
    """Names a task; stands in the State of who waits for it, over sleeps and restarts."""

    task_id: str
    worker: PagletProxyRef
    """Who works on it, where it was last known to be."""


@dataclass(frozen=True)
class TaskFailure:
    """An error as it is kept and told."""

    code: str
    message: str
    detail: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: BaseException) -> "TaskFailure":
        """Return an error in these words."""
        failure = encode_failure(error)
        return cls(failure.code, failure.message, dict(failure.detail))

    def error(self) -> PagletsError:
        """Return the error, ready to be raised."""
        return decode_failure(Failure(self.code, self.message, self.detail))


@dataclass(frozen=True)
class TaskReport:
    """How far a task is. Also a message: handle it with `@handles(TaskReport)`."""

    task_id: str
    operation: str
    """Name of the operation that it performs."""
    status: TaskStatus
    version: int
    """Grows with each change."""
    fraction: float | None = None
    """How much is done, from 0 to 1, if the worker says so."""
    text: str = ""
    """What the worker does now, for people."""
    result: JsonValue = None
    """With DONE."""
    failure: TaskFailure | None = None
    """With FAILED and CANCELLED."""

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self.status.is_final

    def result_of(self, operation: ServiceOperation[Any, R]) -> R:
        """Return the result of a task that has ended.

        Args:
            operation: What was performed.

        Raises:
            PagletsError: It failed: HandlerError where its method raised, DeadlineError,
                TaskCancelledError.
            InvalidRequestError: The result does not fit the operation.
            UnavailableError: It has not ended.
        """
        if self.failure is not None:
            raise self.failure.error()
        if self.status is not TaskStatus.DONE:
            raise UnavailableError(f"task {self.task_id} is {self.status}: it has no result yet")
        return decode_reply(encode_json_value(self.result), operation.reply)


@dataclass
class TaskRecord:
    """A task as its worker keeps it."""

    task_id: str
    operation: str
    request: Any = None
    status: TaskStatus = TaskStatus.QUEUED
    version: int = 1
    fraction: float | None = None
    text: str = ""
    result: Any = None
    failure: TaskFailure | None = None
    deadline: float | None = None
    """Seconds of work; None for no limit."""
    spent: float = 0.0
    """Seconds of work on hosts and in processes before this one."""
    is_cancelled: bool = False
    """Whether it is asked to end."""
    tell: PagletProxyRef | None = None
    """Who is told of changes; None once the end was told."""

    def report(self) -> TaskReport:
        """Return how far it is."""
        return TaskReport(
            self.task_id,
            self.operation,
            self.status,
            self.version,
            self.fraction,
            self.text,
            self.result,
            self.failure,
        )


@dataclass
class TaskState:
    """State of a TaskPaglet; extend it: `class WordState(TaskState)`."""

    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    """By id, in the order in which they came. For the runtime."""
    worker_id: str = ""
    """Whose tasks these are: a clone has none of them."""


@dataclass(frozen=True)
class StartTask:
    """Asks a worker to perform an operation."""

    task_id: str
    operation: str
    request: Any
    deadline: float | None = None
    tell: PagletProxyRef | None = None


@dataclass(frozen=True)
class WaitTask:
    """Asks for the next change of a task."""

    task_id: str
    seen: int = 0
    """Version that is known; the answer comes when there is another, or the time is over."""
    timeout: float = 0.0
    """Seconds to wait, at most LONGEST_WAIT."""


@dataclass(frozen=True)
class NamedTask:
    """Names a task, to cancel or forget it."""

    task_id: str


START = ServiceOperation("task.start", StartTask, TaskReport)
WAIT = ServiceOperation("task.wait", WaitTask, TaskReport)
CANCEL = ServiceOperation("task.cancel", NamedTask, TaskReport)
FORGET = ServiceOperation("task.forget", NamedTask, TaskReport)
