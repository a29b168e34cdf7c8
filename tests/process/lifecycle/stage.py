"""What the tests of life-cycle paths share: a mesh, scribes on it, and what they wrote."""

import itertools
from collections.abc import Mapping
from pathlib import Path

from paglets.agent.proxy import PagletProxy
from paglets.model.message import JsonValue, Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.scribe import ScribeState

AGENTS = Path(__file__).parents[2] / "agents" / "lifecycle"
"""Folder of the paglets these tests run."""
PATIENCE = 20.0
"""Seconds anything may take on a busy machine."""


class Stage:
    """A running mesh and a folder for what its paglets write.

    Args:
        mesh: Runs; its paglets are those of `AGENTS`.
        folder: Empty.
    """

    def __init__(self, mesh: LocalMesh, folder: Path) -> None:
        self.mesh = mesh
        self._folder = folder
        self._numbers = itertools.count()

    def scribe(
        self,
        name: str = "Scribe",
        *,
        host: str = "alpha",
        trouble: Mapping[str, str] | None = None,
        agent_id: str | None = None,
        **state: object,
    ) -> "Actor":
        """Create a scribe with a book of its own and wait until its `run()` has begun."""
        actor = self.actor(trouble=trouble, agent_id=agent_id, **state)
        actor.create(name, host)
        if "on_creation" not in (trouble or {}) and "run" not in (trouble or {}):
            actor.wait_written(2)
            actor.forget()
        return actor

    def actor(
        self,
        *,
        trouble: Mapping[str, str] | None = None,
        agent_id: str | None = None,
        **state: object,
    ) -> "Actor":
        """Prepare a scribe that is not created yet."""
        number = next(self._numbers)
        book = self._folder / f"book-{number}"
        wanted = ScribeState(book=book, trouble=dict(trouble or {}), **state)  # type: ignore[arg-type]  # fields by name
        return Actor(self.mesh, wanted, agent_id or f"{self._folder.name}.{number}")


class Actor:
    """One scribe under test and its clones, which share its book."""

    def __init__(self, mesh: LocalMesh, state: ScribeState, agent_id: str) -> None:
        self.mesh = mesh
        self._state = state
        self.agent_id = agent_id
        self._seen = 0
        self.settled: list[str] = []
        """What a test saw of it at its end."""

    def create(self, name: str = "Scribe", host: str = "alpha") -> None:
        """Create it; raises what creation raises."""
        self.mesh.client(host).create(f"scribe:{name}", self._state, agent_id=self.agent_id)

    @property
    def proxy(self) -> PagletProxy:
        """A proxy found anew: hosts may have restarted."""
        return self.at("alpha")

    def at(self, host: str) -> PagletProxy:
        """A proxy found by a client of `host`."""
        return self.mesh.client(host).proxy(self.agent_id)

    def ask(self, kind: str, **args: JsonValue) -> JsonValue:
        """Send a message and return the reply."""
        return self.proxy.send(Message(kind, args), timeout=PATIENCE)

    def status(self, whose: str | None = None) -> str:
        """Where the mesh says it (or its clone) is, as `status@host`; `gone` if nowhere."""
        wanted = whose or self.agent_id
        found = [
            f"{status}@{host.name}"
            for host in self.mesh
            if host.is_running
            for agent_id, status in host.statuses().items()
            if agent_id == wanted and status != "moved"
        ]
        return " ".join(sorted(found)) or "gone"

    def wait_status(self, wanted: str, *, whose: str | None = None) -> None:
        """Wait until `status()` is this."""
        wait_until(
            lambda: self.status(whose) == wanted,
            timeout=PATIENCE,
            what=f"{whose or self.agent_id} is {wanted}",
            story=lambda: f"{self.status(whose)}: {self.written()}\n{self.mesh['alpha'].tail()}",
        )

    def drop_namesake(self) -> None:
        """Dispose of the other paglet of this id, which stood in its way at beta."""
        self.mesh.client("beta").proxy(self.agent_id, host="beta").dispose()

    def written(self, agent_id: str | None = None) -> list[str]:
        """Hooks of the paglet (or of this clone) since `forget()`, in order."""
        wanted = agent_id or self.agent_id
        calls = [line.partition(" ") for line in self._lines()[self._seen :]]
        return [call for whose, _, call in calls if whose == wanted]

    def wait_written(self, count: int, agent_id: str | None = None) -> list[str]:
        """Wait until so many hooks were called, and return them."""
        wait_until(
            lambda: len(self.written(agent_id)) >= count,
            timeout=PATIENCE,
            what=f"{count} hooks are called",
            story=lambda: f"{self.written(agent_id)}\n{self.mesh['alpha'].tail()}",
        )
        return self.written(agent_id)

    def forget(self) -> None:
        """Look only at what is written from now on."""
        self._seen = len(self._lines())

    def _lines(self) -> list[str]:
        path = self._state.book
        return path.read_text().splitlines() if path.exists() else []
