"""Runs packaged examples as a user does, against real hosts."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paglets.testing.localmesh import LocalMesh

Run = Callable[..., subprocess.CompletedProcess[str]]


def start(mesh: LocalMesh, *words: str, entry: str = "alpha") -> subprocess.Popen[str]:
    """Start `paglets examples …` against a host of the mesh."""
    clean = {key: text for key, text in os.environ.items() if not key.startswith("PAGLETS_")}
    shared = ["--url", mesh[entry].url, "--key-file", str(mesh.folder / "mesh.key")]
    return subprocess.Popen(
        [sys.executable, "-m", "paglets", "examples", *words, *shared],
        env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def left_over(mesh: LocalMesh) -> list[str]:
    """Return what paglets there are on the running hosts, and files of theirs."""
    found = [
        f"{host.name}: {info.class_name} {info.status}"
        for host in mesh
        if host.is_running
        for info in host.observer.agents()
    ]
    for host in mesh:
        work = host.settings.data / "work"
        found += [str(path) for path in work.rglob("*") if path.is_file()]
    return found


@pytest.fixture(scope="package")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the owner of the hosts lets be searched."""
    return tmp_path_factory.mktemp("searchable")


@pytest.fixture(scope="package")
def lock_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the hosts of these tests have their Performance Benchmark Lock."""
    return tmp_path_factory.mktemp("lock")


@pytest.fixture(scope="package")
def mesh(searchable: Path, lock_folder: Path) -> Iterator[LocalMesh]:
    """Three hosts; who kills one starts it again."""
    environment = {"PAGLETS_BENCHMARK_LOCK": str(lock_folder)}
    with LocalMesh(3, environment=environment, properties={"grep": str(searchable)}) as running:
        yield running


@pytest.fixture
def run() -> Run:
    """Run an example to its end."""

    def invoke(
        mesh: LocalMesh, *words: str, timeout: float = 50
    ) -> subprocess.CompletedProcess[str]:
        with start(mesh, *words) as process:
            out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return invoke
