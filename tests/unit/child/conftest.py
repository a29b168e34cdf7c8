import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.child.fakehost import FakeHost

HERE = str(Path(__file__).parent)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    """A host for one paglet."""
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
    import paglets_for_tests as made

    for event in (made.HOLD, made.ENTERED):
        event.clear()
    made.SEEN.clear()
    fake = FakeHost(tmp_path)
    yield fake
    made.HOLD.set()
    fake.close()


@pytest.fixture
def made(host: FakeHost) -> object:
    """The module of the tests' paglets."""
    return sys.modules["paglets_for_tests"]
