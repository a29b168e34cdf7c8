"""`[[paglets]]` on real hosts: started once each, by class or alias, wherever they go."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from paglets import Message
from paglets.model.errors import ConflictError, TransferError
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.residents.conftest import AGENTS

LAUNCH = """
[[paglets]]
alias = "indexer"
state = { root = "/srv" }

[[paglets]]
alias = "helper"
[[paglets]]
alias = "helper"

[[paglets]]
class = "starters:Plain"
agent_id = "plain"
"""
WRONG = """
[launch]
modules = ["starters", "nowhere"]

[[paglets]]
alias = "indexr"
[[paglets]]
alias = "double"
[[paglets]]
class = "evil:Class"
[[paglets]]
class = "starters:Indexer"
state = { rot = "/srv" }
"""
LOOK = Message("look")
pytestmark = pytest.mark.slow


@pytest.fixture
def mesh() -> Iterator[LocalMesh]:
    """Alpha starts paglets by itself, beta does not."""
    with LocalMesh(2, agents=AGENTS, launch=LAUNCH) as running:
        yield running


@pytest.fixture(autouse=True)
def beta_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the first host of a mesh have the launch.toml."""
    start = LocalHost.start

    def alone(self: LocalHost, **options: bool | str) -> None:
        if self.name != "alpha":
            self.settings = replace(self.settings, launch=type(self.settings.launch)())
        start(self, **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(LocalHost, "start", alone)


def wait_statuses(host: LocalHost, wanted: dict[str, str]) -> None:
    wait_until(
        lambda: host.statuses() == wanted,
        timeout=20,
        what=f"{host.name} has {wanted}",
        story=lambda: f"{host.statuses()}\n{host.tail()}",
    )


ALL = {
    "indexer.alpha": "active",
    "helper.alpha": "active",
    "helper-2.alpha": "active",
    "plain": "active",
}


def test_they_are_started_once_and_wherever_they_go_a_restart_starts_no_second(
    mesh: LocalMesh,
) -> None:
    alpha, beta = mesh["alpha"], mesh["beta"]
    wait_statuses(alpha, ALL)
    indexer = alpha.client.proxy("indexer.alpha")
    assert indexer.send(LOOK) == ["/srv", 1]
    assert alpha.observer.health().warnings == ()

    indexer.dispatch("beta")
    alpha.kill()
    alpha.start()
    wait_statuses(alpha, {**ALL, "indexer.alpha": "moved"})
    beta_indexer = beta.client.proxy("indexer.alpha")
    assert beta_indexer.send(LOOK) == ["/srv", 2]

    beta_indexer.dispatch("alpha")
    wait_statuses(alpha, ALL)
    alpha.kill()
    alpha.start()
    wait_statuses(alpha, ALL)
    assert alpha.client.proxy("indexer.alpha").send(LOOK)[0] == "/srv"


def test_a_host_runs_one_of_a_singleton_class(mesh: LocalMesh) -> None:
    alpha = mesh["alpha"]
    wait_statuses(alpha, ALL)
    with pytest.raises(ConflictError, match="may have only one"):
        alpha.client.create("starters:Indexer")
    with pytest.raises(ConflictError, match="may have only one"):
        alpha.client.proxy("indexer.alpha").clone()
    other = mesh["beta"].client.create("starters:Indexer")
    with pytest.raises(TransferError, match="may have only one"):
        other.dispatch("alpha")
    alpha.client.create("starters:Helper").dispose()


def test_what_cannot_be_started_is_told_with_its_place_and_the_rest_is_started() -> None:
    with LocalMesh(1, agents=AGENTS, launch=WRONG) as mesh:
        alpha = mesh["alpha"]
        wait_until(
            lambda: len(alpha.observer.health().warnings) == 5,
            timeout=20,
            what="all problems are told",
            story=lambda: "\n".join(alpha.observer.health().warnings),
        )
        told = sorted(text.split("launch.toml", 1)[1] for text in alpha.observer.health().warnings)
    assert 'no. 1: no class has alias "indexr"' in told[0]
    assert 'did you mean "indexer"?' in told[0]
    assert "starters:One (starters.py line " in told[1]
    assert "starters:Two (starters.py line " in told[1]
    assert "no. 3: evil:Class cannot be started: alpha does not allow evil:Class" in told[2]
    assert "no. 4: starters:Indexer was not started" in told[3]
    assert "rot" in told[3]
    assert ": nowhere: alpha does not allow module nowhere" in told[4]
