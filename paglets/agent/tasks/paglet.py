"""TaskPaglet: the class authors extend for work that takes longer than a message."""

from functools import cached_property
from typing import Any, ClassVar, TypeVar

from paglets.agent.contracts import ServiceOperation
from paglets.agent.handlers import provides
from paglets.agent.paglet import Paglet
from paglets.agent.tasks.desk import Desk
from paglets.agent.tasks.marks import performers
from paglets.agent.tasks.model import (
    CANCEL,
    FORGET,
    LONGEST_WAIT,
    START,
    WAIT,
    NamedTask,
    StartTask,
    TaskReport,
    TaskState,
    WaitTask,
)
from paglets.agent.tasks.working import RunningTask, Workshop
from paglets.model.enums import Durability, RestartPolicy
from paglets.model.errors import LifecycleError, NotFoundError

S = TypeVar("S", bound=TaskState)


class TaskPaglet(Paglet[S]):
    """Performs tasks, one after another in the order in which they come.

        COUNT = ServiceOperation("count", Corpus, Counts)

        class WordCount(TaskPaglet[WordState]):
            @performs(COUNT)
            def count(self, request: Corpus) -> Counts:
                for number, text in enumerate(request.texts):
                    self.task.check()
                    self.task.report(number / len(request.texts), text[:20])
                    ...

    A task is on the disk before its start is acknowledged, and its result before anybody is told.
    Where the paglet moves, sleeps or is started again meanwhile, the method is called again: what
    it must not do twice it notes in the State, with `checkpoint()`. What it returns once the paglet
    is to leave is no result. `run()` belongs to the tasks.
    """

    restart: ClassVar[RestartPolicy] = RestartPolicy.ON_CRASH
    run_grace: ClassVar[float] = 2.0
    performers: ClassVar[dict[str, tuple[ServiceOperation[Any, Any], str]]] = {}
    """Made of the methods marked `@performs`."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.performers = performers(cls)

    @property
    def task(self) -> RunningTask:
        """The task that is performed; for methods marked `@performs`.

        Raises:
            LifecycleError: There is none.
        """
        running = self._workshop.running
        if running is None:
            raise LifecycleError("no task is performed now: self.task is for methods that do")
        return running

    def run(self) -> None:
        """Perform what is to be done."""
        self._workshop.work()

    @provides(START)
    def start_task(self, request: StartTask) -> TaskReport:
        """Take a task."""
        with self.locked_state() as state:
            report = Desk(state, self.agent_id).start(request, tuple(self.performers))
        if self.durability is not Durability.MESSAGE:  # there it is committed with the reply
            self.checkpoint()
        return report

    @provides(WAIT)
    def wait_task(self, request: WaitTask) -> TaskReport:
        """Tell the next change of a task; asked UNQUEUED."""
        task_id, timeout = request.task_id, min(request.timeout, LONGEST_WAIT)
        self.wait_state(lambda state: _has_news(state, request), timeout)
        with self.locked_state() as state:
            if task_id not in state.tasks:
                raise NotFoundError(f"no task {task_id} here: it is unknown, or was forgotten")
            return state.tasks[task_id].report()

    @provides(CANCEL)
    def cancel_task(self, request: NamedTask) -> TaskReport:
        """Ask a task to end."""
        with self.locked_state() as state:
            return Desk(state, self.agent_id).cancel(request.task_id)

    @provides(FORGET)
    def forget_task(self, request: NamedTask) -> TaskReport:
        """Forget a task that has ended."""
        with self.locked_state() as state:
            return Desk(state, self.agent_id).forget(request.task_id)

    @cached_property
    def _workshop(self) -> Workshop:
        return Workshop(self)


def _has_news(state: TaskState, request: WaitTask) -> bool:
    record = state.tasks.get(request.task_id)
    return record is None or record.version > request.seen
