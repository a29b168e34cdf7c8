"""What a worker decides about its tasks: which is next, and what becomes of each. Pure.

A task that has ended changes no more; what its method says afterwards is dropped.
"""

from dataclasses import dataclass

from paglets.agent.tasks.model import StartTask, TaskFailure, TaskRecord, TaskReport, TaskState
from paglets.model.enums import TaskStatus
from paglets.model.errors import (
    ConflictError,
    DeadlineError,
    FullError,
    InvalidRequestError,
    NotFoundError,
    PagletsError,
    TaskCancelledError,
)
from paglets.model.message import JsonValue
from paglets.model.names import parse_name

BUSY_SECONDS = 5.0
"""After which a client whose task was refused for want of room tries again."""


@dataclass(frozen=True)
class DeskBounds:
    """How many tasks a worker has."""

    open: int = 100
    """That have not ended; one more is refused."""
    ended: int = 100
    """Whose outcome is kept; the oldest is forgotten, those that were told first."""


class Desk:
    """Changes the tasks of one worker.

    Args:
        state: Where they stand; those of another worker, whose clone this is, are dropped.
        worker_id: Whose desk it is.
        bounds: How many there may be.
    """

    def __init__(self, state: TaskState, worker_id: str, bounds: DeskBounds | None = None) -> None:
        if state.worker_id != worker_id:
            state.tasks, state.worker_id = {}, worker_id
        self._tasks = state.tasks
        self._bounds = bounds or DeskBounds()

    def start(self, request: StartTask, operations: tuple[str, ...]) -> TaskReport:
        """Take a task; one that is known already is reported, not taken again.

        Args:
            request: What is asked.
            operations: Those that the worker performs.

        Raises:
            InvalidRequestError: There is no such operation, or the deadline is none.
            ConflictError: The id is that of another task.
            FullError: There are too many.
        """
        parse_name(request.task_id, what="task id")
        known = self._tasks.get(request.task_id)
        if known is not None:
            if known.operation != request.operation:
                raise ConflictError(f"task {known.task_id} performs {known.operation}")
            return known.report()
        if request.operation not in operations:
            raise InvalidRequestError(
                f"this paglet performs {', '.join(operations) or 'nothing'}, not "
                f"{request.operation}"
            )
        if request.deadline is not None and request.deadline <= 0:
            raise InvalidRequestError("the deadline of a task is a number of seconds above 0")
        waiting = sum(not each.status.is_final for each in self._tasks.values())
        if waiting >= self._bounds.open:
            raise FullError(f"{waiting} tasks are waiting already", retry_after=BUSY_SECONDS)
        record = TaskRecord(
            request.task_id,
            request.operation,
            request.request,
            deadline=request.deadline,
            tell=request.tell,
        )
        self._tasks[record.task_id] = record
        return record.report()

    def get(self, task_id: str) -> TaskRecord:
        """Return a task.

        Raises:
            NotFoundError: There is none of this id.
        """
        record = self._tasks.get(task_id)
        if record is None:
            raise NotFoundError(
                f"no task {task_id} here: it was never started, or ended and was forgotten"
            )
        return record

    def next(self) -> TaskRecord | None:
        """Return what is to be worked on now: what was begun before, else the one that came first.

        It is RUNNING then.
        """
        waiting = [each for each in self._tasks.values() if not each.status.is_final]
        begun = (each for each in waiting if each.status is TaskStatus.RUNNING)
        record = next(begun, waiting[0] if waiting else None)
        if record is not None and record.status is TaskStatus.QUEUED:
            self._change(record, TaskStatus.RUNNING)
        return record

    def progress(self, record: TaskRecord, fraction: float | None, text: str) -> bool:
        """Note how far a task is; return whether that is new.

        Raises:
            ValueError: A fraction that is none.
        """
        if fraction is not None and not 0.0 <= fraction <= 1.0:
            raise ValueError(f"the fraction of a task that is done is 0 to 1, not {fraction!r}")
        if record.status.is_final or (record.fraction, record.text) == (fraction, text):
            return False
        record.fraction, record.text = fraction, text
        record.version += 1
        return True

    def finish(self, record: TaskRecord, result: JsonValue) -> None:
        """Note the result."""
        if not record.status.is_final:
            record.result, record.fraction = result, 1.0
            self._end(record, TaskStatus.DONE)

    def fail(self, record: TaskRecord, error: BaseException) -> None:
        """Note that there will be no result."""
        if not record.status.is_final:
            record.failure = TaskFailure.of(error)
            is_cancel = isinstance(error, TaskCancelledError)
            self._end(record, TaskStatus.CANCELLED if is_cancel else TaskStatus.FAILED)

    def cancel(self, task_id: str) -> TaskReport:
        """Ask a task to end; one that has not begun ends at once.

        Raises:
            NotFoundError: There is none of this id.
        """
        record = self.get(task_id)
        if not record.status.is_final:
            record.is_cancelled = True
            record.version += 1
        if record.status is TaskStatus.QUEUED:
            self.fail(record, TaskCancelledError(f"task {task_id} was cancelled before it began"))
        return record.report()

    def forget(self, task_id: str) -> TaskReport:
        """Forget a task that has ended; return what it was.

        Raises:
            ConflictError: It has not ended.
            NotFoundError: There is none of this id.
        """
        record = self.get(task_id)
        if not record.status.is_final:
            raise ConflictError(f"task {task_id} is {record.status}: cancel it first")
        del self._tasks[task_id]
        return record.report()

    def told(self, task_id: str) -> None:
        """Note that the end of a task was told."""
        record = self._tasks.get(task_id)
        if record is not None:
            record.tell = None
            self._make_room()

    def to_tell(self) -> list[TaskRecord]:
        """Return the tasks whose end is still to be told."""
        return [each for each in self._tasks.values() if each.status.is_final and each.tell]

    def _change(self, record: TaskRecord, status: TaskStatus) -> None:
        record.status = status
        record.version += 1

    def _end(self, record: TaskRecord, status: TaskStatus) -> None:
        record.request = None
        self._change(record, status)
        self._make_room()

    def _make_room(self) -> None:
        ended = [each for each in self._tasks.values() if each.status.is_final]
        ended.sort(key=lambda each: each.tell is not None)
        for record in ended[: max(0, len(ended) - self._bounds.ended)]:
            del self._tasks[record.task_id]


def why_stop(record: TaskRecord, seconds: float) -> PagletsError | None:
    """Return why the method of a task is to end, None if it may go on.

    Args:
        record: The task.
        seconds: For how long it is worked on here and now.
    """
    if record.failure is not None:
        return record.failure.error()
    if record.is_cancelled:
        return TaskCancelledError(f"task {record.task_id} was cancelled")
    if record.deadline is not None and record.spent + seconds >= record.deadline:
        return DeadlineError(f"task {record.task_id} took over {record.deadline:g} s")
    return None
