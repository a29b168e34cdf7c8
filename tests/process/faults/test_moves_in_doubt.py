"""Moves that stay in doubt for longer, and all that may end the doubt: only the target's word."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.config.keys import client_keyring
from paglets.connect.loop import LoopThread
from paglets.model.enums import PagletStatus
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.testing.cutproxy import FaultKind
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.scene import Scene
from tests.process.faults.support import (
    AGENTS,
    PATIENCE,
    TIMEOUTS,
    assert_exactly_one,
    copies,
    in_doubt,
    mend,
    put,
    settle,
    story,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS, proxied=True) as mesh:
        yield mesh


@pytest.fixture
def scene(mesh: LocalMesh) -> Iterator[Scene]:
    """A ledger on alpha that is about to leave; whatever a test breaks is mended after it."""
    scene = Scene(mesh, {})
    scene.create()
    yield scene
    mend(mesh)
    scene.wait()


def _in_doubt(scene: Scene, kind: FaultKind = FaultKind.LOSE_ANSWERS) -> str:
    """Let the ledger leave in vain; return the transfer that is in doubt."""
    scene.spoil(kind)
    scene.go()
    scene.wait_doubt()
    (transfer,) = scene.alpha.observer.transfers(in_doubt=True)
    return transfer.transfer_id


def _resolve(host: LocalHost, transfer_id: str, action: str) -> None:
    """Say an operator's word to a host."""
    key_file = host.settings.key_file
    assert key_file is not None
    loop = LoopThread()
    session = PeerSession(client_keyring(environ={}, key_file=key_file), sender="cli")
    client = HostClient.at(session, f"http://127.0.0.1:{host.settings.port}")
    try:
        loop.submit(client.resolve(transfer_id, action)).result(PATIENCE)
    finally:
        loop.submit(session.close()).result(PATIENCE)
        loop.close()


def _attempts(host: LocalHost) -> int:
    return max((each.attempts for each in host.observer.transfers(in_doubt=True)), default=0)


def _wait_attempts(host: LocalHost, more: int = 3) -> None:
    goal = _attempts(host) + more
    wait_until(lambda: _attempts(host) >= goal, timeout=PATIENCE, what=f"{more} attempts more")


def test_a_key_that_changed_settles_nothing_until_both_have_it(
    mesh: LocalMesh, scene: Scene
) -> None:
    _in_doubt(scene)
    new_key = mesh.folder / "new.key"
    scene.beta.kill()
    scene.beta.restart(key_file=new_key)
    mesh.heal()

    _wait_attempts(scene.alpha)
    assert len(in_doubt(mesh)) == 1, "a 401 settles nothing"

    for name in ("alpha", "gamma"):
        mesh[name].kill()
        mesh[name].restart(key_file=new_key)
    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="beta")


def test_another_host_at_the_targets_address_settles_nothing(mesh: LocalMesh, scene: Scene) -> None:
    _in_doubt(scene)
    scene.beta.kill()
    data = scene.beta.settings.data
    mesh.heal()
    scene.beta.restart(data=mesh.folder / "stranger")

    _wait_attempts(scene.alpha)
    assert len(in_doubt(mesh)) == 1, "the word of another host settles nothing"
    assert scene.proxy.agent_id not in scene.beta.statuses()

    scene.beta.kill()
    scene.beta.restart(data=data)
    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="beta")


def test_a_paglet_that_returns_before_the_source_settled_is_taken_in_there(
    mesh: LocalMesh, scene: Scene
) -> None:
    _in_doubt(scene)

    scene.send_go("alpha", at="beta")

    settle(mesh, scene.proxy.agent_id)
    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="alpha")
    facts = mesh.client("alpha").proxy(scene.proxy.agent_id).send(Message("facts"))
    assert isinstance(facts, dict)
    assert facts["arrivals"] == 2


def test_a_late_outcome_does_not_touch_a_paglet_that_returned_and_left_again(
    mesh: LocalMesh, scene: Scene
) -> None:
    _in_doubt(scene)
    scene.send_go("alpha", at="beta")
    put(mesh.client("alpha").proxy(scene.proxy.agent_id, "alpha"), 2)
    scene.send_go("gamma", at="alpha")

    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1, 2]}, at="gamma")


def test_an_operator_who_resumes_stops_the_copy_that_the_target_had_accepted(
    mesh: LocalMesh, scene: Scene
) -> None:
    transfer_id = _in_doubt(scene)
    mesh.cut("beta")

    _resolve(scene.alpha, transfer_id, "resume")
    put(mesh.client("alpha").proxy(scene.proxy.agent_id, "alpha"), 2, retry_for=PATIENCE)
    mesh.heal()

    _wait_status(mesh, scene.beta, scene.proxy.agent_id, PagletStatus.MOVED)
    assert scene.beta.observer.events(kind="fenced", agent_id=scene.proxy.agent_id)
    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1, 2]}, at="alpha")


def test_an_operator_who_resumes_is_safe_from_an_offer_that_comes_late(
    mesh: LocalMesh, scene: Scene
) -> None:
    transfer_id = _in_doubt(scene, FaultKind.CUT)

    _resolve(scene.alpha, transfer_id, "resume")

    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="alpha")


def test_an_operator_who_drops_leaves_it_to_the_target(mesh: LocalMesh, scene: Scene) -> None:
    transfer_id = _in_doubt(scene)
    mesh.cut("beta")

    _resolve(scene.alpha, transfer_id, "drop")

    assert scene.alpha.statuses()[scene.proxy.agent_id] == PagletStatus.MOVED
    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="beta")


def _keep_copy(host: LocalHost, to: Path) -> None:
    """Copy a host's folder while the host is down, as a backup does."""
    host.stop()
    shutil.copytree(host.settings.data, to, ignore=shutil.ignore_patterns("*.sock", "lock"))
    host.start()


def _restore(host: LocalHost, copy: Path) -> None:
    """Start a host on a copy of its folder instead of the folder."""
    host.stop()
    shutil.rmtree(host.settings.data)
    shutil.move(copy, host.settings.data)
    host.start()


def _wait_status(mesh: LocalMesh, host: LocalHost, agent_id: str, status: PagletStatus) -> None:
    wait_until(
        lambda: host.statuses().get(agent_id) == status,
        timeout=PATIENCE,
        what=f"the copy on {host.name} is {status}",
        story=lambda: story(mesh, agent_id),
    )


def test_a_restored_copy_of_a_paglet_that_has_left_is_fenced_and_reported(
    mesh: LocalMesh, scene: Scene
) -> None:
    alpha, agent_id = scene.alpha, scene.proxy.agent_id
    old = mesh.folder / "alpha-as-it-was"
    _keep_copy(alpha, old)
    mesh.wait_converged()
    scene.go()
    scene.wait()
    assert settle(mesh, agent_id) == "beta"
    put(mesh.client("beta").proxy(agent_id, "beta"), 2)

    _restore(alpha, old)

    _wait_status(mesh, alpha, agent_id, PagletStatus.MOVED)
    assert alpha.observer.events(kind="fenced", agent_id=agent_id)
    assert_exactly_one(mesh, agent_id, {"test": [1, 2]}, at="beta")


def test_a_restored_folder_holds_what_only_it_has_until_an_operator_resumes_it(
    mesh: LocalMesh, scene: Scene
) -> None:
    alpha, agent_id = scene.alpha, scene.proxy.agent_id
    old = mesh.folder / "alpha-rolled-back"
    _keep_copy(alpha, old)
    mesh.wait_converged()
    put(mesh.client("gamma").proxy(agent_id), 2, retry_for=PATIENCE)

    _restore(alpha, old)

    _wait_status(mesh, alpha, agent_id, PagletStatus.HELD)
    assert alpha.observer.events(kind="held", agent_id=agent_id)

    _resolve(alpha, agent_id, "resume")
    assert_exactly_one(mesh, agent_id, {"test": [1]}, at="alpha")


def test_a_move_to_itself_is_one_local_step(mesh: LocalMesh, scene: Scene) -> None:
    scene.go("alpha")
    scene.wait()

    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="alpha")
    assert list(copies(mesh, scene.proxy.agent_id)) == ["alpha"]
    facts = mesh.client("alpha").proxy(scene.proxy.agent_id).send(Message("facts"))
    assert isinstance(facts, dict)
    assert facts["arrivals"] == 1


def test_two_paglets_that_swap_hosts_at_once_both_arrive(mesh: LocalMesh, scene: Scene) -> None:
    client = mesh.client("gamma")
    other = client.create("ledger:Ledger", host="beta")
    put(other, 1)

    both = [
        threading.Thread(target=proxy.dispatch, args=(to,))
        for proxy, to in ((scene.proxy, "beta"), (other, "alpha"))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(PATIENCE)

    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at="beta")
    assert_exactly_one(mesh, other.agent_id, {"test": [1]}, at="alpha")


def test_a_ring_of_16_hops_leaves_one_paglet_and_a_way_to_it_from_everywhere(
    mesh: LocalMesh, scene: Scene
) -> None:
    ring = ("beta", "gamma", "alpha")
    for hop in range(16):
        scene.proxy.dispatch(ring[hop % 3])

    owner = assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]}, at=ring[15 % 3])
    info = copies(mesh, scene.proxy.agent_id)[owner]
    assert info.epoch.hops == 16


def test_a_ring_of_16_hops_with_a_host_killed_on_the_way_leaves_one_paglet(
    mesh: LocalMesh, scene: Scene
) -> None:
    ring = ("beta", "gamma", "alpha")
    for hop in range(16):
        if hop % 4 == 3:
            mesh[ring[hop % 3]].kill()
        _hop(mesh, scene.proxy.agent_id, ring[hop % 3])
        mend(mesh)
        assert settle(mesh, scene.proxy.agent_id)

    assert_exactly_one(mesh, scene.proxy.agent_id, {"test": [1]})


def _hop(mesh: LocalMesh, agent_id: str, to: str) -> None:
    """Ask a host that runs to move a paglet; whether it does is not what is tested."""
    running = next(host for host in mesh if host.is_running)
    try:
        proxy: PagletProxy = mesh.client(running.name).proxy(agent_id)
        proxy.dispatch(to)
    except PagletsError:
        return
