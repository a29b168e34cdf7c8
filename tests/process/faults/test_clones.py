"""A clone that is hit on its way is one clone in the end, or none, never two."""

from collections.abc import Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import MoveInDoubtError
from paglets.model.message import Message
from paglets.testing.cutproxy import FaultKind
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.crash_points import Act, kill, twice
from tests.process.faults.scene import Scene
from tests.process.faults.support import (
    AGENTS,
    ALIVE,
    PATIENCE,
    TIMEOUTS,
    assert_no_orphans,
    in_doubt,
    mend,
    numbers,
    story,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS, proxied=True) as mesh:
        yield mesh


def clone(scene: Scene) -> None:
    scene.create()
    scene.clone()


def dies(host: str) -> Act:
    def act(scene: Scene) -> None:
        clone(scene)
        scene.mesh[host].wait_gone()

    return act


def spoilt(kind: FaultKind) -> Act:
    def act(scene: Scene) -> None:
        scene.create()
        scene.spoil(kind)
        scene.clone()
        scene.wait_doubt()

    return act


def stands_at(point: str, host: str) -> Act:
    def act(scene: Scene) -> None:
        clone(scene)
        scene.wait_hit(scene.mesh[host], point)

    return act


S, T = "alpha", "beta"
CASES: dict[str, tuple[Act, dict[str, str]]] = {
    "a source killed after it has promised a clone carries it over": (
        dies(S),
        {S: "clone.after_cloning=kill9"},
    ),
    "a source killed before the first byte of a clone carries it over": (
        dies(S),
        {S: "offer.before_send=kill9"},
    ),
    "a target killed before it accepts a clone gets it again": (
        dies(T),
        {T: "arrival.before_accepted=kill9"},
    ),
    "a target killed after its yes to a clone starts it when it is back": (
        dies(T),
        {T: "arrival.after_accepted=kill9"},
    ),
    "a source killed with the yes to a clone in hand asks again": (
        dies(S),
        {S: "move.got_accepted=kill9"},
    ),
    "a yes to a clone that is lost is asked for again": (
        spoilt(FaultKind.LOSE_ANSWERS),
        {},
    ),
    "a clone that is cut on its way is sent again": (
        spoilt(FaultKind.CUT),
        {},
    ),
    "a target whose disk is full gets the clone again": (
        clone,
        {T: "arrival.accepted_commit=enospc*1"},
    ),
    "both killed while a clone is under way carry on": (
        twice(stands_at("arrival.before_accepted", T), kill(S, T)),
        {T: "arrival.before_accepted=pause:2*1"},
    ),
}


def _ledgers(mesh: LocalMesh) -> dict[str, list[str]]:
    """Return the hosts that have each paglet for themselves."""
    found: dict[str, list[str]] = {}
    for host in mesh:
        for info in host.observer.agents(tombstones=True):
            found.setdefault(info.agent_id, [])
            if info.status in ALIVE:
                found[info.agent_id].append(host.name)
    return {agent_id: hosts for agent_id, hosts in found.items() if hosts}


@pytest.mark.parametrize("name", CASES)
def test_there_is_exactly_one_clone(mesh: LocalMesh, name: str) -> None:
    act, arm = CASES[name]
    scene = Scene(mesh, arm)
    before = set(_ledgers(mesh))

    act(scene)

    mend(mesh)
    scene.wait()
    original = scene.proxy.agent_id
    wait_until(
        lambda: len(set(_ledgers(mesh)) - before) == 2 and not in_doubt(mesh),
        timeout=PATIENCE,
        what="there is one clone",
        story=lambda: story(mesh, original),
    )
    (clone_id,) = set(_ledgers(mesh)) - before - {original}
    assert _ledgers(mesh)[original] == ["alpha"]
    assert _ledgers(mesh)[clone_id] == ["beta"]
    client = mesh.client("gamma")
    assert numbers(client.proxy(original)) == {"test": [1]}
    assert numbers(client.proxy(clone_id)) == {"test": [1]}
    facts = client.proxy(clone_id).send(Message("facts"), timeout=PATIENCE)
    assert isinstance(facts, dict)
    # `on_clone` is owed until its commit: a host killed in between runs it again, from the state
    # before it.
    assert facts["clones"] == 1
    match scene.outcome:
        case PagletProxy() as told:
            assert told.agent_id == clone_id
        case MoveInDoubtError() as doubt:
            assert doubt.detail["agent_id"] == clone_id, "the caller was told its id"
        case _:
            pass
    assert_no_orphans(mesh)
    for agent_id in (original, clone_id):
        client.proxy(agent_id).dispose(force=True)
