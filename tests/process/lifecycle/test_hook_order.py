"""Each path through the life cycle calls the hooks that docs/hooks.md says, in that order."""

from collections.abc import Callable, Iterator

import pytest

from paglets.config.settings import Timeouts
from paglets.model.enums import ArrivalMode
from paglets.model.errors import PagletsError, TransferError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.transfer import TransferTicket
from paglets.testing.localmesh import LocalMesh
from tests.process.lifecycle.stage import AGENTS, Actor, Stage
from tests.process.lifecycle.tables import rows

PATHS = rows("Paths")
Scenario = Callable[[Stage], tuple[Actor, str | None]]
"""Walks a path; returns the paglet, and the id of its clone if there is one."""
SCENARIOS: dict[str, Scenario] = {}


def path(name: str) -> Callable[[Scenario], Scenario]:
    """Name the row that a scenario walks."""

    def remember(scenario: Scenario) -> Scenario:
        SCENARIOS[name] = scenario
        return scenario

    return remember


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    timeouts = Timeouts(hook=10.0, connect=0.3, shutdown=2.0)
    with LocalMesh(2, agents=AGENTS, timeouts=timeouts) as mesh:
        yield Stage(mesh, tmp_path_factory.mktemp("books"))


@path("created")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.actor()
    actor.create()
    return actor, None


@path("moves in a handler")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.ask("go", to="beta")
    return actor, None


@path("moves in `run()`")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.actor(run_goes={"alpha": "beta"})
    actor.create()
    return actor, None


@path("moves in `on_creation`")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.actor(creation_goes="beta")
    actor.create()
    return actor, None


@path("moves on in `on_arrival`")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe(arrival_goes={"beta": "alpha"})
    actor.ask("go", to="beta")
    return actor, None


@path("moved by a proxy")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.dispatch("beta")
    return actor, None


@path("moved to the host where it is")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.dispatch("alpha")
    return actor, None


@path("retracted")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe(host="beta")
    actor.at("beta").retract("alpha")
    return actor, None


@path("cloned on its host")
def _(stage: Stage) -> tuple[Actor, str]:
    actor = stage.scribe()
    return actor, actor.proxy.clone().agent_id


@path("cloned to another host")
def _(stage: Stage) -> tuple[Actor, str]:
    actor = stage.scribe()
    return actor, actor.proxy.clone("beta").agent_id


@path("clones itself in a handler")
def _(stage: Stage) -> tuple[Actor, str]:
    actor = stage.scribe()
    return actor, str(actor.ask("copy", to="beta"))


@path("put to sleep")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.deactivate()
    return actor, None


@path("puts itself to sleep in a handler")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.ask("rest")
    return actor, None


def _asleep(stage: Stage, policy: DeactivationPolicy | None = None) -> Actor:
    actor = stage.scribe()
    actor.proxy.deactivate(policy)
    actor.forget()
    return actor


@path("asleep, woken by a proxy")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = _asleep(stage)
    actor.proxy.activate()
    return actor, None


@path("asleep, woken by a message")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = _asleep(stage)
    actor.ask("ping")
    return actor, None


@path("asleep, woken by its timer")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.deactivate(DeactivationPolicy.after(0.3))
    return actor, None


@path("asleep, cloned to another host")
def _(stage: Stage) -> tuple[Actor, str]:
    actor = _asleep(stage)
    return actor, actor.proxy.clone("beta").agent_id


@path("asleep, moved by a proxy")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = _asleep(stage)
    actor.proxy.dispatch("beta")
    actor.wait_status("inactive@beta")
    return actor, None


@path("asleep, moved by a proxy, then woken")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = _asleep(stage)
    actor.proxy.dispatch("beta")
    actor.at("beta").activate()
    return actor, None


@path("moved with `ArrivalMode.INACTIVE`")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    ticket = TransferTicket(destination="beta", arrival_mode=ArrivalMode.INACTIVE)
    actor.proxy.dispatch(ticket)
    return actor, None


@path("moved with `ArrivalMode.INACTIVE`, then woken")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    ticket = TransferTicket(destination="beta", arrival_mode=ArrivalMode.INACTIVE)
    actor.proxy.dispatch(ticket)
    actor.at("beta").activate()
    return actor, None


@path("disposed")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.dispose()
    return actor, None


@path("disposes itself in a handler")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.ask("end")
    return actor, None


@path("disposed by force")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    actor.proxy.dispose(force=True)
    return actor, None


@path("asleep, disposed")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = _asleep(stage)
    actor.proxy.dispose()
    return actor, None


@path("moves in a handler, refused by the check")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    ticket = {"destination": "beta", "required_capabilities": ["gpu"]}
    with pytest.raises(TransferError):
        actor.ask("go with ticket", **ticket)
    return actor, None


@path("moved by a proxy, refused by the check")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    with pytest.raises(TransferError):
        actor.proxy.dispatch(TransferTicket(destination="beta", required_capabilities=("gpu",)))
    return actor, None


@path("moves in a handler, refused after the check")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe(makes_namesake=True)
    with pytest.raises(TransferError):
        actor.ask("go", to="beta")
    actor.drop_namesake()
    return actor, None


@path("moved by a proxy, refused after the check")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe(makes_namesake=True)
    with pytest.raises(TransferError):
        actor.proxy.dispatch("beta")
    actor.drop_namesake()
    return actor, None


@path("its process dies")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    with pytest.raises(PagletsError):
        actor.ask("crash")
    actor.wait_status("crashed@alpha")
    return actor, None


@path("its process dies, then woken by a proxy")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe()
    with pytest.raises(PagletsError):
        actor.ask("crash")
    actor.wait_status("crashed@alpha")
    actor.proxy.activate()
    return actor, None


@path("its process dies, with `RestartPolicy.ON_CRASH`")
def _(stage: Stage) -> tuple[Actor, None]:
    actor = stage.scribe("StubbornScribe")
    with pytest.raises(PagletsError):
        actor.ask("crash")
    return actor, None


def test_every_row_has_a_scenario_and_every_scenario_a_row() -> None:
    assert list(SCENARIOS) == list(PATHS)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_calls_the_hooks_of_its_row(stage: Stage, name: str) -> None:
    actor, clone = SCENARIOS[name](stage)
    hooks, of_clone, (status,) = PATHS[name].cells
    actor.wait_status(status)
    actor.wait_written(len(hooks))
    if clone is not None:
        actor.wait_written(len(of_clone), clone)
    if status.startswith("active"):
        # Handled after every hook: what was called too often is written by now.
        actor.ask("ping")
    assert actor.written() == list(hooks)
    if clone is not None:
        assert actor.written(clone) == list(of_clone)
