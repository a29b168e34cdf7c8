"""Measure the figures of DESIGN.md §12 that concern one to three hosts.

    python -m benchmarks [--quick] [--only NAME]... [--json FILE] [--compare FILE]

Real hosts on loopback, clients on the same machine: its cores are shared by all. Each row is the
best of some rounds' medians, printed with the spread of the rounds. The mesh's figures are measured
by `benchmarks/mesh_figures.py`, those of parts by the other programs in this folder.
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
from pathlib import Path

if not __package__:  # run as a file: `benchmarks` itself is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import lives, messages, moves
from benchmarks.bench import Effort
from benchmarks.figures import Figure, table

ROW_TIMEOUT = 300.0
"""Seconds one row may take before it is given up."""

ROWS: dict[str, Callable[[Effort], Awaitable[list[Figure]]]] = {
    "create": lives.creation,
    "create-preloaded": lives.preloaded,
    "memory": lives.memory,
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


async def measure(names: list[str], effort: Effort) -> list[Figure]:
    """Run rows one after the other; one that fails is told and left out."""
    figures: list[Figure] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            async with asyncio.timeout(ROW_TIMEOUT):
                found = await ROWS[name](effort)
        except Exception as error:  # noqa: BLE001 - the border of a row: told, the others go on
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        for figure in found:
            print(f"  {figure.goal.what}: {figure.value:.3f} {figure.goal.unit}", file=sys.stderr)
        figures += found
    return figures


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
        figures = runner.run(measure(options.only or list(ROWS), Effort(quick=options.quick)))
    print(", ".join(f"{name} {value}" for name, value in facts.items()), end="\n\n")
    print(table(figures, earlier))
    if options.json is not None:
        rows = [figure.to_json() for figure in figures]
        options.json.write_text(json.dumps({"machine": facts, "figures": rows}, indent=1))
    return 0 if len(figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
