"""TaskClient and Task against a worker whose answers are written here."""

from dataclasses import dataclass

import pytest

from paglets.agent.contracts import ServiceOperation
from paglets.agent.tasks import client as module
from paglets.agent.tasks.client import TaskClient
from paglets.agent.tasks.marks import performs
from paglets.agent.tasks.model import TaskFailure, TaskReport, TaskTicket
from paglets.agent.tasks.paglet import TaskPaglet
from paglets.model.enums import Priority, TaskStatus
from paglets.model.errors import (
    DeadlineError,
    HandlerError,
    NotFoundError,
    PagletCrashedError,
    TaskCancelledError,
    UnavailableError,
)
from paglets.model.message import Message
from paglets.model.refs import PagletProxyRef

WORKER = PagletProxyRef("http://beta:1", "w1")


@dataclass
class Words:
    text: str


COUNT = ServiceOperation("count", Words, int)


class FakeWorker:
    """Plays the proxy of a worker; `script` has what it answers, in order."""

    agent_id = "w1"

    def __init__(self) -> None:
        self.script: list[object] = []
        self.sent: list[tuple[Message, dict]] = []

    def ref(self) -> PagletProxyRef:
        return WORKER

    def send(self, message: Message, reply_type: type, **options) -> object:
        self.sent.append((message, options))
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def at(version: int, status: TaskStatus = TaskStatus.RUNNING, **more) -> TaskReport:
    return TaskReport("t1", "count", status, version, **more)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> FakeWorker:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    return FakeWorker()


@pytest.fixture
def task(worker: FakeWorker):
    worker.script = [at(1)]
    return TaskClient(worker, COUNT).start(Words("a b"), deadline=5.0, tell=WORKER, timeout=9.0)


def test_start_sends_the_request_once_for_all(worker, task):
    ((message, options),) = worker.sent

    assert message.kind == "task.start"
    assert (message.args["operation"], message.args["request"]) == ("count", {"text": "a b"})
    assert (message.args["deadline"], message.args["tell"]["agent_id"]) == (5.0, "w1")
    assert (options["timeout"], options["retry_for"]) == (9.0, 9.0)
    assert task.ticket == TaskTicket(task.task_id, WORKER)


def test_a_request_of_another_type_is_refused_before_it_is_sent(worker):
    with pytest.raises(TypeError, match="count takes a Words, not a str"):
        TaskClient(worker, COUNT).start("a b")
    assert worker.sent == []


def test_reports_come_at_each_change_up_to_the_end(worker, task):
    worker.script = [at(1), at(1), at(3, text="half"), at(4, TaskStatus.DONE, result=2)]

    assert [report.version for report in task.reports(60)] == [1, 3, 4]
    waits = [message.args for message, _ in worker.sent[1:]]
    assert [wait["seen"] for wait in waits] == [0, 1, 1, 3]
    assert all(m.priority == Priority.UNQUEUED for m, _ in worker.sent[1:])
    assert all(wait["timeout"] <= 20 for wait in waits)


def test_a_result_is_of_the_operations_type(worker, task):
    worker.script = [at(1, TaskStatus.DONE, result=2)]

    assert task.result(60) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (TaskStatus.FAILED, HandlerError("the handler raised ValueError", exception_type="V")),
        (TaskStatus.FAILED, DeadlineError("task t1 took over 3 s")),
        (TaskStatus.CANCELLED, TaskCancelledError("task t1 was cancelled")),
    ],
)
def test_what_failed_is_raised_as_what_it_was(worker, task, status, error):
    worker.script = [at(2, status, failure=TaskFailure.of(error))]

    with pytest.raises(type(error), match=error.message) as caught:
        task.result(60)
    assert caught.value.detail == error.detail


def test_a_worker_that_moves_or_starts_anew_is_asked_again(worker, task):
    worker.script = [
        UnavailableError("about to leave"),
        PagletCrashedError("its process ended", restarting=True),
        at(1, TaskStatus.DONE, result=2),
    ]

    assert task.result(60) == 2


def test_a_worker_that_stays_down_or_forgot_is_an_error(worker, task):
    for error in (PagletCrashedError("its process ended"), NotFoundError("no task t1")):
        worker.script = [error]
        with pytest.raises(type(error)):
            task.result(60)


def test_who_waited_long_enough_is_told_that_it_goes_on(worker, task):
    with pytest.raises(DeadlineError, match="it goes on"):
        task.result(0)


def test_a_task_can_be_taken_up_again_by_its_ticket(worker, task):
    worker.script = [at(1, TaskStatus.DONE, result=2)]

    assert TaskClient(worker, COUNT).resume(task.ticket).result(60) == 2
    with pytest.raises(ValueError, match="the task is on other"):
        TaskClient(worker, COUNT).resume(TaskTicket("t1", PagletProxyRef("http://x", "other")))


def test_cancel_and_forget_name_the_task(worker, task):
    worker.script = [at(2), at(3, TaskStatus.CANCELLED)]
    task.cancel()
    task.forget()

    assert [(m.kind, m.args) for m, _ in worker.sent[1:]] == [
        ("task.cancel", {"task_id": task.task_id}),
        ("task.forget", {"task_id": task.task_id}),
    ]


def test_a_method_performs_an_operation_and_is_no_coroutine():
    with pytest.raises(TypeError, match="takes a ServiceOperation"):
        performs("count")

    async def later(self, request: Words) -> int:
        return 1

    with pytest.raises(TypeError, match="is async"):
        performs(COUNT)(later)


def test_a_subclass_performs_what_its_base_does():
    class Base(TaskPaglet):
        @performs(COUNT)
        def count(self, request: Words) -> int:
            return 1

    class Derived(Base):
        pass

    assert list(Derived.performers) == ["count"]
    assert TaskPaglet.performers == {}
