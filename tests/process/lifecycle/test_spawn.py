"""`start_method="spawn"`: each paglet in a fresh interpreter; the core of life works as by fork."""

from collections.abc import Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import PagletCrashedError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import AGENTS, PATIENCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(2, agents=AGENTS, start_method="spawn") as running:
        yield running


def test_a_life_with_every_verb(mesh: LocalMesh) -> None:
    talker = mesh.client().create("talking:Talker")
    talker.send(Message("hear", {"text": "one"}))
    talker.dispatch("beta")
    assert talker.send(Message("facts"))[0] == "beta"
    clone = talker.clone("alpha")
    assert clone.send(Message("heard")) == ["one"]
    talker.retract("alpha")
    talker.deactivate()
    talker.send(Message("hear", {"text": "two"}))
    assert talker.send(Message("heard")) == ["one", "two"]
    talker.dispose()
    assert talker.agent_id not in mesh["alpha"].statuses()


def test_async_code_and_moves_of_its_own(mesh: LocalMesh) -> None:
    walker = mesh.client().create("asyncs:AsyncWalker")
    assert isinstance(walker.send(Message("go", {"to": "beta"})), PagletProxy)
    assert walker.send(Message("calls"))[-1] == "on_arrival@beta"


def test_files_travel(mesh: LocalMesh) -> None:
    carrier = mesh.client().create("baggage:Carrier")
    told = carrier.send(Message("write", {"name": "a.bin", "size": 1024 * 1024}))
    carrier.send(Message("take", {"path": "a.bin", "mode": "move"}))
    carrier.dispatch("beta")
    assert carrier.send(Message("seen")) == [told]


def test_a_crash_is_told_and_restarted(mesh: LocalMesh) -> None:
    phoenix = mesh.client().create("talking:Phoenix")
    phoenix.send(Message("save"))
    with pytest.raises(PagletCrashedError) as raised:
        phoenix.send(Message("exit"))
    assert raised.value.exit_code == 7
    assert "last words" in str(raised.value.traceback_text)
    assert phoenix.send(Message("tell"), timeout=PATIENCE)[:2] == [1, 0]


def test_paglets_come_back_after_their_host_was_killed(mesh: LocalMesh) -> None:
    phoenix = mesh.client("beta").create("talking:Phoenix")
    phoenix.send(Message("save"))
    mesh["beta"].kill()
    mesh["beta"].start()
    mesh.wait_converged()
    found = mesh.client("beta").proxy(phoenix.agent_id)
    wait_until(lambda: found.info().status == "active", timeout=PATIENCE, what="it is back")
    assert found.send(Message("tell"), timeout=PATIENCE)[:2] == [1, 0]
