"""A paglet's class changes under it: what fits is restored, what does not waits for the fix."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets.model.errors import LifecycleError, PagletsError, StateError
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh

pytestmark = pytest.mark.slow

MODULE = """
from dataclasses import asdict, dataclass, field
from paglets import Paglet, handles

@dataclass
class JarState:
    {fields}

class Jar(Paglet[JarState]):
    @handles("fill")
    def fill(self, count: int) -> None:
        self.state.coins = count

    @handles("look")
    def look(self) -> dict[str, object]:
        return asdict(self.state)
"""
PLAIN = "coins: int = 0\n    label: str = 'mine'"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], None]:
    """Write the module of the class, with these fields of its State."""
    folder = tmp_path / "agents"
    folder.mkdir()

    def change(fields: str) -> None:
        (folder / "jar.py").write_text(MODULE.format(fields=fields))

    change(PLAIN)
    return change


@pytest.fixture
def mesh(tmp_path: Path, write: Callable[[str], None]) -> Iterator[LocalMesh]:
    with LocalMesh(1, agents=tmp_path / "agents") as running:
        yield running


def restart_with(mesh: LocalMesh, write: Callable[[str], None], fields: str) -> None:
    mesh["alpha"].stop()
    write(fields)
    mesh["alpha"].start()


def test_a_state_that_no_longer_fits_waits_as_unreadable_until_the_class_is_mended(
    mesh: LocalMesh, write: Callable[[str], None]
) -> None:
    jar = mesh.client().create("jar:Jar")
    jar.send(Message("fill", {"count": 7}))
    restart_with(mesh, write, "coins: list[int] = field(default_factory=list)\n    label: str = ''")
    jar = mesh.client().proxy(jar.agent_id)
    info = _settled(mesh, jar.agent_id)
    assert info.status == "unreadable"
    assert "coins" in str(info.error)
    with pytest.raises(LifecycleError, match="coins"):
        jar.send(Message("look"))
    with pytest.raises(StateError) as raised:
        jar.activate()
    assert raised.value.field == "coins"
    restart_with(mesh, write, PLAIN)
    jar = mesh.client().proxy(jar.agent_id)
    jar.activate()
    assert jar.send(Message("look")) == {"coins": 7, "label": "mine"}


def test_a_field_that_is_new_takes_its_default_and_one_that_is_gone_is_dropped_with_a_warning(
    mesh: LocalMesh, write: Callable[[str], None]
) -> None:
    jar = mesh.client().create("jar:Jar")
    jar.send(Message("fill", {"count": 7}))
    restart_with(mesh, write, "coins: int = 0\n    colour: str = 'red'")
    jar = mesh.client().proxy(jar.agent_id)
    assert jar.send(Message("look")) == {"coins": 7, "colour": "red"}
    warnings = mesh["alpha"].observer.events(agent_id=jar.agent_id)
    dropped = [event for event in warnings if event.level == "warning"]
    assert any("label" in event.text for event in dropped), warnings


def test_a_class_that_cannot_be_imported_any_more_keeps_its_paglets(
    mesh: LocalMesh, write: Callable[[str], None], tmp_path: Path
) -> None:
    jar = mesh.client().create("jar:Jar")
    jar.send(Message("fill", {"count": 7}))
    mesh["alpha"].stop()
    (tmp_path / "agents" / "jar.py").write_text("this is no Python\n")
    mesh["alpha"].start()
    jar = mesh.client().proxy(jar.agent_id)
    assert _settled(mesh, jar.agent_id).status == "unreadable"
    with pytest.raises(PagletsError, match="SyntaxError"):
        jar.activate()
    write(PLAIN)
    jar.activate()
    assert jar.send(Message("look"))["coins"] == 7


def _settled(mesh: LocalMesh, agent_id: str):
    from paglets.testing.waiting import wait_until

    observer = mesh["alpha"].observer
    wait_until(
        lambda: observer.agent(agent_id).status != "active",
        timeout=20.0,
        what="its row says what is wrong",
        story=mesh["alpha"].tail,
    )
    return observer.agent(agent_id)
