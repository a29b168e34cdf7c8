import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from paglets.cli.root import root
from paglets.config.keys import remember_key
from tests.fakemesh import FakeMesh

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def served() -> Iterator[FakeMesh]:
    with FakeMesh() as mesh:
        yield mesh


@pytest.fixture
def mesh(served: FakeMesh) -> FakeMesh:
    """Hosts alpha and beta, as if just started."""
    served.reset()
    return served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PAGLETS_HOME, and no other variable of ours."""
    for name in list(os.environ):
        if name.startswith("PAGLETS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PAGLETS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(mesh: FakeMesh, home: Path) -> Run:
    """Runs a command against alpha, with its key; further options go to the runner."""
    remember_key(mesh.keyring.primary, environ={"PAGLETS_HOME": str(home)})

    def invoke(*args: str, url: str | None = None, **options) -> Result:
        env = {"PAGLETS_URL": mesh.url if url is None else url}
        return CliRunner().invoke(root, args, env=env, catch_exceptions=False, **options)

    return invoke


def parsed(result: Result) -> object:
    """Return what a command printed as JSON."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
