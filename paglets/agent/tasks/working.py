"""The worker's side of tasks: performs them in the thread of `run()`, and tells who wants to know.

Ends are told by a thread of their own, so that a client that cannot be reached holds up no task.
An end is told until it was taken, also after a restart: its record says whom to tell.
"""

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from paglets.agent.tasks.desk import Desk, why_stop
from paglets.agent.tasks.model import TaskRecord, TaskState
from paglets.model.errors import DeadlineError, NotFoundError, PagletsError, TaskCancelledError
from paglets.model.message import JsonValue, Message
from paglets.wire.failures import handler_error
from paglets.wire.jsonvalues import decode_json_value, decode_reply, encode_json_value, encode_reply

if TYPE_CHECKING:
    from paglets.agent.tasks.paglet import TaskPaglet

LOOK_SECONDS = 60.0
"""Longest rest between two looks for work; new work ends it at once."""
TELL_SECONDS = 0.25
"""Least time between two messages about the progress of a task."""
FIRST_PAUSE = 1.0
"""Before an end that could not be told is told again; doubled each time up to `LAST_PAUSE`."""
LAST_PAUSE = 60.0
"""Longest such pause."""


class Interrupted(BaseException):
    """Ends a method whose paglet is to leave, so that it is called again there. Not for authors."""


class RunningTask:
    """The task that is performed. Safe in threads.

    Args:
        paglet: The worker.
        record: The task.
    """

    def __init__(self, paglet: "TaskPaglet[Any]", record: TaskRecord) -> None:
        self._paglet = paglet
        self._record = record
        self._began = time.monotonic()
        self._told_at = float("-inf")

    @property
    def task_id(self) -> str:
        """Its id."""
        return self._record.task_id

    @property
    def is_cancelled(self) -> bool:
        """Whether it is to end: it was cancelled, or its time is over."""
        return self.why_stop() is not None

    @property
    def seconds_left(self) -> float | None:
        """How long it may still take; None for as long as it likes."""
        deadline = self._record.deadline
        return None if deadline is None else deadline - self._record.spent - self._seconds()

    def check(self) -> None:
        """End the method if it is to end: call this often, and let what it raises pass.

        Where the paglet is to leave, sleep or end this unwinds; the method is called again when it
        is back.

        Raises:
            TaskCancelledError: The task was cancelled.
            DeadlineError: Its time is over.
        """
        if self._paglet.stopping:
            raise Interrupted
        error = self.why_stop()
        if error is not None:
            raise error

    def report(self, fraction: float | None = None, text: str = "") -> None:
        """Say how far it is, to all who want to know.

        Args:
            fraction: How much is done, from 0 to 1; None if nobody can tell.
            text: What is done now, for people.

        Raises:
            ValueError: A fraction that is none.
        """
        record = self._record
        with self._paglet.locked_state() as state:
            is_new = Desk(state, self._paglet.agent_id).progress(record, fraction, text)
            self._count_time()
            report = record.report()
        now = time.monotonic()
        if is_new and record.tell is not None and now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            try:
                self._paglet.send_oneway(record.tell, Message.of(report))
            except PagletsError as error:  # the end will be told in any case
                print(f"progress of {self.task_id}: {error}", file=sys.stderr)  # noqa: T201 - the author's log

    def why_stop(self) -> PagletsError | None:
        """Return why the method is to end, None if it may go on."""
        with self._paglet.locked():
            return why_stop(self._record, self._seconds())

    def stop_clock(self) -> None:
        """Note the time that was spent; called when the method has ended."""
        with self._paglet.locked():
            self._count_time()

    def _count_time(self) -> None:
        self._record.spent, self._began = self._record.spent + self._seconds(), time.monotonic()

    def _seconds(self) -> float:
        return time.monotonic() - self._began


class Workshop:
    """Performs the tasks of one worker in one process.

    Args:
        paglet: The worker.
    """

    def __init__(self, paglet: "TaskPaglet[Any]") -> None:
        self._paglet = paglet
        self._teller: threading.Thread | None = None
        self.running: RunningTask | None = None
        """The task that is performed now."""

    def work(self) -> None:
        """Perform tasks until the paglet is to leave; in the thread of `run()`."""
        paglet = self._paglet
        while not paglet.stopping:
            self._tell_ends()
            with paglet.locked_state() as state:
                record = Desk(state, paglet.agent_id).next()
            if record is None:
                paglet.wait_state(_has_work, LOOK_SECONDS)
            else:
                self._perform(record)

    def _perform(self, record: TaskRecord) -> None:
        task = self.running = RunningTask(self._paglet, record)
        ended = self._alarm(task)
        try:
            result = self._result_of(record)
        except (TaskCancelledError, DeadlineError) as error:
            self._end(record, error=task.why_stop() or handler_error(error))
        except Interrupted:
            pass
        except Exception as error:  # noqa: BLE001 - the author's code: forwarded to the client
            self._end(record, error=handler_error(error))
        else:
            if not self._paglet.stopping:  # else it was cut short, and is called again
                self._end(record, result=result)
        finally:
            ended.set()
            task.stop_clock()
            self.running = None

    def _result_of(self, record: TaskRecord) -> JsonValue:
        operation, method = self._paglet.performers.get(record.operation, (None, ""))
        if operation is None:
            raise NotFoundError(f"this paglet does not perform {record.operation} any more")
        request = decode_reply(encode_json_value(record.request), operation.request)
        result = getattr(self._paglet, method)(request)
        return decode_json_value(encode_reply(result, "result"))

    def _end(
        self, record: TaskRecord, *, result: JsonValue = None, error: PagletsError | None = None
    ) -> None:
        with self._paglet.locked_state() as state:
            desk = Desk(state, self._paglet.agent_id)
            if error is None:
                desk.finish(record, result)
            else:
                desk.fail(record, error)
        self._paglet.checkpoint()

    def _alarm(self, task: RunningTask) -> threading.Event:
        """Have the task fail when its time is over, though its method does not look."""
        ended, left = threading.Event(), task.seconds_left
        if left is not None:
            threading.Thread(
                target=self._ring, args=(task, ended, left), name="task alarm", daemon=True
            ).start()
        return ended

    def _ring(self, task: RunningTask, ended: threading.Event, left: float) -> None:
        if ended.wait(max(0.0, left)):
            return
        error = task.why_stop()
        if error is not None:
            with self._paglet.locked_state() as state:
                desk = Desk(state, self._paglet.agent_id)
                desk.fail(desk.get(task.task_id), error)
            self._tell_ends()

    def _tell_ends(self) -> None:
        """Have somebody tell the ends that are still to be told."""
        if self._to_tell() and (self._teller is None or not self._teller.is_alive()):
            self._teller = threading.Thread(target=self._tell, name="task ends", daemon=True)
            self._teller.start()

    def _to_tell(self) -> list[TaskRecord]:
        with self._paglet.locked_state() as state:
            return Desk(state, self._paglet.agent_id).to_tell()

    def _tell(self) -> None:
        pause = FIRST_PAUSE
        while records := self._to_tell():
            are_told = [self._tell_end(record) for record in records]
            if all(are_told):
                pause = FIRST_PAUSE
            elif self._paglet.sleep(pause):
                return
            else:
                pause = min(pause * 2, LAST_PAUSE)

    def _tell_end(self, record: TaskRecord) -> bool:
        """Tell one end; return whether that is done with."""
        tell = record.tell
        if tell is None:
            return True
        message = Message.of(record.report())
        message.message_id = f"{record.task_id[:60]}.end"  # the same one each time it is told
        try:
            self._paglet.send(tell, message, timeout=LAST_PAUSE, retry_for=LAST_PAUSE)
        except NotFoundError:
            pass  # nobody is there any more
        except (PagletsError, OSError) as error:
            print(f"end of {record.task_id}: {error}", file=sys.stderr)  # noqa: T201 - the author's log
            return False
        with self._paglet.locked_state() as state:
            Desk(state, self._paglet.agent_id).told(record.task_id)
        return True


def _has_work(state: TaskState) -> bool:
    return any(not each.status.is_final for each in state.tasks.values())
