"""The tests of one host keep to what it may use, and say what was skipped and why."""

from pathlib import Path

import pytest

from paglets.examples.performance.course import MEMORY_BYTES, run_course
from paglets.examples.performance.kernels.rates import Rate
from paglets.examples.performance.model import MIB, TESTS, Kind, Machine, Plan
from paglets.examples.performance.pool import KernelError

ROOMY = Machine(cores=2.0, memory_bytes=8192 * MIB, disk_bytes=8192 * MIB)


class FakeRunner:
    """Answers every kernel; one may be broken."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.asked: list[tuple[str, int, int]] = []

    def run(self, request, *, processes, timeout):
        kernel = str(request["kernel"])
        self.asked.append((kernel, processes, int(str(request["bytes"]))))
        if kernel == self.broken:
            raise KernelError("no space left")
        names = ("write", "read") if kernel == "sequential" else (kernel,)
        return {name: Rate(2.0, 1.0, 3.0) for name in names}


def course(plan: Plan, machine: Machine = ROOMY, broken: str = ""):
    runner, notes = FakeRunner(broken), []
    return run_course(plan, machine, Path("/tmp"), runner, notes.append), runner, notes


def test_all_tests_are_run_once_and_shown_while_they_run():
    results, runner, notes = course(Plan())
    assert [figure.test for figure in results.figures] == [test.name for test in TESTS]
    assert results.skipped == []
    assert "write and read" in notes
    assert ("integer", 1, 0) in runner.asked
    assert ("integer", 2, 0) in runner.asked
    assert ("sequential", 1, 64 * MIB) in runner.asked


def test_what_was_not_asked_for_is_said():
    results, runner, _ = course(Plan(kinds=[Kind.MEMORY]))
    assert [figure.test for figure in results.figures] == ["copy", "scan"]
    assert {skipped.reason for skipped in results.skipped} == {"not asked for"}
    assert len(runner.asked) == 2


def test_a_test_that_cannot_run_is_skipped_and_the_others_go_on():
    results, _, _ = course(Plan(), broken="sequential")
    assert [(s.test, s.reason) for s in results.skipped] == [
        ("write", "no space left"),
        ("read", "no space left"),
    ]
    assert len(results.figures) == len(TESTS) - 2


def test_a_full_disk_gets_a_smaller_file_and_that_is_said():
    machine = Machine(cores=1.0, memory_bytes=8192 * MIB, disk_bytes=100 * MIB)
    results, runner, _ = course(Plan(kinds=[Kind.DISK]), machine)
    assert ("sequential", 1, 10 * MIB) in runner.asked
    remark = "with 10 MiB instead of 64 MiB: 100 MiB of disk free"
    assert ("write", remark) in [(s.test, s.reason) for s in results.skipped]


@pytest.mark.parametrize(
    ("kind", "names"),
    [(Kind.DISK, {"write", "read", "small files"}), (Kind.MEMORY, {"copy", "scan"})],
)
def test_no_room_is_no_test(kind, names):
    machine = Machine(cores=1.0, memory_bytes=MIB, disk_bytes=MIB)
    results, runner, _ = course(Plan(kinds=[kind]), machine)
    assert runner.asked == []
    assert {s.test for s in results.skipped if "free" in s.reason} == names


def test_all_cores_need_memory_for_their_processes():
    machine = Machine(cores=64.0, memory_bytes=512 * MIB, disk_bytes=0)
    results, runner, _ = course(Plan(kinds=[Kind.CPU]), machine)
    assert {processes for _, processes, _ in runner.asked} == {1}
    assert sum("of memory for its processes" in s.reason for s in results.skipped) == 3


def test_memory_is_not_used_up():
    machine = Machine(cores=1.0, memory_bytes=80 * MIB, disk_bytes=0)
    _, runner, _ = course(Plan(kinds=[Kind.MEMORY]), machine)
    assert {size for _, _, size in runner.asked} == {10 * MIB}
    assert MEMORY_BYTES > 10 * MIB
