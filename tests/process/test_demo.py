"""`paglets demo`, for real: three hosts, a kill -9, and every claim of the story checked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paglets import DeadlineError
from paglets.examples.machine import look_around
from paglets.testing.localhost import free_ports
from paglets.testing.localmesh import LocalMesh

pytestmark = pytest.mark.slow


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    clean = {key: text for key, text in os.environ.items() if not key.startswith("PAGLETS_")}
    return subprocess.run(
        [sys.executable, "-m", "paglets", "demo", *options],
        env={**clean, "TMPDIR": str(folder), "HOME": str(folder)},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.mark.timeout(100)
def test_the_demo_holds_all_its_claims_and_leaves_nothing_behind(tmp_path: Path):
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok gamma was killed -9" in done.stdout
    assert "21 notes, each once and in order" in done.stdout
    assert re.search(r"11 claims checked, all held; nothing is left behind", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_cannot_start_is_told_with_what_it_printed(tmp_path: Path):
    mesh = LocalMesh(1, folder=tmp_path, bind="203.0.113.1")
    with pytest.raises(DeadlineError, match=r"(?s)alpha ended while it started.*assign requested"):
        mesh.start()
    mesh.close()


def test_free_ports_are_different_ones():
    ports = free_ports(5)
    assert len(set(ports)) == 5


def test_a_machine_is_read_as_it_is():
    sight = look_around("alpha")
    assert (sight.host, sight.pid) == ("alpha", os.getpid())
    assert 0 < sight.disk_free_bytes <= sight.disk_bytes
    assert 0 < sight.memory_free_bytes <= sight.memory_bytes
    assert sight.processes > 0
