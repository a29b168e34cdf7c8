"""One mesh for all tests of this folder that leave its hosts alone."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.testing.localmesh import LocalMesh
from tests.process.services.stage import AGENTS, wait_found, write_files


@pytest.fixture(scope="package")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of docs/services.md in a folder."""
    return write_files(tmp_path_factory.mktemp("guide"))


@pytest.fixture(scope="package")
def mesh(guide: Path) -> Iterator[LocalMesh]:
    """Three hosts; no test stops or kills one."""
    with LocalMesh(3, agents=[AGENTS, guide]) as running:
        yield running


@pytest.fixture
def user(mesh: LocalMesh, tmp_path: Path) -> dict[str, str]:
    """Environment of a user's shell whose host is alpha."""
    return {
        **os.environ,
        "PAGLETS_HOME": str(tmp_path),
        "PAGLETS_URL": mesh["alpha"].url,
        "PAGLETS_KEY_FILE": str(mesh.key_file),
        "COLUMNS": "120",
    }


@pytest.fixture
def make(mesh: LocalMesh) -> Iterator[Callable[..., PagletProxy]]:
    """Create a paglet of these tests' agents; all are ended and no provider is left behind."""
    made: list[PagletProxy] = []

    def create(name: str, *, host: str = "alpha", agent_id: str | None = None) -> PagletProxy:
        made.append(mesh.client().create(f"words:{name}", host=host, agent_id=agent_id))
        if name == "Splitter":
            wait_found(mesh, host, least=True)
        return made[-1]

    yield create
    left = {info.agent_id for host in mesh for info in host.observer.agents()}
    for proxy in made:
        if proxy.agent_id in left:
            proxy.dispose(force=True)
    wait_found(mesh)
