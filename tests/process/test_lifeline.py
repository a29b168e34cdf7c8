"""A process with a lifeline ends with the pipe's other end, by kernel or by thread."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from paglets.testing.waiting import wait_until
from tests.process.supervise_support import ROOT, is_alive

SCRIPT = """
import os, subprocess, sys, threading
from paglets.supervise import lifeline
arm, fd, how = sys.argv[1:]
match arm:
    case "kernel":
        lifeline.arm_kernel_lifeline(int(fd), -os.getpid())
    case "kernel-alone":
        lifeline.arm_lifeline(int(fd), is_whole_group=False)
    case "thread":
        lifeline.start_lifeline_thread(int(fd))
grandchild = subprocess.Popen(["/bin/sleep", "600"])
print(grandchild.pid, flush=True)
if how == "busy":
    pow(3, 10**9)
threading.Event().wait(600)
"""


class Tied:
    def __init__(self, arm: str, how: str, *, is_cut: bool = False) -> None:
        read, self.write = os.pipe()
        if is_cut:
            os.close(self.write)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, arm, str(read), how],
            pass_fds=[read],
            start_new_session=True,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        os.close(read)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()


@pytest.fixture
def tied() -> Iterator[list[Tied]]:
    made: list[Tied] = []
    yield made
    for each in made:
        with each.process as process:
            process.kill()


@pytest.mark.parametrize(
    ("arm", "how"),
    [
        ("kernel", "idle"),
        ("kernel", "busy"),
        ("thread", "idle"),
    ],
)
def test_the_group_ends_when_the_lifeline_is_cut(tied: list[Tied], arm: str, how: str) -> None:
    one = Tied(arm, how)
    tied.append(one)
    assert one.process.poll() is None
    os.close(one.write)
    assert one.process.wait(timeout=2) == -signal.SIGKILL
    wait_until(lambda: not is_alive(int(one.said)), timeout=2, what="grandchild gone")


@pytest.mark.parametrize("arm", ["kernel", "kernel-alone", "thread"])
def test_a_lifeline_that_is_cut_already_ends_the_process(tied: list[Tied], arm: str) -> None:
    one = Tied(arm, "idle", is_cut=True)
    tied.append(one)
    assert one.process.wait(timeout=5) == -signal.SIGKILL


def test_each_process_has_a_lifeline_of_its_own(tied: list[Tied]) -> None:
    tied += [Tied("kernel", "idle") for _ in range(2)]
    os.close(tied[0].write)
    assert tied[0].process.wait(timeout=2) == -signal.SIGKILL
    assert tied[1].process.poll() is None
    os.close(tied[1].write)


def test_a_lifeline_of_a_process_alone_spares_its_group(tied: list[Tied]) -> None:
    one = Tied("kernel-alone", "busy")
    tied.append(one)
    os.close(one.write)
    assert one.process.wait(timeout=2) == -signal.SIGKILL
    assert is_alive(int(one.said))
    os.kill(int(one.said), signal.SIGKILL)
