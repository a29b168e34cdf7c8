"""Paglets of one fixed id on two hosts are two paglets, whoever asks."""

from collections.abc import Iterator

import pytest

from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from tests.process.lifecycle.stage import AGENTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(2, agents=AGENTS) as running:
        for host in running:
            host.client.create("queueing:Clerk", agent_id="clerk")
            host.client.proxy("clerk", host=host.name).send(Message("note", {"text": host.name}))
        yield running


@pytest.fixture
def asker(mesh: LocalMesh):
    """A paglet on alpha that asks a namesake by the reference it is given."""
    made = mesh.client().create("asking:Asker")
    yield made
    made.dispose()


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_message_goes_to_the_one_that_the_reference_means(mesh: LocalMesh, asker, name):
    ref = mesh.client().proxy("clerk", host=name).ref()
    assert ref.birth_id
    args = {"host_url": ref.host_url, "agent_id": "clerk", "birth_id": ref.birth_id}
    assert asker.send(Message("ask", {**args, "kind": "handled"})) == [name]


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_status_and_state_are_those_of_the_one_that_is_meant(mesh: LocalMesh, asker, name):
    ref = mesh.client().proxy("clerk", host=name).ref()
    args = {"host_url": ref.host_url, "agent_id": "clerk", "birth_id": ref.birth_id}
    told = asker.send(Message("look at", args))
    assert told == {"host": name, "handled": [name]}


def test_a_life_cycle_verb_is_for_the_one_that_is_meant(mesh: LocalMesh, asker):
    ref = mesh.client().proxy("clerk", host="beta").ref()
    args = {"host_url": ref.host_url, "agent_id": "clerk", "birth_id": ref.birth_id}
    asker.send(Message("put to sleep", args))
    statuses = [host.statuses()["clerk"] for host in mesh]
    assert statuses == ["active", "inactive"]
