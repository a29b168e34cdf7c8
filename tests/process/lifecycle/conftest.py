"""One mesh for all tests of this folder that leave its hosts alone."""

from collections.abc import Callable, Iterator

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.config.settings import Limits, Timeouts
from paglets.testing.localmesh import LocalMesh
from tests.process.lifecycle.stage import AGENTS

KIB = 1024


@pytest.fixture(scope="package")
def mesh() -> Iterator[LocalMesh]:
    """Three hosts with short timeouts; no test stops or kills one."""
    timeouts = Timeouts(hook=10.0, connect=0.3, quiesce=2.0)
    limits = Limits(persistent_bytes=64 * KIB)
    with LocalMesh(
        3, agents=AGENTS, timeouts=timeouts, limits=limits, properties={"room": "R12"}
    ) as running:
        yield running


@pytest.fixture
def make(mesh: LocalMesh) -> Callable[..., PagletProxy]:
    """Create a paglet of these tests' agents; `host` is its first host."""

    def create(name: str, state: object | None = None, *, host: str = "alpha") -> PagletProxy:
        return mesh.client(host).create(name, state)

    return create
