"""One mesh for all tests of this folder that leave its hosts alone."""

from collections.abc import Callable, Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.testing.localmesh import LocalMesh
from tests.process.services.stage import AGENTS, wait_found


@pytest.fixture(scope="package")
def mesh() -> Iterator[LocalMesh]:
    """Three hosts; no test stops or kills one."""
    with LocalMesh(3, agents=AGENTS) as running:
        yield running


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
