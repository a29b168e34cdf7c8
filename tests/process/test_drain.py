"""`paglets host drain` on real hosts: nothing is lost, and the exit code can be believed."""

import json
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from paglets.agent.proxy import PagletProxy
from paglets.cli.root import root
from paglets.model.enums import PagletStatus
from paglets.model.errors import MoveInDoubtError, TransferError, UnavailableError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.mesh.support import AGENTS, PATIENCE, TIMEOUTS, ask, places, wait_status, wanderer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def running() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS) as mesh:
        yield mesh


@pytest.fixture
def mesh(running: LocalMesh) -> Iterator[LocalMesh]:
    """Three empty hosts; alpha is to be drained, and started anew afterwards."""
    yield running
    for host in running:
        if not host.is_running or host.name == "alpha":
            host.restart()
    running.wait_converged()
    for host in running:
        wait_until(
            lambda host=host: "starting" not in host.observer.health().status,
            timeout=PATIENCE,
            what=f"{host.name} is up",
        )
        for agent_id, status in host.statuses().items():
            if status != PagletStatus.MOVED:
                host.client.proxy(agent_id, host=host.name).dispose(force=True)


def drain(mesh: LocalMesh, *options: str) -> Result:
    """Drain alpha, asked through beta as an operator elsewhere would."""
    beta = mesh["beta"]
    where = ["--url", beta.url, "--key-file", str(beta.settings.key_file)]
    return CliRunner().invoke(root, [*where, "host", "drain", "--host", "alpha", *options])


def report(result: Result) -> dict[str, object]:
    """Return what a drain reported as JSON."""
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def at(mesh: LocalMesh, name: str, *statuses: str) -> set[str]:
    """Return the ids of the paglets that a host has in these statuses."""
    return {key for key, value in mesh[name].statuses().items() if value in statuses}


def test_all_paglets_move_to_the_others_and_nothing_new_is_taken_in(mesh: LocalMesh) -> None:
    active = [wanderer(mesh) for _ in range(6)]
    asleep = wanderer(mesh)
    asleep.deactivate()

    result = drain(mesh, "--json")

    assert result.exit_code == 0, result.output
    assert "draining alpha: " in result.stderr
    agents = report(result)["agents"]
    assert isinstance(agents, list)
    assert {each["agent_id"] for each in agents} == {p.agent_id for p in (*active, asleep)}
    assert {each["outcome"] for each in agents} == {"moved"}
    assert at(mesh, "alpha", "active", "inactive", "moving") == set()
    there = [at(mesh, name, "active", "inactive") for name in ("beta", "gamma")]
    assert there[0] | there[1] == {p.agent_id for p in (*active, asleep)}
    assert min(map(len, there)) >= 2, "the load is shared"
    assert at(mesh, "beta", "inactive") | at(mesh, "gamma", "inactive") == {asleep.agent_id}
    assert mesh["alpha"].observer.health().status == "draining"
    seen = {host.name: host for host in mesh.client("beta").hosts(online_only=False)}
    assert seen["alpha"].online
    assert seen["alpha"].error == "alpha drains: it takes no paglets any more"

    other = wanderer(mesh, "beta")
    with pytest.raises(TransferError, match="alpha is draining") as refused:
        other.dispatch("alpha")
    assert refused.value.detail["reason"] == "unavailable"
    with pytest.raises(UnavailableError, match="alpha is draining"):
        wanderer(mesh)
    # It still leads those who ask it to the paglets that were there.
    assert places(mesh.client("alpha").proxy(active[0].agent_id))[0] == "alpha"
    mesh["alpha"].restart()
    mesh.wait_converged()
    other.dispatch("alpha")
    assert places(other) == ["beta", "alpha"]


def test_an_offer_that_comes_after_the_drain_began_is_refused_durably(mesh: LocalMesh) -> None:
    # The note that beta has settled too, after which alpha may forget, is held back.
    held = "offer.before_send=pause:2*1;settle.before_send=pause:60"
    mesh["beta"].restart(failpoints=held)
    mesh.wait_converged()
    late = wanderer(mesh, "beta")
    errors: list[Exception] = []
    moving = threading.Thread(target=lambda: _dispatch(late, "alpha", errors))
    moving.start()
    mesh["beta"].wait_failpoint("offer.before_send")
    result = drain(mesh)
    assert result.exit_code == 0, result.output
    moving.join(PATIENCE)
    # The offer was stalled: its caller hears of the refusal, or that his time was over before. The
    # paglet comes back either way.
    (error,) = errors
    assert isinstance(error, MoveInDoubtError | TransferError)
    assert places(late) == ["beta"]
    assert _received(mesh, late) == ["refused"]
    mesh["alpha"].restart()
    assert _received(mesh, late) == ["refused"]
    assert at(mesh, "beta", "active") == {late.agent_id}
    mesh["beta"].restart()


def _received(mesh: LocalMesh, proxy: PagletProxy) -> list[str]:
    """Return the outcomes that alpha has recorded of offers of a paglet."""
    records = mesh["alpha"].observer.transfers()
    mine = [record for record in records if record.agent_id == proxy.agent_id]
    return [record.outcome for record in mine if record.role == "target"]


def _dispatch(proxy: PagletProxy, to: str, errors: list[Exception]) -> None:
    try:
        proxy.dispatch(to)
    except Exception as error:
        errors.append(error)


def test_a_named_target_gets_all_and_an_unknown_one_changes_nothing(mesh: LocalMesh) -> None:
    proxies = [wanderer(mesh) for _ in range(3)]
    result = drain(mesh, "--to", "omega")
    assert result.exit_code == 1
    assert "no usable host is called 'omega': `paglets mesh hosts` shows why" in result.stderr
    assert mesh["alpha"].observer.health().status == "ready"
    result = drain(mesh, "--to", "gamma", "--deadline", "20")
    assert result.exit_code == 0, result.output
    assert "the host is empty and can be stopped" in result.stderr
    assert at(mesh, "gamma", "active") == {proxy.agent_id for proxy in proxies}
    assert result.stdout.count("moved") == 3


def test_what_no_host_of_the_same_code_takes_sleeps_and_is_back_after_the_upgrade(
    mesh: LocalMesh,
) -> None:
    # The upgrade has begun: the others run other code already.
    for name in ("beta", "gamma"):
        mesh[name].restart(mesh_version="new")
    mesh.wait_converged()
    try:
        proxy = wanderer(mesh)
        ask(proxy, "clone", to="alpha")
        ids = at(mesh, "alpha", "active")
        result = drain(mesh, "--json")
        assert result.exit_code == 0, result.output
        agents = report(result)["agents"]
        assert isinstance(agents, list)
        assert {(each["agent_id"], each["outcome"]) for each in agents} == {
            (agent_id, "asleep") for agent_id in ids
        }
        assert {each["text"] for each in agents} == {"no host of the same code is online"}
        assert at(mesh, "alpha", "inactive") == ids
        assert mesh["alpha"].observer.health().active == 0
        mesh["alpha"].restart(mesh_version="new")
        wait_until(
            lambda: at(mesh, "alpha", "active") == ids,
            timeout=PATIENCE,
            what="all run again",
            story=mesh["alpha"].tail,
        )
        assert places(mesh.client().proxy(proxy.agent_id)) == ["alpha"]
    finally:
        for host in mesh:
            host.restart(mesh_version=None)


def test_a_move_that_is_in_doubt_is_reported_and_the_host_is_not_called_empty(
    mesh: LocalMesh,
) -> None:
    mesh["gamma"].restart(failpoints="arrival.after_accepted=kill9*1")
    mesh.wait_converged()
    doubtful, fine = wanderer(mesh), wanderer(mesh)
    doubtful.send_oneway(Message("dispatch", {"to": "gamma"}))
    mesh["gamma"].wait_gone()
    wait_until(
        lambda: bool(mesh["alpha"].observer.transfers(in_doubt=True)),
        timeout=PATIENCE,
        what="the move is in doubt",
    )
    (transfer,) = mesh["alpha"].observer.transfers(in_doubt=True)
    wait_status(mesh, "gamma", {"dead"})

    result = drain(mesh, "--deadline", "2")

    assert result.exit_code == 1
    assert f"transfer {transfer.transfer_id} is not settled" in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
    assert " left " in lines[doubtful.agent_id[:8]]
    assert " moved " in lines[fine.agent_id[:8]]
    assert "not empty: 1 paglets are left, 1 transfers are not settled" in result.stderr
    # Once the other side is back the same command ends well.
    mesh["gamma"].start()
    mesh.wait_converged()
    result = drain(mesh, "--deadline", "20")
    assert result.exit_code == 0, result.output
    assert places(mesh.client("beta").proxy(doubtful.agent_id)) == ["alpha", "gamma"]


def test_a_host_that_drains_on_stop_hands_its_paglets_on_first(mesh: LocalMesh) -> None:
    mesh["alpha"].restart(drain_on_stop=20.0)
    mesh.wait_converged()
    try:
        proxies = [wanderer(mesh) for _ in range(3)]
        assert mesh["alpha"].stop() == 0
        assert "3 paglets moved on" in mesh["alpha"].tail()
        there = [at(mesh, name, "active") for name in ("beta", "gamma")]
        assert there[0] | there[1] == {proxy.agent_id for proxy in proxies}
        wait_status(mesh, "alpha", {"left"})
    finally:
        mesh["alpha"].restart(drain_on_stop=0.0)


def test_a_second_signal_stops_it_at_once_and_nothing_is_lost(mesh: LocalMesh) -> None:
    mesh["alpha"].restart(drain_on_stop=60.0, failpoints="offer.before_send=pause:5*1")
    mesh.wait_converged()
    try:
        proxy = wanderer(mesh)
        mesh["alpha"].ask_to_stop()
        mesh["alpha"].wait_failpoint("offer.before_send")
        assert mesh["alpha"].observer.health().status == "draining"
        assert mesh["alpha"].stop() == 0
    finally:
        mesh["alpha"].restart(drain_on_stop=0.0)
    mesh.wait_converged()
    again = mesh.client("gamma").proxy(proxy.agent_id)
    assert again.send(Message("places"), timeout=PATIENCE, retry_for=PATIENCE)
    wait_until(
        lambda: sum(len(at(mesh, host.name, "active", "moving")) for host in mesh) == 1,
        timeout=PATIENCE,
        what="one host has it",
    )
