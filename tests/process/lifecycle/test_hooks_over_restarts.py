"""Hooks of paglets whose host is stopped or killed and started again, as docs/hooks.md says."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from paglets.config.settings import Timeouts
from paglets.model.errors import PagletsError
from paglets.model.inactive import DeactivationPolicy
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import AGENTS, Actor, Stage
from tests.process.lifecycle.tables import rows

pytestmark = pytest.mark.slow

PATHS = rows("When its host ends")
Prepare = Callable[[Stage, ThreadPoolExecutor], tuple[Actor, str | None]]
"""Brings a paglet to the place where its host ends; with the id of its clone if that is meant."""


def _active(stage: Stage, _pool: ThreadPoolExecutor) -> tuple[Actor, None]:
    return stage.scribe(), None


def _asleep(policy: DeactivationPolicy) -> Prepare:
    def prepare(stage: Stage, _pool: ThreadPoolExecutor) -> tuple[Actor, None]:
        actor = stage.scribe()
        actor.proxy.deactivate(policy)
        actor.forget()
        return actor, None

    return prepare


def _asleep_for_a_moment(stage: Stage, _pool: ThreadPoolExecutor) -> tuple[Actor, None]:
    actor = stage.scribe()
    # The last one to be prepared: its host is stopped at once.
    actor.proxy.deactivate(DeactivationPolicy.after(1.0, activate_on_message=False))
    actor.forget()
    return actor, None


def _crashed(stage: Stage, _pool: ThreadPoolExecutor) -> tuple[Actor, None]:
    actor = stage.scribe()
    with pytest.raises(PagletsError):
        actor.ask("crash")
    actor.wait_status("crashed@alpha")
    return actor, None


def _in_creation(stage: Stage, pool: ThreadPoolExecutor) -> tuple[Actor, None]:
    actor = stage.actor(trouble={"on_creation": "hang once"})
    pool.submit(actor.create)
    actor.wait_written(1)
    return actor, None


def _in_hook(hook: str, verb: str, *args: str, host: str = "alpha", count: int = 1) -> Prepare:
    def prepare(stage: Stage, pool: ThreadPoolExecutor) -> tuple[Actor, None]:
        actor = stage.scribe(trouble={hook: "hang once"}, host=host)
        pool.submit(getattr(actor.at(host), verb), *args)
        actor.wait_written(count)
        return actor, None

    return prepare


def _in_activation(stage: Stage, pool: ThreadPoolExecutor) -> tuple[Actor, None]:
    actor = stage.scribe(trouble={"on_activation": "hang once"})
    actor.proxy.deactivate()
    actor.forget()
    pool.submit(actor.proxy.activate)
    actor.wait_written(1)
    return actor, None


def _in_clone(stage: Stage, _pool: ThreadPoolExecutor) -> tuple[Actor, str]:
    actor = stage.scribe(trouble={"on_clone": "hang once"}, host="beta")
    clone = actor.at("beta").clone("alpha").agent_id
    actor.wait_written(1, clone)
    return actor, clone


AT_STARTUP = DeactivationPolicy(activate_on_startup=True)
PLACES: dict[str, Prepare] = {
    "stopped": _active,
    "stopped while it sleeps": _asleep(DeactivationPolicy()),
    "stopped while it sleeps until startup": _asleep(AT_STARTUP),
    "stopped after its process died": _crashed,
    "stopped while it sleeps, its timer due meanwhile": _asleep_for_a_moment,
    "killed": _active,
    "killed while it sleeps": _asleep(DeactivationPolicy()),
    "killed while it sleeps until startup": _asleep(AT_STARTUP),
    "killed in `on_creation`": _in_creation,
    "killed in `on_arrival`": _in_hook("on_arrival", "dispatch", "alpha", host="beta", count=2),
    "killed in `on_clone`": _in_clone,
    "killed in `on_activation`": _in_activation,
    "killed in `on_deactivating`": _in_hook("on_deactivating", "deactivate"),
    "killed in `on_dispatching`": _in_hook("on_dispatching", "dispatch", "beta"),
    "killed in `on_disposing`": _in_hook("on_disposing", "dispose"),
}


@pytest.fixture(scope="module")
def restarted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, tuple[Actor, str | None]]]:
    """Paglets at every place of the table, after their host ended and came back."""
    with (
        LocalMesh(2, agents=AGENTS, timeouts=Timeouts(shutdown=2.0)) as mesh,
        ThreadPoolExecutor(len(PLACES)) as pool,
    ):
        stage = Stage(mesh, tmp_path_factory.mktemp("books"))
        stopped = {
            name: prepare(stage, pool)
            for name, prepare in PLACES.items()
            if name.startswith("stopped")
        }
        timed, _ = stopped["stopped while it sleeps, its timer due meanwhile"]
        due = timed.proxy.info().activate_at
        mesh["alpha"].stop()
        wait_until(lambda: due is None or time.time() > due, timeout=5.0, what="it is time")
        mesh["alpha"].start()
        for name, (actor, _) in stopped.items():
            # Seen now: the kill that follows would add to what they write.
            actor.settled = _settle(name, actor, None)
        killed = {
            name: prepare(stage, pool)
            for name, prepare in PLACES.items()
            if name.startswith("killed")
        }
        mesh["alpha"].kill()
        mesh["alpha"].start()
        for name, (actor, clone) in killed.items():
            actor.settled = _settle(name, actor, clone)
        yield {**stopped, **killed}


def _settle(name: str, actor: Actor, clone: str | None) -> list[str]:
    hooks, (status,) = PATHS[name].cells
    with suppress(PagletsError):
        actor.wait_status(status, whose=clone)
        actor.wait_written(len(hooks), clone)
    return [*actor.written(clone), actor.status(clone)]


def test_every_row_has_a_place_and_every_place_a_row() -> None:
    assert list(PLACES) == list(PATHS)


@pytest.mark.parametrize("name", PATHS)
def test_a_paglet_comes_back_as_its_row_says(
    restarted: dict[str, tuple[Actor, str | None]], name: str
) -> None:
    hooks, (status,) = PATHS[name].cells
    actor, _ = restarted[name]
    assert actor.settled == [*hooks, status]
