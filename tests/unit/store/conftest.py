"""A store in a folder of its own, and rows to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets import failpoints
from paglets.store.store import Store

NOW = 1_700_000_000.0


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Open the data folder of this test, again after a close; closed at the end."""
    opened: list[Store] = []

    def open_(*, name: str = "alpha", now: float = NOW) -> Store:
        store = Store.open(tmp_path / "data", name=name, now=lambda: now)
        opened.append(store)
        return store

    yield open_
    failpoints.disarm()
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()
