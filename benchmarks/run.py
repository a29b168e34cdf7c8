"""Measure every figure of DESIGN.md §12 on this machine.

    python -m benchmarks [--quick] [--only NAME]... [--json FILE] [--compare FILE]

Real hosts on loopback, clients on the same machine: its cores are shared by all. Each row is the
best of some rounds' medians, printed with the spread of the rounds. A row that cannot be measured
stands in the table with the reason, one that fails too, and the exit code is 1 then. What the mesh
does in simulation is measured at length by `benchmarks/mesh_figures.py`, parts of a host by the
other programs in this folder.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

if not __package__:  # run as a file: `benchmarks` itself is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import containers, lives, meshes, messages, moves, residents
from benchmarks.bench import Effort, NotMeasuredError
from benchmarks.figures import Figure, table

ROW_TIMEOUT = 420.0
"""Seconds one row may take before it is given up."""

ROWS: dict[str, Callable[[Effort], Awaitable[list[Figure]]]] = {
    "create": lives.creation,
    "create-preloaded": lives.preloaded,
    "memory": lives.memory,
    "builtins": residents.builtins,
    "message": messages.from_client,
    "message-durable": messages.durable,
    "paglets": messages.between_paglets,
    "dispatch": moves.small,
    "dispatch-64m": moves.large,
    "dispatch-1g": moves.huge,
    "clones-32": moves.clones,
    "clones-1000": moves.swarm,
    "sleep": lives.sleep,
    "start": lives.host_start,
    "help": lives.command_help,
    "mesh-3": meshes.small,
    "mesh-16": meshes.sixteen,
    "mesh-idle": meshes.idle,
    "mesh-simulated": meshes.simulated,
    "container": containers.container,
}


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "fsync_ms": round(fsync_ms(), 3),
        "synced_write_mib_per_s": round(synced_write_rate()),
    }


def quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes event loops: uvloop where it is installed, as hosts do."""
    try:
        import uvloop  # optional: the `speed` extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def fsync_ms() -> float:
    """Return the median of appending 4 KiB and syncing it."""
    with tempfile.TemporaryFile() as file:
        times = []
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def synced_write_rate(size: int = 128 * 1024**2) -> float:
    """Return MiB a second of writing and syncing a file."""
    chunk = os.urandom(1024**2)
    with tempfile.TemporaryFile() as file:
        began = time.perf_counter()
        for _ in range(size // len(chunk)):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        return size / 1024**2 / (time.perf_counter() - began)


@dataclass(slots=True)
class Run:
    """What one call measured."""

    figures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Why rows were not measured, by name."""
    failures: int = 0
    """How many of these failed, beside those that this machine does not allow."""

    async def measure(self, name: str, effort: Effort) -> None:
        """Run a row; one that fails is told, so that the others go on."""
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            async with asyncio.timeout(ROW_TIMEOUT):
                found = await ROWS[name](effort)
        except NotMeasuredError as error:
            self._leave_out(name, str(error))
            return
        except Exception as error:  # noqa: BLE001 - the border of a row: told, the others go on
            self.failures += 1
            self._leave_out(name, f"failed: {type(error).__name__}: {error}")
            return
        for figure in found:
            print(f"  {figure.goal.what}: {figure.value:.3f} {figure.goal.unit}", file=sys.stderr)
        self.figures += found

    def _leave_out(self, name: str, reason: str) -> None:
        print(f"  {reason}", file=sys.stderr)
        self.missing[name] = " ".join(reason.split())[:200]


async def measure(names: list[str], effort: Effort) -> Run:
    """Run rows one after the other."""
    run = Run()
    for name in names:
        await run.measure(name, effort)
    return run


def main() -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no 1 GiB, no 1,000")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="this row alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="figures of an earlier run")
    options = parser.parse_args()
    # As after `pip install`, which compiles: else each start would compile the package anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    earlier = None
    if options.compare is not None:
        saved = json.loads(options.compare.read_text())
        earlier = {row["goal"]["name"]: row["value"] for row in saved["figures"]}
    facts = machine()
    with asyncio.Runner(loop_factory=quick_loop()) as runner:
        run = runner.run(measure(options.only or list(ROWS), Effort(quick=options.quick)))
    print(", ".join(f"{name} {value}" for name, value in facts.items()), end="\n\n")
    print(table(run.figures, earlier, run.missing))
    if options.json is not None:
        rows = [figure.to_json() for figure in run.figures]
        saved = {"machine": facts, "figures": rows, "missing": run.missing}
        options.json.write_text(json.dumps(saved, indent=1))
    return 1 if run.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
