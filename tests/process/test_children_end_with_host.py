"""When a host is gone nothing of it runs, and a host that starts makes sure of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paglets.supervise.children import ChildrenList, end_orphans, read_children
from paglets.supervise.identity import ProcessIdentity, boot_id, process_start
from paglets.testing.waiting import wait_until
from tests.process.supervise_support import ROOT, environment, is_alive


def start_host(method: str, folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.process.supervise_host", method, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    assert host.stdout is not None
    return host, [int(pid) for pid in host.stdout.readline().split()]


@pytest.mark.parametrize(("method", "count"), [("forkserver", 7), ("spares", 9), ("spawn", 6)])
def test_no_process_outlives_a_killed_host_whatever_holds_the_gil(
    method: str, count: int, tmp_path: Path
) -> None:
    host, pids = start_host(method, tmp_path)
    with host:
        assert len(pids) == count
        assert all(is_alive(pid) for pid in pids)
        host.kill()
        wait_until(lambda: not any(map(is_alive, pids)), timeout=2, what="all gone")


def test_no_process_outlives_a_host_killed_after_its_forkserver(tmp_path: Path) -> None:
    host, pids = start_host("forkserver", tmp_path)
    with host:
        os.kill(pids[-1], signal.SIGKILL)
        host.kill()
        wait_until(lambda: not any(map(is_alive, pids)), timeout=2, what="all gone")


def start_orphan() -> tuple[subprocess.Popen[bytes], ProcessIdentity]:
    child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    start = process_start(child.pid)
    assert start is not None
    return child, ProcessIdentity(child.pid, start, boot_id())


def write_children(path: Path, *identities: ProcessIdentity) -> None:
    listing = ChildrenList(path)
    for identity in identities:
        listing.add(identity)
    listing.close()


def test_a_starting_host_ends_what_the_last_run_left(tmp_path: Path) -> None:
    path = tmp_path / "children"
    child, identity = start_orphan()
    with child:
        write_children(path, identity)
        report = end_orphans(path, timeout=5)
        assert report.ended == (identity,)
        assert report.alive == ()
        assert child.wait(5) == -signal.SIGKILL
    assert read_children(path) == []


def test_a_process_with_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "children"
    child, identity = start_orphan()
    with child:
        write_children(
            path,
            ProcessIdentity(identity.pid, "1", identity.boot_id),
            ProcessIdentity(identity.pid, identity.start, "another-boot"),
        )
        report = end_orphans(path, timeout=5)
        assert report.ended == report.alive == ()
        assert child.poll() is None
        child.kill()


def test_a_process_that_does_not_go_is_told_and_stays_listed(tmp_path: Path) -> None:
    path = tmp_path / "children"
    child, identity = start_orphan()
    with child:
        write_children(path, identity)
        report = end_orphans(path, timeout=0)
        assert report.alive == (identity,)
        assert read_children(path) == [identity]
