"""Residents on real hosts: there at the start, back after a crash, asleep when not needed."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from paglets import Message, PagletProxy
from paglets.cli.root import root
from paglets.model.errors import HandlerError, PinnedError
from paglets.model.launch import LaunchPlan
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.residents.conftest import AGENTS, LAUNCH

LAZY = "waiter.alpha"
EAGER = "head-waiter.alpha"
LOOK = Message("look")


@pytest.fixture
def alpha(book: Path) -> Iterator[LocalHost]:
    with LocalMesh(1, agents=AGENTS, launch=LAUNCH.format(book=book)) as mesh:
        yield mesh["alpha"]


def proxy(host: LocalHost, agent_id: str) -> PagletProxy:
    return host.client.proxy(agent_id, host="alpha")


def starts(book: Path, why: str) -> int:
    return sum(line.split()[2] == why for line in book.read_text().splitlines())


def wait_status(host: LocalHost, agent_id: str, status: str) -> None:
    wait_until(
        lambda: host.statuses().get(agent_id) == status,
        timeout=20,
        what=f"{agent_id} is {status}",
        story=host.tail,
    )


def wait_other_process(host: LocalHost, agent_id: str, pid: int | None) -> int:
    found: list[int] = []

    def is_back() -> bool:
        info = proxy(host, agent_id).info()
        if info.pid not in {None, pid}:
            found.append(info.pid or 0)
        return bool(found)

    wait_until(is_back, timeout=20, what=f"{agent_id} is back", story=host.tail)
    return found[0]


@pytest.mark.slow
def test_an_eager_one_runs_and_a_lazy_one_is_listed_without_a_process(alpha: LocalHost) -> None:
    assert sorted(alpha.statuses()) == [EAGER, LAZY]
    wait_status(alpha, EAGER, "active")
    assert alpha.statuses()[LAZY] == "inactive"
    listed = {body.provider.agent_id for body in alpha.observer.services()}
    assert listed == {LAZY, EAGER}
    assert proxy(alpha, LAZY).info().pid is None


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 64])
def test_many_first_calls_at_once_start_a_lazy_one_once(
    alpha: LocalHost, book: Path, count: int
) -> None:
    lazy = proxy(alpha, LAZY)
    with ThreadPoolExecutor(count) as pool:
        looks = list(pool.map(lambda _: lazy.send(LOOK), range(count)))
    assert [look["starts"] for look in looks] == [["created"]] * count
    assert starts(book, "message") == 0


@pytest.mark.slow
def test_a_lazy_one_sleeps_when_idle_and_is_woken_with_its_state(alpha: LocalHost) -> None:
    lazy = proxy(alpha, LAZY)
    assert lazy.send(LOOK)["greeting"] == "moin"
    wait_status(alpha, LAZY, "inactive")
    assert lazy.send(LOOK)["starts"] == ["created", "message"]


@pytest.mark.slow
def test_a_killed_eager_one_is_back_by_itself(alpha: LocalHost) -> None:
    proxy(alpha, EAGER).send(LOOK)
    pid = wait_other_process(alpha, EAGER, None)
    os.kill(pid, signal.SIGKILL)
    wait_other_process(alpha, EAGER, pid)
    assert proxy(alpha, EAGER).send(LOOK)["starts"] == ["created", "recovered"]


@pytest.mark.slow
def test_a_killed_host_has_each_of_them_once_again(alpha: LocalHost, book: Path) -> None:
    for _ in range(2):
        proxy(alpha, LAZY).send(LOOK)
        alpha.kill()
        alpha.start()
        wait_status(alpha, EAGER, "active")
        assert sorted(alpha.statuses()) == [EAGER, LAZY]
    assert starts(book, "created") == 2


@pytest.mark.slow
def test_residents_stay_with_their_host(alpha: LocalHost) -> None:
    eager = proxy(alpha, EAGER)
    for leave in (lambda: eager.dispatch("alpha"), eager.clone):
        with pytest.raises(PinnedError, match="resident"):
            leave()
    with pytest.raises(HandlerError, match=r"PinnedError.*is a resident of its host"):
        eager.send(Message("go", {"to": "alpha"}))
    assert eager.send(LOOK)["starts"] == ["created"]


@pytest.mark.slow
def test_a_disposed_one_is_made_anew(alpha: LocalHost) -> None:
    eager = proxy(alpha, EAGER)
    birth = eager.info().birth_id
    eager.dispose()
    wait_until(
        lambda: any(
            info.agent_id == EAGER and info.birth_id != birth and info.status == "active"
            for info in alpha.observer.agents()
        ),
        timeout=20,
        what="another one is there",
        story=alpha.tail,
    )


@pytest.mark.slow
def test_one_that_is_no_longer_declared_sleeps_with_its_state_and_is_told(
    alpha: LocalHost,
) -> None:
    plan = alpha.settings.launch
    proxy(alpha, EAGER).send(LOOK)
    alpha.restart(launch=LaunchPlan(residents=plan.residents[:1]))
    assert alpha.statuses() == {LAZY: "inactive", EAGER: "inactive"}
    assert {body.provider.agent_id for body in alpha.observer.services()} == {LAZY}
    assert "is no longer in launch.toml" in alpha.tail()
    alpha.restart(launch=plan)
    wait_status(alpha, EAGER, "active")
    assert proxy(alpha, EAGER).send(LOOK)["starts"] == ["created", "startup"]


@pytest.mark.slow
def test_one_whose_class_cannot_be_imported_is_told_with_its_place(tmp_path: Path) -> None:
    launch = '[[services]]\nclass = "nowhere:None_"\nlifecycle = "eager"\n'
    with LocalMesh(1, agents=AGENTS, allow=["nowhere"], launch=launch) as mesh:
        (warning,) = mesh["alpha"].observer.health().warnings
    assert "[[services]] no. 1" in warning
    assert "module nowhere cannot be imported" in warning


@pytest.mark.slow
def test_the_built_in_services_are_there_as_soon_as_a_host_is_ready() -> None:
    with LocalMesh(1, builtins=True) as mesh:
        alpha = mesh["alpha"]
        assert {body.name for body in alpha.observer.services()} == {
            "server-info",
            "mesh-info",
            "compute-slots",
            "user-info",
        }
        assert alpha.statuses()["user-info.alpha"] == "inactive"
        wait_status(alpha, "mesh-info.alpha", "active")
        wait_status(alpha, "compute-slots.alpha", "active")
        assert alpha.observer.health().warnings == ()


@pytest.mark.slow
def test_a_host_killed_while_it_makes_a_resident_has_it_once(book: Path) -> None:
    launch = LAUNCH.format(book=book)
    kill = {"alpha": "resident.after_commit=kill9"}
    mesh = LocalMesh(1, agents=AGENTS, launch=launch, failpoints=kill)
    try:
        alpha = mesh["alpha"]
        alpha.start(wait=False, failpoints=kill["alpha"])
        alpha.wait_gone()
        alpha.start()
        wait_status(alpha, EAGER, "active")
        assert sorted(alpha.statuses()) == [EAGER, LAZY]
        assert proxy(alpha, EAGER).send(LOOK)["starts"] == ["created"]
        assert proxy(alpha, LAZY).send(LOOK)["starts"] == ["created"]
    finally:
        mesh.close()


@pytest.mark.slow
def test_a_drain_leaves_residents_alone_and_calls_the_host_empty(alpha: LocalHost) -> None:
    eager = proxy(alpha, EAGER)
    eager.send(LOOK)
    own = alpha.client.create("waiters:Guest")
    keyed = ["--url", alpha.url, "--key-file", str(alpha.settings.key_file), "--json"]
    result = CliRunner().invoke(root, [*keyed, "host", "drain", "--host", "alpha"])
    assert result.exit_code == 0, result.output
    (told,) = json.loads(result.stdout)["agents"]
    assert told["agent_id"] == own.agent_id
    assert eager.send(LOOK)["starts"] == ["created"]
