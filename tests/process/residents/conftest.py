"""What the tests of residents share: a mesh whose hosts have a lazy and an eager one each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from paglets.testing.localmesh import LocalMesh

AGENTS = Path(__file__).resolve().parents[2] / "agents" / "residents"
LAUNCH = """
[[services]]
class = "waiters:WaiterAgent"
lifecycle = "lazy"
idle_timeout_seconds = 0.3
state = {{ greeting = "moin", book = "{book}" }}

[[services]]
class = "waiters:HeadWaiterAgent"
lifecycle = "eager"
state = {{ book = "{book}" }}
restart = {{ first_delay_seconds = 0.02 }}
"""

CLOCK = """
[[services]]
class = "waiters:ClockAgent"
lifecycle = "lazy"
idle_timeout_seconds = 0.6
"""
"""Falls asleep after all that were idle before it."""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """What each start of a resident is written to."""
    return tmp_path / "book"


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Two hosts for tests that stop neither."""
    launch = LAUNCH.format(book=tmp_path_factory.mktemp("pair") / "book") + CLOCK
    with LocalMesh(2, agents=AGENTS, launch=launch) as mesh:
        yield mesh
