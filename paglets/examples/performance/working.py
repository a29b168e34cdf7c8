"""The working part of PerformanceBenchmarkAgent: take the lock and measure."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paglets import Message, PagletsError
from paglets.examples.crew import Phase
from paglets.examples.performance.course import run_course
from paglets.examples.performance.lock import BenchmarkLock, lock_folder
from paglets.examples.performance.model import Finding, Note
from paglets.examples.performance.pool import KernelPool, StoppedError
from paglets.examples.performance.usable import look

if TYPE_CHECKING:
    from paglets.examples.performance.agent import PerformanceBenchmarkAgent

RETRY_SECONDS = 0.2
"""Between two attempts to take the lock."""


class Worker:
    """Measures one host. Lives in the worker's process, in the thread of `run()`.

    Args:
        paglet: The worker.
    """

    def __init__(self, paglet: "PerformanceBenchmarkAgent") -> None:
        self._paglet = paglet
        self._host = paglet.context.host_name
        self._began = time.monotonic()
        self._waited = 0.0

    def work(self) -> Finding:
        """Measure under the lock; return the figures, or why there are none."""
        lock = BenchmarkLock(lock_folder(), self._host)
        try:
            self._take(lock)
            try:
                return self._measure()
            finally:
                lock.release()
        except StoppedError:
            reason = "too slow: the time for all of it is over"
            return Finding(self._host, reason, self._waited)
        except OSError as error:
            return Finding(self._host, str(error), self._waited)

    def _take(self, lock: BenchmarkLock) -> None:
        """Wait for the lock.

        Raises:
            OSError: The lock's folder cannot be used.
            StoppedError: The time is over, or the paglet is to end.
        """
        began = time.monotonic()
        told = ""
        while not lock.take_nowait():
            self._waited = time.monotonic() - began
            text = f"waits for {lock.holder()}"
            if text != told:
                told = text
                self._note(Phase.WAITING, text)
            if self._paglet.sleep(RETRY_SECONDS) or self._is_late():
                raise StoppedError
        self._waited = time.monotonic() - began if told else 0.0

    def _measure(self) -> Finding:
        state = self._paglet.state
        folder = Path(tempfile.mkdtemp(dir=self._paglet.context.storage.work_dir()))
        pool = KernelPool(lambda: self._paglet.stopping or self._is_late())
        self._paglet.context.resources.register("kernels", pool.close)
        try:
            machine = look(folder)
            results = run_course(
                state.plan, machine, folder, pool, lambda text: self._note(Phase.WORKING, text)
            )
        finally:
            self._paglet.context.resources.remove("kernels")
            pool.close()
            shutil.rmtree(folder, ignore_errors=True)
        return Finding(
            self._host,
            waited=self._waited,
            machine=machine,
            figures=results.figures,
            skipped=results.skipped,
        )

    def _is_late(self) -> bool:
        return time.monotonic() - self._began > self._paglet.state.fan_out.seconds

    def _note(self, phase: Phase, text: str) -> None:
        leader = self._paglet.state.fan_out.leader
        if leader is None:
            return
        note = Note(self._host, phase, text, self._waited)
        try:
            self._paglet.send_oneway(leader, Message.of(note))
        except PagletsError as error:
            print(f"note to the leader: {error}")  # noqa: T201 - to the paglet's log
