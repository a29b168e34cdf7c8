"""The program of the processes that measure, run by `python -m`.

It reads one JSON request a line and answers each with one line. It ends when its standard input
does, at once and whatever runs: that is how it goes with the paglet that started it, even if that
was killed. Neighbour: `pool.py`, which starts it.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from paglets.examples.performance.kernels import cpu, disk, memory
from paglets.examples.performance.kernels.rates import Rate, measure

READY = {"ready": True}
"""The first line it writes."""

Request = Mapping[str, object]
Rates = dict[str, Rate]


def _cpu(request: Request) -> Rates:
    kernels = {"integer": cpu.integer_batch, "float": cpu.float_batch, "sha256": cpu.hash_batch}
    kernel = str(request["kernel"])
    return {kernel: measure(kernels[kernel], _seconds(request))}


def _memory(request: Request) -> Rates:
    kernels = {"copy": memory.copy_kernel, "scan": memory.scan_kernel}
    kernel = str(request["kernel"])
    return {kernel: measure(kernels[kernel](_bytes(request)), _seconds(request))}


def _sequential(request: Request) -> Rates:
    folder, seconds = Path(str(request["folder"])), _seconds(request)
    written, read = disk.sequential(folder, _bytes(request), seconds)
    return {"write": written.rate, "read": read.rate}


def _small(request: Request) -> Rates:
    return {"small": disk.small_files(Path(str(request["folder"])), _seconds(request))}


RUNNERS: Mapping[str, Callable[[Request], Rates]] = {
    "integer": _cpu, "float": _cpu, "sha256": _cpu, "copy": _memory, "scan": _memory,
    "sequential": _sequential, "small": _small,
}  # fmt: skip
"""Who answers which kernel."""


def answer(request: Request) -> dict[str, object]:
    """Return what a request measured: `rates` by name, or `error` as one line."""
    try:
        rates = RUNNERS[str(request["kernel"])](request)
    except (OSError, MemoryError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"rates": {name: asdict(rate) for name, rate in rates.items()}}


def main() -> None:
    """Answer requests until standard input ends."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    _say(READY)
    while True:
        _say(answer(json.loads(requests.get())))


def _listen(requests: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # nobody is left to answer; a kernel in C would hold up any other end


def _say(reply: object) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def _seconds(request: Request) -> float:
    return float(str(request["seconds"]))


def _bytes(request: Request) -> int:
    return int(str(request["bytes"]))


if __name__ == "__main__":
    main()
