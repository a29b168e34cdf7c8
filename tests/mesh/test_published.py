"""Published records among real hosts: everywhere within seconds, gone with their paglet."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from paglets import Message
from paglets.connect import Client
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

pytestmark = pytest.mark.slow

CODE = """
import os, signal
from dataclasses import dataclass
from paglets import CreationEvent, Paglet, handles

@dataclass(frozen=True)
class Mood:
    text: str

class Publisher(Paglet[None]):
    def on_creation(self, event: CreationEvent) -> None:
        self.context.mesh.publish("mood", Mood("new"))

    @handles("say")
    def say(self, text: str) -> None:
        self.context.mesh.publish("mood", Mood(text))

    @handles("keep")
    def keep(self, text: str, ttl: float) -> None:
        self.context.mesh.publish("mood", Mood(text), ttl=ttl)

    @handles("read")
    def read(self) -> list[list[object]]:
        found = self.context.mesh.records("mood", Mood)
        return [[each.host_name, each.agent_id, each.value.text, each.age] for each in found]

    @handles("crash")
    def crash(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class Seen:
    client: Client
    reader: str

    def moods(self) -> dict[str, str]:
        told = self.client.proxy(self.reader, host="alpha").send(Message("read"))
        return {agent_id: text for _, agent_id, text, _ in told}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("publishers")
    (folder / "moods.py").write_text(CODE)
    with LocalMesh(2, agents=folder) as running:
        yield running


@pytest.fixture
def seen(mesh):
    reader = mesh.client("alpha").create("moods:Publisher")
    yield Seen(mesh.client("alpha"), reader.agent_id)
    reader.dispose()


def test_a_record_is_seen_on_the_other_host_and_gone_with_its_paglet(mesh, seen):
    other = mesh.client("beta").create("moods:Publisher", host="beta")
    wait_until(lambda: seen.moods().get(other.agent_id) == "new", timeout=10, what="it is told")
    other.deactivate()
    wait_until(lambda: other.agent_id not in seen.moods(), timeout=10, what="it is withdrawn")
    other.dispose()


def test_a_paglet_that_crashes_takes_its_record_along(mesh, seen):
    other = mesh.client("beta").create("moods:Publisher", host="beta")
    wait_until(lambda: other.agent_id in seen.moods(), timeout=10, what="it is told")
    other.send_oneway(Message("crash"))
    wait_until(lambda: other.agent_id not in seen.moods(), timeout=10, what="it is withdrawn")
    other.dispose()


def test_a_record_that_is_not_published_again_in_time_goes_though_its_paglet_lives(mesh, seen):
    other = mesh.client("beta").create("moods:Publisher", host="beta")
    other.send(Message("keep", {"text": "kept", "ttl": 600.0}))
    wait_until(lambda: seen.moods().get(other.agent_id) == "kept", timeout=30, what="it is told")
    other.send(Message("keep", {"text": "kept", "ttl": 1.0}))
    wait_until(lambda: other.agent_id not in seen.moods(), timeout=10, what="it is withdrawn")
    other.dispose()


def test_a_paglet_that_moves_publishes_where_it_is(mesh, seen):
    other = mesh.client("beta").create("moods:Publisher", host="beta")
    wait_until(lambda: other.agent_id in seen.moods(), timeout=10, what="it is told")
    moved = other.dispatch("alpha")
    wait_until(lambda: other.agent_id not in seen.moods(), timeout=10, what="it is withdrawn")
    moved.send(Message("say", {"text": "here"}))
    wait_until(lambda: seen.moods().get(other.agent_id) == "here", timeout=30, what="it is told")
    moved.dispose()


def test_a_host_that_ends_takes_the_records_of_its_paglets_along(mesh, seen):
    other = mesh.client("beta").create("moods:Publisher", host="beta")
    wait_until(lambda: other.agent_id in seen.moods(), timeout=10, what="it is told")
    mesh.stop("beta")
    wait_until(lambda: other.agent_id not in seen.moods(), timeout=10, what="it is gone")
    mesh.restart("beta")
    mesh.wait_converged()
    mesh.client("beta").proxy(other.agent_id, host="beta").dispose()
