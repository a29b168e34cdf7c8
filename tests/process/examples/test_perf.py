"""`paglets examples perf` on three real hosts of one machine."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paglets.examples.performance.lock import BenchmarkLock
from paglets.examples.performance.model import TESTS
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.examples.conftest import left_over, start

pytestmark = pytest.mark.slow

KERNELS = b"paglets.examples.performance.kernels.program"


def measuring(lock_folder: Path) -> set[int]:
    """Return the workers of these tests' hosts that have measuring processes now, by pid."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or KERNELS not in (entry / "cmdline").read_bytes():
                continue
            if str(lock_folder).encode() in (entry / "environ").read_bytes():
                found.add(int((entry / "stat").read_text().rpartition(")")[2].split()[1]))
        except OSError:  # it has just ended, or is another user's
            continue
    return found


@contextmanager
def held(lock_folder: Path) -> Iterator[None]:
    """Hold the lock, so that all workers wait."""
    lock = BenchmarkLock(lock_folder, "the test")
    wait_until(lock.take_nowait, timeout=10, what="the lock")
    try:
        yield
    finally:
        lock.release()


def workers(mesh: LocalMesh, name: str) -> list[str]:
    return [
        info.agent_id
        for info in mesh[name].observer.agents()
        if info.class_name.endswith(":PerformanceBenchmarkAgent") and info.status == "active"
    ]


def wait_workers(mesh: LocalMesh) -> None:
    expected = {"alpha": 2, "beta": 1, "gamma": 1}
    wait_until(
        lambda: {name: len(workers(mesh, name)) for name in expected} == expected,
        timeout=20,
        what="a worker on each host, and the parent on alpha",
    )


def test_all_hosts_are_measured_one_after_another_and_nothing_is_left(
    mesh: LocalMesh, lock_folder: Path, tmp_path: Path
):
    page = tmp_path / "report.html"
    options = ["--duration", "0.05", "--disk-size", "1MiB", "--json", "--html", str(page)]
    at_once: list[int] = []
    with start(mesh, "perf", *options) as process:
        while True:
            at_once.append(len(measuring(lock_folder)))
            try:
                out, err = process.communicate(timeout=0.02)
                break
            except subprocess.TimeoutExpired:
                assert len(at_once) < 3000, "it does not end"
    assert process.returncode == 0, err
    assert max(at_once) == 1
    rows = {row["host"]: row for row in json.loads(out)["hosts"]}
    assert {host: row["phase"] for host, row in rows.items()} == dict.fromkeys(
        ("alpha", "beta", "gamma"), "done"
    )
    assert sum(row["waited"] > 0 for row in rows.values()) >= 2
    for row in rows.values():
        assert [figure["test"] for figure in row["figures"]] == [test.name for test in TESTS]
        assert all(figure["value"] > 0 for figure in row["figures"])
    assert page.read_text().count("<svg") == len(TESTS)
    assert left_over(mesh) == []
    assert measuring(lock_folder) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_workers_and_leaves_nothing(mesh: LocalMesh, lock_folder: Path, number):
    with held(lock_folder), start(mesh, "perf") as process:
        wait_workers(mesh)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "Aborted" in err
        assert left_over(mesh) == []


def test_a_worker_that_is_killed_while_it_measures_is_a_row_with_its_reason(
    mesh: LocalMesh, lock_folder: Path
):
    options = ["--hosts", "beta", "--only", "memory", "--duration", "30", "--json"]
    with start(mesh, "perf", *options) as process:
        wait_until(lambda: bool(measuring(lock_folder)), timeout=20, what="a measuring process")
        (pid,) = measuring(lock_folder)
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    (row,) = json.loads(out)["hosts"]
    assert (row["phase"], row["reason"][:18]) == ("failed", "its worker crashed")
    assert left_over(mesh) == []
    wait_until(lambda: not measuring(lock_folder), timeout=10, what="the kernels' end")


def test_a_host_that_is_killed_is_a_row_with_its_reason_and_clean_when_it_is_back(
    mesh: LocalMesh, lock_folder: Path
):
    with start(mesh, "perf", "--only", "memory", "--duration", "0.05") as process:
        with held(lock_folder):
            wait_workers(mesh)
            mesh["gamma"].kill()
        out, err = process.communicate(timeout=45)
    mesh["gamma"].start()
    mesh.wait_converged()
    assert process.returncode == 1, err
    table = {line.split()[0]: line for line in out.splitlines() if line}
    assert "the host went away while it was " in table["gamma"]
    assert table["alpha"].endswith(")")
    assert "100%" in out
    wait_until(lambda: left_over(mesh) == [], timeout=20, what="nothing left")
