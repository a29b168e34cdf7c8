"""Graphics processors, as `nvidia-smi` tells of them; other makers have no such figures here.

The program can take seconds, or for ever where the driver hangs: it has a deadline, its answer is
kept for a while, and after a failure it is left alone for longer.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable

from paglets.system.server_info.contract import Gpu, Gpus

PROGRAM = "nvidia-smi"
DEADLINE = 5.0
"""Seconds the program has to answer."""
KEEP_SECONDS = 15.0
"""An answer younger than this is given again."""
RETRY_SECONDS = 300.0
"""After a failure the program is not run again for this long."""
_FIELDS = "index,name,memory.total,memory.free,utilization.gpu,temperature.gpu"
_MIB = 2**20

Run = Callable[[str], str]
"""Runs the program at a path and returns what it prints; OSError or ValueError if it fails."""


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Return the processors that the program's comma-separated lines tell of.

    Lines that tell of none, such as warnings, are left out; figures it does not know are None, or 0
    for memory.
    """
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        # A name may hold commas; the other fields stand on both sides of it.
        if len(cells) < 6 or not cells[0].isdigit():
            continue
        total, free, use, temperature = map(_number, cells[-4:])
        found.append(
            Gpu(
                index=int(cells[0]),
                name=", ".join(cells[1:-4]),
                memory_total_bytes=int((total or 0) * _MIB),
                memory_free_bytes=int((free or 0) * _MIB),
                use=None if use is None else use / 100,
                temperature_celsius=temperature,
            )
        )
    return tuple(found)


def _number(cell: str) -> float | None:
    """Return a figure; None for `[N/A]`, `[Not Supported]` and what else is no amount."""
    return float(cell) if cell.replace(".", "", 1).isdecimal() else None


def run_program(path: str) -> str:
    """Return what the program prints.

    Raises:
        OSError: It cannot be run.
        ValueError: It failed or took too long; says which.
    """
    command = [path, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    process = subprocess.Popen(  # noqa: S603 - found on the PATH of the host's user, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output, _ = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        _give_up(process)
        raise ValueError(f"{PROGRAM} did not answer within {DEADLINE:g} s") from None
    text = output.decode(errors="replace")
    if process.returncode != 0:
        first = next((line for line in text.splitlines() if line.strip()), "")
        raise ValueError(f"{PROGRAM} ended with {process.returncode}: {first.strip()[:200]}")
    return text


def _give_up(process: subprocess.Popen[bytes]) -> None:
    """Kill the program, and wait a moment: inside a hung driver it does not even end then."""
    process.kill()
    if process.stdout is not None:
        process.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


class GpuReader:
    """Asks for the processors of one machine, seldom. Used from one thread.

    Args:
        run: Runs the program; another one in tests.
        clock: Seconds that only grow.
    """

    def __init__(self, run: Run = run_program, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._last = Gpus()
        self._good_until = -1.0

    def read(self) -> Gpus:
        """Return the processors as they were at most KEEP_SECONDS ago, or why there are none."""
        path = shutil.which(PROGRAM)
        if path is None:
            return Gpus(note=f"there is no {PROGRAM} on this host")
        if self._clock() >= self._good_until:
            self._last, keep = self._ask(path)
            self._good_until = self._clock() + keep
        return self._last

    def _ask(self, path: str) -> tuple[Gpus, float]:
        try:
            return Gpus(parse_gpus(self._run(path))), KEEP_SECONDS
        except (OSError, ValueError) as error:
            return Gpus(note=str(error)), RETRY_SECONDS
