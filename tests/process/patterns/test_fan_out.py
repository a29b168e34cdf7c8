"""FanOut on real hosts: what comes back, and that nothing is left, whatever is killed."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets import Message, PagletProxy, PagletsError, Priority
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.patterns.conftest import HOSTS, Asking, left_over

pytestmark = pytest.mark.slow


@pytest.fixture
def make(mesh: LocalMesh) -> Iterator[Callable[..., PagletProxy]]:
    """Create a leader; in the end nothing of it may be left anywhere."""
    made: list[PagletProxy] = []

    def create(name: str = "counting:Count", host: str = "alpha", **moods: str) -> PagletProxy:
        leader = mesh.client("beta").create(name, host=host)
        leader.send(Message("moods", {"mood": moods}))
        made.append(leader)
        return leader

    yield create
    for leader in made:
        try:
            mesh.client("beta").proxy(leader.agent_id).dispose(force=True)
        except PagletsError:
            continue
    wait_gone(mesh)


def wait_gone(mesh: LocalMesh, *but: str) -> None:
    wait_until(
        lambda: left_over(mesh, *but) == [], timeout=20, what="nothing is left",
        story=lambda: "\n".join(left_over(mesh, *but)),
    )  # fmt: skip


def count(leader: PagletProxy, **args: object) -> dict:
    return leader.send(Message("count", args), timeout=60)


def notes(leader: PagletProxy) -> list[str]:
    return leader.send(Message("notes", priority=Priority.UNQUEUED))


def counting(leader: PagletProxy, hosts: int, **args: object) -> Asking:
    """Let it gather, and wait until so many workers have begun."""
    asking = Asking(lambda: count(leader, **args))
    wait_until(
        lambda: sum(note.startswith("go") for note in notes(leader)) == hosts,
        timeout=20, what=f"{hosts} workers",
    )  # fmt: skip
    return asking


def test_each_host_has_its_result_and_no_clone_is_left(mesh: LocalMesh, make):
    leader = make()

    found = count(leader, word="x")

    assert found == {"results": dict(zip(HOSTS, HOSTS, strict=True)), "missing": {}}
    assert left_over(mesh, leader.agent_id) == []
    # The workers have the State, their own on_clone() and not the leader's run().
    assert sorted(notes(leader)) == ["run", *(f"x of {host} clone of" for host in HOSTS)]


def test_a_durable_leader_gathers_too(mesh: LocalMesh, make):
    leader = make("counting:DurableCount")

    assert list(count(leader)["results"]) == list(HOSTS)
    assert left_over(mesh, leader.agent_id) == []


def test_what_fails_on_one_host_is_its_reason_and_no_other_ones(mesh: LocalMesh, make):
    leader = make(alpha="raise", beta="crash")

    missing = count(leader, hosts=[*HOSTS, "nobody"])["missing"]

    assert {host: reason for host, (reason, _) in missing.items()} == {
        "alpha": "failed", "beta": "crashed", "nobody": "unknown",
    }  # fmt: skip
    assert missing["alpha"][1] == "ValueError: not here"
    assert "signal SIGKILL" in missing["beta"][1]
    assert left_over(mesh, leader.agent_id) == []


def test_who_is_too_slow_is_cut_short(mesh: LocalMesh, make):
    leader = make(gamma="hang")

    found = count(leader, deadline=1.5)

    assert list(found["results"]) == ["alpha", "beta"]
    assert found["missing"] == {"gamma": ["slow", "not done within 1.5 s (it was working)"]}
    assert left_over(mesh, leader.agent_id) == []


def test_a_host_that_is_killed_is_missing_and_the_others_are_not(mesh: LocalMesh, make):
    leader = make(gamma="hang")
    asking = counting(leader, 3, word="go")

    mesh.kill("gamma")

    found = asking.result()
    assert list(found["results"]) == ["alpha", "beta"]
    assert found["missing"]["gamma"] == ["dead", "the host went away while it was working"]
    mesh.restart("gamma")
    mesh.wait_converged()
    wait_gone(mesh, leader.agent_id)


def test_a_host_that_hangs_keeps_its_own_place_alone(mesh: LocalMesh, make):
    leader = make()
    mesh["gamma"].pause()
    try:
        found = count(leader, hosts=["gamma", "alpha", "beta"], deadline=2.0)
    finally:
        mesh["gamma"].resume()

    assert list(found["results"]) == ["alpha", "beta"]
    assert list(found["missing"]) == ["gamma"]
    mesh.wait_converged()


def test_the_workers_of_a_leader_that_is_disposed_of_end_themselves(mesh: LocalMesh, make):
    leader = make(beta="hang", gamma="hang")
    asking = counting(leader, 3, word="go")

    leader.dispose(force=True)

    wait_gone(mesh)
    with pytest.raises(PagletsError):
        asking.result()


def test_the_workers_of_a_leader_that_crashes_end_themselves(mesh: LocalMesh, make):
    leader = make(beta="hang")
    asking = counting(leader, 3, word="go")

    os.kill(mesh["alpha"].observer.agent(leader.agent_id).pid, signal.SIGKILL)

    wait_gone(mesh, leader.agent_id)
    with pytest.raises(PagletsError):
        asking.result()


def test_the_workers_of_a_host_that_is_killed_end_themselves(mesh: LocalMesh, make):
    leader = make(host="gamma", alpha="hang", beta="hang")
    asking = counting(leader, 3, word="go")

    mesh.kill("gamma")

    wait_gone(mesh)
    with pytest.raises(PagletsError):
        asking.result()
    mesh.restart("gamma")
    mesh.wait_converged()


def test_the_workers_of_a_leader_that_moves_away_end_themselves(mesh: LocalMesh, make):
    leader = make(beta="hang", gamma="hang")
    asking = counting(leader, 3, word="go")

    leader.dispatch("beta")

    missing = asking.result()["missing"]
    assert {reason for reason, _ in missing.values()} == {"stopped"}
    wait_gone(mesh, leader.agent_id)
    assert sorted(count(leader, deadline=1.5)["missing"]) == ["beta", "gamma"]


def test_the_example_of_the_page_does_what_it_says(mesh: LocalMesh, tmp_path: Path):
    (tmp_path / "a").touch()
    leader = mesh.client().create("page_patterns:Count")

    found = leader.send(Message("count", {"folder": str(tmp_path)}))
    missing = leader.send(Message("count", {"folder": str(tmp_path / "none")}))

    assert found == dict.fromkeys(HOSTS, "1 entries")
    assert all(text.startswith("failed: FileNotFoundError") for text in missing.values())
    leader.dispose()
    wait_gone(mesh)
