"""TaskClient: starts tasks of a TaskPaglet and follows them, in a paglet or outside of any."""

import time
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from paglets.agent.contracts import ServiceOperation
from paglets.agent.proxy import SEND_TIMEOUT, PagletProxy
from paglets.agent.tasks.model import (
    CANCEL,
    FORGET,
    LONGEST_WAIT,
    START,
    WAIT,
    NamedTask,
    StartTask,
    TaskReport,
    TaskTicket,
    WaitTask,
)
from paglets.model.enums import Priority
from paglets.model.errors import DeadlineError, PagletCrashedError, PagletsError
from paglets.model.message import Message
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.wire.jsonvalues import decode_json_value, encode_reply

Q = TypeVar("Q")
R = TypeVar("R")

ANSWER_SECONDS = 5.0
"""What an answer may take beyond the time for which it waits for news."""
RETRY_SECONDS = 0.2
"""Before a worker that is moving or starting is asked again."""


class TaskClient(Generic[Q, R]):
    """Starts tasks of one operation on one worker.

    Args:
        worker: A TaskPaglet.
        operation: What it performs.
    """

    def __init__(self, worker: PagletProxy, operation: ServiceOperation[Q, R]) -> None:
        self._worker = worker
        self._operation = operation

    def start(
        self,
        request: Q,
        *,
        deadline: float | None = None,
        tell: PagletProxyRef | None = None,
        timeout: float = SEND_TIMEOUT,
    ) -> "Task[R]":
        """Start a task; return once the worker has it on its disk. It is taken once.

        Args:
            request: As the operation says.
            deadline: Seconds of work after which it fails; None for no limit. The time in which it
                waits for others, or moves, is not counted.
            tell: A paglet that gets each change as a TaskReport, such as `self.ref`: it is woken if
                it sleeps. It is told the end until it has taken it, perhaps more than once.
            timeout: Seconds until it is taken.

        Raises:
            TypeError: `request` is not of the operation's type.
            InvalidRequestError: The worker does not perform this.
            FullError: It has too many tasks.
            PagletsError: As `PagletProxy.send` raises.
        """
        if not isinstance(request, self._operation.request):
            raise TypeError(
                f"{self._operation.name} takes a {self._operation.request.__name__}, "
                f"not a {type(request).__name__}"
            )
        plain = decode_json_value(encode_reply(request, "request"))
        asked = StartTask(new_id(), self._operation.name, plain, deadline, tell)
        message = Message.of(asked, kind=START.name)
        self._worker.send(message, TaskReport, timeout=timeout, retry_for=timeout)
        return Task(self._worker, self._operation, asked.task_id)

    def resume(self, ticket: TaskTicket) -> "Task[R]":
        """Return a task that was started before; nothing is asked.

        Raises:
            ValueError: It is another worker's.
        """
        theirs, ours = ticket.worker.agent_id, self._worker.agent_id
        if theirs != ours:
            raise ValueError(f"the task is on {theirs}, this client is of {ours}")
        return Task(self._worker, self._operation, ticket.task_id)


class Task(Generic[R]):
    """One task, as seen by who waits for it. Made by TaskClient.

    It follows its worker over moves. Its calls block, and raise RuntimeError in async code of a
    paglet.
    """

    def __init__(
        self, worker: PagletProxy, operation: ServiceOperation[Any, R], task_id: str
    ) -> None:
        self._worker = worker
        self._operation = operation
        self.task_id = task_id

    @property
    def ticket(self) -> TaskTicket:
        """What to keep in State, to `resume` it after a sleep or restart."""
        return TaskTicket(self.task_id, self._worker.ref())

    def report(self, timeout: float = SEND_TIMEOUT) -> TaskReport:
        """Return how far it is now.

        Raises:
            NotFoundError: The worker does not know it, or has forgotten it.
            PagletsError: As `PagletProxy.send` raises.
        """
        return self._ask(0, 0.0, timeout)

    def reports(self, timeout: float) -> Iterator[TaskReport]:
        """Yield how far it is now and at each change; the last one is final.

        Changes that follow one another quickly may come as one.

        Args:
            timeout: Seconds to its end.

        Raises:
            DeadlineError: It has not ended in time; it goes on.
            PagletCrashedError: Its worker crashed and stays down.
            PagletsError: As `report`.
        """
        end, seen = time.monotonic() + timeout, 0
        while True:
            report = self._next(seen, end)
            if report is None:
                raise DeadlineError(
                    f"task {self.task_id} did not end within {timeout:g} s; it goes on",
                    task_id=self.task_id,
                )
            if report.version > seen:
                seen = report.version
                yield report
            if report.is_final:
                return

    def result(self, timeout: float) -> R:
        """Return its result, waiting for it.

        Args:
            timeout: Seconds to wait.

        Raises:
            HandlerError: Its method raised; has type, message and traceback.
            TaskCancelledError: It was cancelled.
            DeadlineError: It took longer than its deadline, or has not ended yet.
            PagletsError: As `reports`.
        """
        *_, last = self.reports(timeout)
        return last.result_of(self._operation)

    def cancel(self, timeout: float = SEND_TIMEOUT) -> TaskReport:
        """Ask it to end; return how far it is. Its method ends when it looks."""
        return self._name(CANCEL.name, timeout)

    def forget(self, timeout: float = SEND_TIMEOUT) -> TaskReport:
        """Have the worker forget it and its result.

        Raises:
            ConflictError: It has not ended.
        """
        return self._name(FORGET.name, timeout)

    def _next(self, seen: int, end: float) -> TaskReport | None:
        """Return the next report, None when the time is over."""
        while (left := end - time.monotonic()) > 0:
            try:
                return self._ask(seen, min(left, LONGEST_WAIT), left + ANSWER_SECONDS)
            except PagletsError as error:
                if not _is_passing(error) or left < RETRY_SECONDS:
                    raise
            time.sleep(RETRY_SECONDS)
        return None

    def _ask(self, seen: int, wait: float, timeout: float) -> TaskReport:
        asked = WaitTask(self.task_id, seen, wait)
        message = Message.of(asked, kind=WAIT.name, priority=Priority.UNQUEUED)
        timeout = min(timeout, wait + ANSWER_SECONDS)
        return self._worker.send(message, TaskReport, timeout=timeout)

    def _name(self, kind: str, timeout: float) -> TaskReport:
        message = Message.of(NamedTask(self.task_id), kind=kind)
        return self._worker.send(message, TaskReport, timeout=timeout, retry_for=timeout)


def _is_passing(error: PagletsError) -> bool:
    """Whether the worker will answer again: it moves, its host is away, or it is started anew."""
    if isinstance(error, PagletCrashedError):
        return error.detail.get("restarting") is True
    return error.retryable
