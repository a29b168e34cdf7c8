"""What becomes of a paglet whose hook raises, hangs or kills the process, as docs/hooks.md says."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from paglets.config.settings import Timeouts
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from tests.process.lifecycle.stage import AGENTS, PATIENCE, Actor, Stage
from tests.process.lifecycle.tables import rows

pytestmark = pytest.mark.slow

FAILURES = rows("When a hook fails")
TROUBLES = ("raise", "hang", "kill")
"""Columns of the table, in order."""


@dataclass
class Case:
    """One hook that fails in one way, and what came of it."""

    actor: Actor
    call: Callable[[], object]
    whose: str | None = None
    """Id of the clone, where its hook fails."""
    answer: str = "ok"

    def play(self) -> None:
        try:
            made = self.call()
        except PagletsError as error:
            self.answer = error.code
        else:
            if self.whose is not None:
                self.whose = made.agent_id  # type: ignore[attr-defined]  # a proxy


def _creation(stage: Stage, what: str) -> Case:
    actor = stage.actor(trouble={"on_creation": what})
    return Case(actor, actor.create)


def _run(stage: Stage, what: str) -> Case:
    actor = stage.actor(trouble={"run": what})
    return Case(actor, actor.create)


def _by_proxy(hook: str, verb: str, *args: str, host: str = "alpha", **state: object):
    def prepare(stage: Stage, what: str) -> Case:
        actor = stage.scribe(trouble={hook: what}, host=host, **state)
        proxy = actor.at(host)
        return Case(actor, lambda: getattr(proxy, verb)(*args))

    return prepare


def _clone(stage: Stage, what: str) -> Case:
    actor = stage.scribe(trouble={"on_clone": what})
    proxy = actor.proxy
    return Case(actor, lambda: proxy.clone("beta"), whose="")


def _activation(stage: Stage, what: str) -> Case:
    actor = stage.scribe(trouble={"on_activation": what})
    actor.proxy.deactivate()
    actor.forget()
    proxy = actor.proxy
    return Case(actor, proxy.activate)


def _late_refusal(stage: Stage, what: str) -> Case:
    actor = stage.scribe(trouble={"on_move_failed": what}, makes_namesake=True)
    proxy = actor.proxy

    def go() -> None:
        try:
            proxy.dispatch("beta")
        finally:
            actor.drop_namesake()

    return Case(actor, go)


def _early_refusal(stage: Stage, what: str) -> Case:
    actor = stage.scribe(trouble={"on_move_failed": what})
    proxy = actor.proxy
    go = Message("go with ticket", {"destination": "beta", "required_capabilities": ["gpu"]})
    return Case(actor, lambda: proxy.send(go, timeout=PATIENCE))


HOOKS: dict[str, Callable[[Stage, str], Case]] = {
    "`on_creation`": _creation,
    "`on_dispatching`": _by_proxy("on_dispatching", "dispatch", "beta"),
    "`on_arrival`": _by_proxy("on_arrival", "dispatch", "beta"),
    "`on_reverting`": _by_proxy("on_reverting", "retract", "alpha", host="beta"),
    "`on_cloning`": _by_proxy("on_cloning", "clone", "beta"),
    "`on_clone`": _clone,
    "`on_cloned`": _by_proxy("on_cloned", "clone", "beta"),
    "`on_deactivating`": _by_proxy("on_deactivating", "deactivate"),
    "`on_activation`": _activation,
    "`on_disposing`": _by_proxy("on_disposing", "dispose"),
    "`on_move_failed`, refused by the check": _early_refusal,
    "`on_move_failed`, refused later": _late_refusal,
    "`run()`": _run,
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Case]]:
    """All cases, played at once: hooks that hang then take no longer than one of them."""
    timeouts = Timeouts(hook=1.5, quiesce=1.0, connect=0.3)
    with LocalMesh(2, agents=AGENTS, timeouts=timeouts) as mesh:
        stage = Stage(mesh, tmp_path_factory.mktemp("books"))
        cases = {
            (hook, what): prepare(stage, what)
            for what in reversed(TROUBLES)
            for hook, prepare in HOOKS.items()
        }
        with ThreadPoolExecutor(len(cases)) as pool:
            playing: list[Future[None]] = [pool.submit(case.play) for case in cases.values()]
            for each in playing:
                each.result(PATIENCE)
        yield cases


def test_every_hook_has_a_row_and_every_row_a_hook() -> None:
    assert list(FAILURES) == list(HOOKS)


@pytest.mark.parametrize("what", TROUBLES)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_fails_does_what_its_row_says(
    played: dict[tuple[str, str], Case], hook: str, what: str
) -> None:
    answer, status, *hooks = FAILURES[hook].cells[TROUBLES.index(what)]
    case = played[hook, what]
    case.actor.wait_status(status, whose=case.whose)
    case.actor.wait_written(len(hooks), case.whose)
    if status.startswith("active") and case.whose is None and hook != "`run()`":
        case.actor.ask("ping")
    assert (case.answer, case.actor.written(case.whose)) == (answer, hooks)
