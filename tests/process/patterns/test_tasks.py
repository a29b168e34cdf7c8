"""Tasks on real hosts: performed and told to who waits for them, whatever is killed or moves."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from paglets import (
    HandlerError,
    Message,
    PagletNotFoundError,
    PagletProxy,
    TaskCancelledError,
    TaskClient,
    TaskStatus,
)
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.patterns.chores import WORK, BossState, Steps
from tests.process.patterns.conftest import Asking, load_page

pytestmark = pytest.mark.slow

PATIENCE = 40.0


@pytest.fixture
def make(mesh: LocalMesh) -> Iterator[Callable[..., PagletProxy]]:
    made: list[PagletProxy] = []

    def create(name: str, host: str = "beta", state: object | None = None) -> PagletProxy:
        proxy = mesh.client("alpha").create(f"chores:{name}", state, host=host)
        made.append(proxy)
        return proxy

    yield create
    for proxy in made:
        try:
            mesh.client("alpha").proxy(proxy.agent_id).dispose(force=True)
        except PagletNotFoundError:
            continue


@pytest.fixture
def worker(make) -> PagletProxy:
    return make("Chores")


def begun(worker: PagletProxy, text: str, **steps: object):
    """Start a task and wait until it is at a step."""
    task = TaskClient(worker, WORK).start(Steps(**steps))
    for report in task.reports(PATIENCE):
        if report.text == text:
            return task
    raise AssertionError("it ended before")


def test_a_program_outside_follows_a_task_to_its_result(worker: PagletProxy):
    task = TaskClient(worker, WORK).start(Steps(count=4))

    assert task.result(PATIENCE).hosts == ["beta"] * 4
    assert task.report().status is TaskStatus.DONE
    task.forget()


def test_a_failure_is_that_of_the_method(worker: PagletProxy):
    task = TaskClient(worker, WORK).start(Steps(fail_at=1))

    with pytest.raises(HandlerError, match="step 1 is too steep") as caught:
        task.result(PATIENCE)
    assert caught.value.exception_type == "ValueError"


def test_a_task_can_be_cancelled_from_elsewhere(mesh: LocalMesh, worker: PagletProxy):
    task = begun(worker, "step 1", wait_at=1)
    there = mesh.client("gamma").proxy(worker.agent_id)
    TaskClient(there, WORK).resume(task.ticket).cancel()

    with pytest.raises(TaskCancelledError):
        task.result(PATIENCE)


def test_a_task_that_moves_itself_reports_to_its_client(worker: PagletProxy):
    task = TaskClient(worker, WORK).start(Steps(count=4, move_at=2, to="gamma"))

    assert task.result(PATIENCE).hosts == ["beta", "beta", "gamma", "gamma"]


def test_a_task_that_is_moved_by_another_reports_to_its_client(
    mesh: LocalMesh, worker: PagletProxy
):
    task = begun(worker, "step 1", count=3, wait_at=1)
    waiting = Asking(lambda: task.result(PATIENCE))

    mover = mesh.client("alpha").proxy(worker.agent_id)
    mover.dispatch("gamma")
    mover.send(Message("go on"))

    assert waiting.result().hosts == ["beta", "gamma", "gamma"]


@pytest.mark.parametrize("kind", ["Chores", "DurableChores"])
def test_a_task_whose_process_is_killed_is_performed_on(make, kind: str):
    task = TaskClient(make(kind), WORK).start(Steps(count=3, die_at=1))

    walk = task.result(PATIENCE)

    assert (walk.hosts, walk.pids) == (["beta"] * 3, 2)


def test_a_task_whose_host_is_killed_is_performed_when_it_is_back(
    mesh: LocalMesh, worker: PagletProxy
):
    task = begun(worker, "step 1", wait_at=1)
    waiting = Asking(lambda: task.result(PATIENCE))

    mesh.kill("beta")
    mesh.restart("beta")
    mesh.wait_converged()
    worker.send(Message("go on"), retry_for=PATIENCE)

    assert waiting.result().hosts == ["beta"] * 3


def test_a_client_that_sleeps_is_woken_by_the_end(make, worker: PagletProxy):
    boss = make("Boss", "gamma", BossState())
    order = Message("order", {"worker": ref_of(worker), "steps": {"wait_at": 1}, "sleep": True})
    boss.send(order)
    assert boss.info().status == "inactive"

    worker.send(Message("go on"))

    wait_until(lambda: told(boss) == ["done"], timeout=PATIENCE, what="it is told")
    assert boss.state()["walk"]["hosts"] == ["beta"] * 3


def test_a_client_is_told_though_it_moved_and_its_worker_too(make, worker: PagletProxy):
    boss = make("Boss", "gamma", BossState())
    steps = {"count": 2, "wait_at": 1}
    boss.send(Message("order", {"worker": ref_of(worker), "steps": steps}))
    boss.dispatch("alpha")
    worker.dispatch("gamma")
    worker.send(Message("go on"))

    wait_until(lambda: told(boss) == ["done"], timeout=PATIENCE, what="it is told")
    assert boss.send(Message("ask", {"timeout": PATIENCE}))[-1] == "gamma"


def test_a_client_whose_host_was_away_is_told_when_it_is_back(
    mesh: LocalMesh, make, worker: PagletProxy
):
    boss = make("Boss", "gamma", BossState())
    boss.send(Message("order", {"worker": ref_of(worker), "steps": {"wait_at": 1}}))
    mesh.kill("gamma")
    worker.send(Message("go on"))
    ticket = mesh.client("alpha").proxy(worker.agent_id)
    wait_until(
        lambda: all(t["status"] == "done" for t in ticket.state()["tasks"].values()),
        timeout=PATIENCE, what="it is done",
    )  # fmt: skip

    mesh.restart("gamma")
    mesh.wait_converged()

    boss = mesh.client("alpha").proxy(boss.agent_id)
    wait_until(lambda: told(boss) == ["done"], timeout=PATIENCE, what="it is told")


def test_the_example_of_the_page_does_what_it_says(
    mesh: LocalMesh, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = load_page(pages, "patterns")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two" / "file").touch()
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    sizes = {folders[0]: 0, folders[1]: 1}

    assert page.archive_it(mesh.client(), folders).sizes == sizes
    assert "100% archiving" in capsys.readouterr().out

    archivist = mesh.client().create("page_patterns:Archivist", host="gamma")
    owner = mesh.client().create("page_patterns:Owner", host="beta")
    owner.send(Message("begin", {"archivist": ref_of(archivist), "folders": folders}))
    wait_until(lambda: owner.state()["sizes"] == sizes, timeout=PATIENCE, what="it is told")
    for each in (owner, archivist):
        each.dispose()


def told(boss: PagletProxy) -> list[str]:
    return boss.state()["told"]


def ref_of(proxy: PagletProxy) -> dict:
    return asdict(proxy.ref())
