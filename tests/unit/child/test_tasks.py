"""TaskPaglet in the test's own process: a worker whose clients are played here."""

import threading
from collections.abc import Iterator

import pytest

from paglets import LifecycleError, Message, PagletProxyRef, PagletsError, Priority, TaskReport
from paglets.agent.tasks import working
from paglets.agent.tasks.model import NamedTask, StartTask, WaitTask
from paglets.model.errors import NotFoundError, UnavailableError
from paglets.testing.harness import PagletHarness, Sent
from paglets.testing.waiting import wait_until
from tests.agents.patterns.chores import GO_ON, Chores, ChoreState, DurableChores, Steps

ANN = PagletProxyRef("http://alpha:8765", "ann", host_id="alpha", host_name="alpha")


class Worker:
    """A worker with short ways to ask it."""

    def __init__(self, harness: PagletHarness) -> None:
        self.harness = harness

    def ask(self, kind: str, payload: object, *, unqueued: bool = False) -> TaskReport:
        priority = Priority.UNQUEUED if unqueued else Priority.NORMAL
        answer = self.harness.send(Message.of(payload, kind=f"task.{kind}", priority=priority))
        return Message("reply", answer).decode(TaskReport)

    def start(self, task_id: str = "t1", operation: str = "work", **more) -> TaskReport:
        fields = {name: more.pop(name) for name in ("deadline", "tell") if name in more}
        request = Message.of(Steps(**more)).args
        return self.ask("start", StartTask(task_id, operation, request, **fields))

    def now(self, task_id: str = "t1") -> TaskReport:
        return self.ask("wait", WaitTask(task_id), unqueued=True)

    def end(self, task_id: str = "t1") -> TaskReport:
        wait_until(lambda: self.now(task_id).is_final, timeout=10, what="the end")
        return self.now(task_id)

    def wait_text(self, text: str) -> None:
        wait_until(lambda: self.now().text == text, timeout=10, what=text)


@pytest.fixture(autouse=True)
def hanging() -> Iterator[None]:
    GO_ON.clear()
    yield
    GO_ON.set()


@pytest.fixture(params=[Chores, DurableChores])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with PagletHarness(request.param, ChoreState()) as harness:
        yield Worker(harness)


def test_a_task_is_taken_performed_and_has_its_result(worker):
    assert worker.start(count=2).status in {"queued", "running", "done"}

    end = worker.end()

    assert (end.status, end.fraction, end.failure) == ("done", 1.0, None)
    assert end.result["hosts"] == ["alpha", "alpha"]


def test_tasks_are_performed_one_after_another(worker):
    worker.start("t1", wait_at=1)
    worker.start("t2", operation="echo", count=7)
    worker.wait_text("step 1")

    assert worker.now("t2").status == "queued"
    worker.harness.send("go on")
    assert worker.end("t1").status == "done"
    assert worker.end("t2").result["count"] == 7


def test_what_the_method_raises_is_the_failure(worker):
    worker.start(fail_at=1)

    failure = worker.end().failure

    assert failure.code == "handler_error"
    assert failure.detail["exception_message"] == "step 1 is too steep"
    assert "in _obey" in failure.detail["traceback_text"]


def test_a_request_that_does_not_fit_is_a_failure_and_the_next_task_is_performed(worker):
    worker.ask("start", StartTask("t1", "work", {"count": "many"}))
    worker.start("t2", operation="echo")

    assert "does not fit Steps" in worker.end("t1").failure.message
    assert worker.end("t2").status == "done"


def test_who_waits_hears_of_a_change_at_once(worker):
    worker.start(wait_at=1)
    worker.wait_text("step 1")
    heard: list[TaskReport] = []

    def wait() -> None:
        seen = worker.now().version
        heard.append(worker.ask("wait", WaitTask("t1", seen, 10.0), unqueued=True))

    thread = threading.Thread(target=wait)
    thread.start()
    worker.ask("cancel", NamedTask("t1"))
    thread.join(5)
    assert not thread.is_alive()
    assert worker.end().status == "cancelled"


def test_a_task_that_is_cancelled_ends_when_its_method_looks(worker):
    worker.start(wait_at=1)
    worker.wait_text("step 1")

    assert worker.ask("cancel", NamedTask("t1")).status == "running"

    end = worker.end()
    assert (end.status, end.failure.code) == ("cancelled", "task_cancelled")


def test_a_task_beyond_its_deadline_fails_though_its_method_does_not_look(worker):
    worker.start(hang_at=1, deadline=0.2)

    end = worker.end()

    assert (end.status, end.failure.code) == ("failed", "deadline")
    assert end.failure.message == "task t1 took over 0.2 s"
    GO_ON.set()
    worker.start("t2", operation="echo")
    assert worker.end("t2").status == "done"
    assert worker.now("t1").status == "failed"


def test_a_method_that_looks_ends_at_its_deadline(worker):
    worker.start(wait_at=0, deadline=0.2)

    assert worker.end().failure.code == "deadline"


def test_a_task_goes_on_after_a_sleep_of_its_worker(worker):
    worker.start(wait_at=1)
    worker.wait_text("step 1")
    worker.harness.deactivate()
    worker.harness.activate("message")
    worker.wait_text("step 1")
    worker.harness.send("go on")

    assert worker.end().result["hosts"] == ["alpha"] * 3


def test_a_task_goes_with_its_worker(worker):
    worker.start(move_at=1, to="beta")
    worker.harness.wait_departure()

    assert worker.end().result["hosts"] == ["alpha", "beta", "beta"]
    assert worker.harness.host_name == "beta"


def test_the_time_before_a_move_counts(worker):
    worker.start(wait_at=1, deadline=0.6)
    worker.wait_text("step 1")
    spent = threading.Event()
    spent.wait(0.2)
    worker.harness.arrive("beta")

    (record,) = worker.harness.paglet.state.tasks.values()
    assert record.spent >= 0.2
    assert worker.end().failure.code == "deadline"


def test_a_task_that_was_forgotten_is_unknown(worker):
    worker.start(operation="echo")
    worker.end()
    worker.ask("forget", NamedTask("t1"))

    for ask in (worker.now, lambda: worker.ask("cancel", NamedTask("t1"))):
        with pytest.raises(NotFoundError, match="t1"):
            ask()


def test_outside_of_a_task_there_is_none(worker):
    with pytest.raises(LifecycleError, match="no task is performed"):
        worker.harness.paglet.task.report(0.5)


def played(told: list[Sent], errors: list[PagletsError]):
    def reply(sent: Sent) -> object:
        if sent.kind == "TaskReport" and not sent.oneway and errors:
            raise errors.pop(0)
        told.append(sent)
        return None

    return reply


def test_a_client_is_told_of_progress_and_of_the_end():
    told: list[Sent] = []
    with PagletHarness(Chores, ChoreState(), replies=played(told, [])) as harness:
        worker = Worker(harness)
        worker.start(tell=ANN)
        worker.end()
        wait_until(lambda: bool(told), timeout=5, what="the end is told")

        assert [(sent.to.agent_id, sent.args["status"]) for sent in told] == [("ann", "done")]
        assert [s.args["status"] for s in harness.sent if s.oneway] == ["running"]
        wait_until(
            lambda: harness.paglet.state.tasks["t1"].tell is None, timeout=5, what="it is noted"
        )


def test_an_end_is_told_until_it_is_taken(monkeypatch):
    monkeypatch.setattr(working, "FIRST_PAUSE", 0.01)
    told: list[Sent] = []
    errors = [UnavailableError("alpha is stopping"), UnavailableError("alpha is stopping")]
    with PagletHarness(Chores, ChoreState(), replies=played(told, errors)) as harness:
        worker = Worker(harness)
        worker.start("t1", operation="echo", tell=ANN)
        worker.start("t2", operation="echo")

        assert worker.end("t2").status == "done"  # nobody waits for the one that is told
        wait_until(lambda: bool(told), timeout=5, what="the end is told")
        assert (told[0].args["task_id"], errors) == ("t1", [])


def test_an_end_that_nobody_took_is_told_after_a_restart():
    told: list[Sent] = []
    errors = [UnavailableError("alpha is stopping")]
    with PagletHarness(Chores, ChoreState(), replies=played(told, errors)) as harness:
        worker = Worker(harness)
        worker.start(operation="echo", tell=ANN)
        worker.end()
        wait_until(lambda: errors == [], timeout=5, what="it was tried")
        harness.deactivate()
        harness.activate("recovered")
        wait_until(lambda: bool(told), timeout=5, what="the end is told")


def test_a_client_that_is_gone_is_told_no_more():
    told: list[Sent] = []
    with PagletHarness(
        Chores, ChoreState(), replies=played(told, [NotFoundError("no ann")])
    ) as harness:
        Worker(harness).start(operation="echo", tell=ANN)
        wait_until(
            lambda: "t1" in harness.paglet.state.tasks
            and harness.paglet.state.tasks["t1"].tell is None,
            timeout=5, what="it is given up",
        )  # fmt: skip
        assert told == []
