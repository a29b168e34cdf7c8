"""Real hosts that come back: elsewhere, without their data, with old data, with other code."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from paglets.agent.proxy import PagletProxy
from paglets.cli.root import root
from paglets.model.enums import PagletStatus
from paglets.model.errors import TransferError
from paglets.model.message import Message
from paglets.testing.localhost import free_ports
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from paglets.wire.bodies import TransferInfo
from tests.mesh.support import (
    AGENTS,
    PATIENCE,
    TIMEOUTS,
    ask,
    places,
    seen,
    wait_status,
    wanderer,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Three hosts; each test leaves three healthy ones behind."""
    folder = tmp_path_factory.mktemp("identity")
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS, folder=folder) as running:
        yield running


def _wait_newest(mesh: LocalMesh, name: str, *, url: str, host_id: str | None = None) -> None:
    """Wait until all others know the host of this name at `url`, online, before all namesakes."""

    def everybody_knows() -> bool:
        for host in mesh:
            found = seen(mesh, host.name, name)
            first = found[0] if found else None
            if first is None or first.url != url or not first.online:
                return False
            if host_id is not None and first.host_id != host_id:
                return False
        return True

    wait_until(everybody_knows, timeout=PATIENCE, what=f"{name} is known at {url}")


def test_a_restart_on_another_port_replaces_the_old_entry_at_once(mesh: LocalMesh) -> None:
    gamma = mesh["gamma"]
    before = seen(mesh, "alpha", "gamma")[0]
    gamma.kill()
    (port,) = free_ports(1)
    gamma.restart(port=port)
    # Well before anybody could have found out by probing that the old address is silent.
    _wait_newest(mesh, "gamma", url=f"http://127.0.0.1:{port}")
    found = seen(mesh, "alpha", "gamma")
    assert len(found) == 1
    assert found[0].host_id == before.host_id
    assert found[0].generation > before.generation
    proxy = wanderer(mesh)
    ask(proxy, "dispatch", to="gamma")
    assert places(proxy) == ["alpha", "gamma"]
    assert mesh["gamma"].statuses()[proxy.agent_id] == PagletStatus.ACTIVE


def test_a_host_without_its_data_is_another_one_and_settles_nothing_of_the_old(
    mesh: LocalMesh,
) -> None:
    gamma = mesh["gamma"]
    old_id = gamma.observer.health().host_id
    proxy = wanderer(mesh)
    _leave_in_doubt(mesh, proxy)
    gamma.wait_gone()
    shutil.move(gamma.settings.data, gamma.settings.data.with_name("gamma-lost"))
    gamma.start()
    new_id = gamma.observer.health().host_id
    assert new_id != old_id
    _wait_newest(mesh, "gamma", url=gamma.url, host_id=new_id)

    # The offer was repeated to the new host under the old one's name by now, and told nothing.
    attempts = _doubt(mesh, proxy).attempts
    wait_until(
        lambda: _doubt(mesh, proxy).attempts >= attempts + 3,
        timeout=PATIENCE,
        what="the offer is repeated",
    )
    assert _doubt(mesh, proxy).peer.host_id == old_id
    assert mesh["alpha"].statuses()[proxy.agent_id] == PagletStatus.MOVING
    assert proxy.agent_id not in gamma.statuses()

    # The name leads to the new one; the old one's data brings its outcome back.
    second = wanderer(mesh, "beta")
    ask(second, "dispatch", to="gamma")
    assert places(second) == ["beta", "gamma"]
    gamma.stop()
    shutil.rmtree(gamma.settings.data)
    shutil.move(gamma.settings.data.with_name("gamma-lost"), gamma.settings.data)
    gamma.start()
    _wait_newest(mesh, "gamma", url=gamma.url, host_id=old_id)
    wait_until(
        lambda: (
            gamma.statuses().get(proxy.agent_id) == PagletStatus.ACTIVE
            and not mesh["alpha"].observer.transfers(in_doubt=True)
        ),
        timeout=PATIENCE,
        what="the move to the old host is settled",
        story=gamma.tail,
    )
    assert places(mesh.client().proxy(proxy.agent_id)) == ["alpha", "gamma"]
    mesh.wait_converged()


def _leave_in_doubt(mesh: LocalMesh, proxy: PagletProxy) -> None:
    """Move a paglet to gamma, which accepts it and is killed before it says so."""
    gamma = mesh["gamma"]
    gamma.restart(failpoints="arrival.after_accepted=kill9*1")
    mesh.wait_converged()
    proxy.send_oneway(Message("dispatch", {"to": "gamma"}))
    wait_until(
        lambda: bool(mesh["alpha"].observer.transfers(in_doubt=True)),
        timeout=PATIENCE,
        what="the move is in doubt",
        story=mesh["alpha"].tail,
    )


def _doubt(mesh: LocalMesh, proxy: PagletProxy) -> TransferInfo:
    (found,) = mesh["alpha"].observer.transfers(in_doubt=True)
    assert found.agent_id == proxy.agent_id
    return found


def test_a_host_with_an_older_copy_of_its_data_is_told_and_starts_nothing_unasked(
    mesh: LocalMesh,
) -> None:
    gamma = mesh["gamma"]
    stays, leaves = wanderer(mesh, "gamma"), wanderer(mesh, "gamma")
    gamma.stop()
    data = gamma.settings.data
    copy = data.with_name("gamma-copy")
    shutil.copytree(data, copy)
    gamma.start()
    mesh.wait_converged()
    moved = mesh.client().proxy(leaves.agent_id)
    ask(moved, "dispatch", to="beta")
    gamma.kill()
    shutil.rmtree(data)
    shutil.move(copy, data)

    gamma.start()
    wait_until(
        lambda: (
            {stays.agent_id: "held", leaves.agent_id: "moved"}.items() <= gamma.statuses().items()
        ),
        timeout=PATIENCE,
        what="the restored host holds what only it has, and gives up what has moved",
        story=lambda: f"{gamma.statuses()}\n{gamma.tail()}",
    )
    warnings = " ".join(gamma.observer.health().warnings)
    assert "restored from an older copy" in warnings
    assert "paglets transfer resolve" in warnings
    assert places(mesh.client().proxy(leaves.agent_id)) == ["gamma", "beta"]

    result = _command(mesh, "transfer", "resolve", stays.agent_id, "--resume", "--yes")
    assert result.exit_code == 0, result.output
    assert places(mesh.client().proxy(stays.agent_id)) == ["gamma"]
    # The next start is later than any that a peer remembers: nothing is wrong any more.
    gamma.restart()
    mesh.wait_converged()
    assert gamma.observer.health().warnings == ()
    assert places(mesh.client().proxy(stays.agent_id)) == ["gamma"]


def test_a_host_with_other_code_is_listed_with_the_difference_and_never_chosen(
    mesh: LocalMesh, tmp_path: Path
) -> None:
    gamma = mesh["gamma"]
    other = shutil.copytree(AGENTS, tmp_path / "agents")
    with (other / "wanderer.py").open("a") as file:
        file.write("# other code\n")
    own = gamma.settings.agents
    gamma.restart(agents=(Path(other),))
    try:
        wait_status(mesh, "gamma", {"alive"})
        listed = seen(mesh, "alpha", "gamma")[0]
        assert listed.online
        assert "gamma has other code: wanderer (" in str(listed.error)
        assert "same agents" in str(listed.error)
        shown = _command(mesh, "mesh", "hosts").output
        assert "gamma has other code: wanderer (" in shown

        proxy = wanderer(mesh)
        refusal = ask(proxy, "go", to="gamma")
        assert "has other code: wanderer (" in str(refusal), refusal
        assert places(proxy) == ["alpha"]
        with pytest.raises(TransferError, match="has other code: wanderer"):
            proxy.clone("gamma")
        waited = ask(proxy, "wait", name="gamma", timeout=0.5)
        assert str(waited).startswith("not found: ")
        assert "has other code: wanderer (" in str(waited)
        assert "has other code: wanderer" in str(ask(proxy, "create", at="gamma"))
        # What is there already can still be reached: the rule is about choosing.
        there = wanderer(mesh, "gamma")
        assert ask(proxy, "tell", to="gamma", agent_id=there.agent_id) == ["gamma"]
    finally:
        gamma.restart(agents=own)
    wait_until(
        lambda: seen(mesh, "alpha", "gamma")[0].error is None,
        timeout=PATIENCE,
        what="gamma has the same code again",
    )


def _command(mesh: LocalMesh, *args: str) -> Result:
    """Run `paglets …` against alpha."""
    alpha = mesh["alpha"]
    return CliRunner().invoke(
        root, ["--url", alpha.url, "--key-file", str(alpha.settings.key_file), *args]
    )
