import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import paglets
from paglets.config.keys import remember_key
from paglets.connect import Client
from tests.fakemesh import FakeMesh


@pytest.fixture(scope="session")
def served() -> Iterator[FakeMesh]:
    with FakeMesh() as mesh:
        yield mesh


@pytest.fixture
def mesh(served: FakeMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMesh:
    """Hosts alpha and beta, as if just started; this user has their key."""
    for name in list(os.environ):
        if name.startswith("PAGLETS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PAGLETS_HOME", str(tmp_path))
    remember_key(served.keyring.primary, environ=os.environ)
    served.reset()
    return served


@pytest.fixture
def client(mesh: FakeMesh) -> Iterator[Client]:
    with paglets.connect(mesh.url) as made:
        yield made
