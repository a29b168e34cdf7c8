"""The tests of one host, one after another, within what the host may use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, assert_never

from paglets.examples.performance.kernels.rates import Rate
from paglets.examples.performance.model import (
    MIB,
    TESTS,
    BenchmarkTest,
    Figure,
    Kind,
    Machine,
    Plan,
    Skipped,
)
from paglets.examples.performance.pool import KernelError
from paglets.examples.performance.usable import processes_for

SLACK_SECONDS = 30.0
"""What a test may take beyond its seconds: an fsync on a busy disk, a machine under load."""
MEMORY_BYTES = 64 * MIB
"""Buffer of the memory tests: larger than most caches."""
LEAST_BYTES = MIB
"""Less memory or disk than this is not worth a test."""
_MEMORY_SHARE = 8
"""A buffer is at most such a part of the free memory; copying takes two."""
_DISK_SHARE = 10
"""A file is at most such a part of the free disk."""
_PROCESS_BYTES = 16 * MIB
"""Memory of one measuring process, reckoned high."""


class Runner(Protocol):
    """Runs kernels: a KernelPool, or a fake in tests."""

    def run(self, request: dict[str, object], *, processes: int, timeout: float) -> dict[str, Rate]:
        """See `KernelPool.run`."""


@dataclass
class Results:
    """What a course found."""

    figures: list[Figure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def run_course(
    plan: Plan, machine: Machine, folder: Path, runner: Runner, note: Callable[[str], None]
) -> Results:
    """Run all tests of the plan; a test that cannot run is skipped with its reason.

    Args:
        plan: What to test.
        machine: What may be used.
        folder: Where files are written; removed by the caller.
        runner: Runs the kernels.
        note: Told what is tested now.

    Raises:
        StoppedError: The runner was asked to stop.
    """
    results = Results()
    wanted = [test for test in TESTS if test.kind in plan.kinds]
    kernels = dict.fromkeys((test.kernel, test.on_all_cores) for test in wanted)
    for kernel, on_all_cores in kernels:
        # One kernel may give several figures: what was written is read again.
        tests = [t for t in wanted if (t.kernel, t.on_all_cores) == (kernel, on_all_cores)]
        note(" and ".join(test.name for test in tests))
        try:
            size_bytes, remark = size_for(tests[0], plan, machine)
            processes = processes_for(machine.cores) if on_all_cores else 1
            request: dict[str, object] = {
                "kernel": kernel, "seconds": plan.seconds, "bytes": size_bytes,
                "folder": str(folder),
            }  # fmt: skip
            timeout = plan.seconds * 3 + SLACK_SECONDS
            rates = runner.run(request, processes=processes, timeout=timeout)
        except KernelError as error:
            results.skipped += [Skipped(test.name, str(error)) for test in tests]
            continue
        for test in tests:
            rate = rates[test.name if test.name in rates else test.kernel]
            results.figures.append(Figure(test.name, rate.median, rate.low, rate.high))
            if remark:
                results.skipped.append(Skipped(test.name, remark))
    results.skipped += [
        Skipped(test.name, "not asked for") for test in TESTS if test.kind not in plan.kinds
    ]
    return results


def size_for(test: BenchmarkTest, plan: Plan, machine: Machine) -> tuple[int, str]:
    """Return the bytes a test works on, and a remark if they are less than it should be.

    Raises:
        KernelError: There is no room for it.
    """
    match test.kind:
        case Kind.CPU:
            needed = processes_for(machine.cores) * _PROCESS_BYTES if test.on_all_cores else 0
            if needed > machine.memory_bytes:
                raise KernelError(
                    f"{_mib(needed)} of memory for its processes, {_mib(machine.memory_bytes)} free"
                )
            return 0, ""
        case Kind.MEMORY:
            room = machine.memory_bytes // _MEMORY_SHARE
            return _fitting(MEMORY_BYTES, room, f"{_mib(machine.memory_bytes)} of memory free")
        case Kind.DISK:
            room = machine.disk_bytes // _DISK_SHARE
            return _fitting(plan.disk_bytes, room, f"{_mib(machine.disk_bytes)} of disk free")
        case _:
            assert_never(test.kind)


def _fitting(wanted: int, room: int, what: str) -> tuple[int, str]:
    if min(wanted, room) < min(wanted, LEAST_BYTES):
        raise KernelError(f"only {what}")
    if room < wanted:
        return room, f"with {_mib(room)} instead of {_mib(wanted)}: {what}"
    return wanted, ""


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.0f} MiB"
