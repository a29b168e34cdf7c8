"""`mesh-info` on three real hosts: all are ranked, and what goes is not chosen any more."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from paglets import Message, PagletProxy
from paglets.cli.root import root
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.mesh.support import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def resident(mesh: LocalMesh, host: str) -> PagletProxy:
    """Return the mesh-info of a host."""
    return mesh.client(host).proxy(f"mesh-info.{host}", host=host)


def ranked(mesh: LocalMesh, host: str = "alpha", **query: object) -> dict[str, list[str]]:
    """Return the reasons by host: of those that suit best first, then of the others."""
    answer = resident(mesh, host).send(Message("rank", query))
    return {
        f"{'' if kind == 'targets' else 'not '}{each['host_name']}": each["reasons"]
        for kind in ("targets", "rejected")
        for each in answer[kind]
    }


def suit(mesh: LocalMesh, host: str = "alpha", **query: object) -> set[str]:
    return {name for name in ranked(mesh, host, **query) if not name.startswith("not ")}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalMesh]:
    with LocalMesh(3, builtins=True, tags=("local",)) as mesh:
        yield mesh


@pytest.fixture
def mesh(running: LocalMesh) -> LocalMesh:
    """All three suit, wherever one asks."""
    for host in running:
        wait_until(
            lambda host=host: suit(running, host.name) == {"alpha", "beta", "gamma"},
            timeout=PATIENCE,
            what=f"{host.name} knows all",
        )
    return running


def test_every_host_ranks_all_hosts_and_the_command_shows_it(mesh: LocalMesh) -> None:
    assert suit(mesh, "beta", memory_bytes=2**20, tags=["local"]) == {"alpha", "beta", "gamma"}
    assert ranked(mesh, tags=["gpu"], hosts=["beta"])["not beta"] == ["lacks tag gpu"]
    where = ["--url", mesh["gamma"].url, "--key-file", str(mesh.key_file), "--json"]
    done = CliRunner().invoke(root, ["mesh", "targets", "--count", "2", *where])
    answer = json.loads(done.stdout)
    assert (len(answer["targets"]), answer["suitable"]) == (2, 3)


def test_figures_that_nobody_confirms_any_more_are_taken_back_and_not_chosen(
    mesh: LocalMesh,
) -> None:
    pid = resident(mesh, "beta").info().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it neither crashes nor confirms: its host vouches for 30 s
    wait_until(lambda: "beta" not in suit(mesh), timeout=60.0, what="beta is not chosen any more")
    assert ranked(mesh)["not beta"] == ["has told nothing of itself: is mesh-info running there?"]
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: "beta" in suit(mesh), timeout=PATIENCE, what="beta is chosen again")


def test_a_host_that_is_killed_is_not_chosen_and_comes_back_with_its_residents(
    mesh: LocalMesh,
) -> None:
    mesh.kill("gamma")
    wait_until(
        lambda: suit(mesh) == {"alpha", "beta"}, timeout=PATIENCE, what="gamma is not chosen"
    )
    wait_until(
        lambda: ranked(mesh)["not gamma"] == ["is dead"], timeout=PATIENCE, what="gamma is dead"
    )
    mesh.restart("gamma")
    wait_until(lambda: "gamma" in suit(mesh), timeout=PATIENCE, what="gamma is back")


def test_a_host_that_drains_is_not_chosen(mesh: LocalMesh) -> None:
    where = ["--url", mesh["gamma"].url, "--key-file", str(mesh.key_file)]
    CliRunner().invoke(root, ["host", "drain", "--host", "gamma", "--deadline", "20", *where])
    wait_until(lambda: "gamma" not in suit(mesh), timeout=PATIENCE, what="gamma is not chosen")
    assert ranked(mesh)["not gamma"][0] == "gamma drains: it takes no paglets any more"
    mesh.restart("gamma")
