"""Meshes in containers that several scenarios share. Each file is one scenario."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets.testing import DockerMesh, HostContainer

AGENTS = Path(__file__).parents[1] / "agents"
CARRIERS = AGENTS / "containers"
"""Folder of the paglets that carry things."""
LEDGERS = AGENTS / "faults"
"""Folder of the paglets that keep account."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def three_hosts(paglets_meshes) -> Iterator[DockerMesh]:
    """Three hosts for scenarios that leave them as they were."""
    with paglets_meshes(3, agents=CARRIERS) as mesh:
        yield mesh


@pytest.fixture
def tell(capsys) -> Callable[[str], None]:
    """Prints a measured figure whether or not output is captured."""

    def tell_(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return tell_


def names_seen(host: HostContainer) -> list[str]:
    """Return the names of the hosts that one sees online."""
    return sorted(ref.name for ref in host.client.hosts(online_only=True))
