"""Processes that run kernels, so that the paglet's own stays free to answer.

They are in the paglet's process group and end with its standard input to them, so none outlives
it. Plain subprocesses and pipes: a Paglet Process has threads, which a fork would not survive.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import paglets
from paglets.examples.performance.kernels.rates import Rate, together

PROGRAM = "paglets.examples.performance.kernels.program"
START_SECONDS = 20.0
"""Longest start of the processes, on a machine that has other things to do."""
_LOOK_SECONDS = 0.1
"""Between two looks whether to stop."""

Stop = Callable[[], bool]
"""Says whether to give up."""
Answers = list[dict[str, object]]


class KernelError(Exception):
    """A kernel could not run; the message is the reason, for people."""


class StoppedError(Exception):
    """The pool was asked to stop while a kernel ran."""


class KernelPool:
    """Starts processes as they are needed and has them run kernels; used from one thread.

    Args:
        stop: Asked while kernels run; True gives up.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(
        self, request: Mapping[str, object], *, processes: int, timeout: float
    ) -> dict[str, Rate]:
        """Run a kernel in so many processes at once; return the sums of their rates by name.

        Args:
            request: As `kernels/program.py` reads it.
            processes: How many.
            timeout: Seconds for the answers.

        Raises:
            KernelError: It failed in one of them, or was too slow.
            StoppedError: It was asked to stop.
        """
        self._grow(processes)
        chosen = self._processes[:processes]
        line = json.dumps(request).encode() + b"\n"
        for process in chosen:
            _input(process).write(line)
        answers = self._answers(chosen, timeout)
        for answer in answers:
            if "error" in answer:
                raise KernelError(str(answer["error"]))
        tables = [_rates(answer) for answer in answers]
        return {name: together([table[name] for table in tables]) for name in tables[0]}

    def close(self) -> None:
        """Kill all processes and wait for them; a second time nothing happens."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()

    def _grow(self, processes: int) -> None:
        new = [self._start() for _ in range(processes - len(self._processes))]
        self._processes += new
        if new:
            self._answers(new, START_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(
            filter(None, [str(Path(paglets.__file__).parents[1]), os.environ.get("PYTHONPATH")])
        )
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": path},
        )

    def _answers(self, processes: list[subprocess.Popen[bytes]], timeout: float) -> Answers:
        """Return one line of each; the first that ends or is late fails all."""
        deadline = time.monotonic() + timeout
        texts = dict.fromkeys(range(len(processes)), b"")
        with selectors.DefaultSelector() as selector:
            for number, process in enumerate(processes):
                selector.register(_output(process), selectors.EVENT_READ, number)
            while selector.get_map():
                if self._stop():
                    raise StoppedError
                if time.monotonic() >= deadline:
                    self.close()
                    raise KernelError(f"no result within {timeout:.0f} s")
                for key, _ in selector.select(_LOOK_SECONDS):
                    found = os.read(key.fd, 65536)
                    if not found:
                        self.close()
                        raise KernelError("its process ended; the memory may not have sufficed")
                    texts[key.data] += found
                    if found.endswith(b"\n"):
                        selector.unregister(key.fileobj)
        return [json.loads(texts[number]) for number in sorted(texts)]


def _rates(answer: Mapping[str, object]) -> dict[str, Rate]:
    rates = answer["rates"]
    assert isinstance(rates, dict)
    return {name: Rate(**fields) for name, fields in rates.items()}


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout
