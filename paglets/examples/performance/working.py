"""The working part of PerformanceBenchmarkAgent: take the lock, measure, report."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paglets import Message, PagletProxyRef, PagletsError
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
REPORT_SECONDS = 60.0
"""For how long a report is repeated while the parent cannot be reached."""


class Worker:
    """Measures one host. Lives in the worker's process, in the thread of `run()`.

    Args:
        paglet: The worker.
        parent: Whom it reports to.
    """

    def __init__(self, paglet: "PerformanceBenchmarkAgent", parent: PagletProxyRef) -> None:
        self._paglet = paglet
        self._parent = parent
        self._host = paglet.context.host_name
        self._began = time.monotonic()
        self._waited = 0.0

    def work(self) -> None:
        """Measure under the lock and report; return early when the paglet is to leave."""
        lock = BenchmarkLock(lock_folder(), self._host)
        try:
            if self._take(lock):
                try:
                    found = self._measure()
                finally:
                    lock.release()
                self._report(found)
        except StoppedError:
            if not self._paglet.stopping:
                self.give_up("too slow: the time for all of it is over")
        except OSError as error:
            self.give_up(str(error))

    def give_up(self, reason: str) -> None:
        """Tell the parent that nothing will come, and why."""
        self._report(Finding(self._host, reason, self._waited))

    def _take(self, lock: BenchmarkLock) -> bool:
        """Wait for the lock; return False when the paglet is to leave.

        Raises:
            OSError: The lock's folder cannot be used.
            StoppedError: The time is over.
        """
        began = time.monotonic()
        told = ""
        while not lock.take_nowait():
            self._waited = time.monotonic() - began
            text = f"waits for {lock.holder()}"
            if text != told:
                told = text
                self._note(Phase.WAITING, text)
            if self._paglet.sleep(RETRY_SECONDS):
                return False
            if self._is_late():
                raise StoppedError
        self._waited = time.monotonic() - began if told else 0.0
        return True

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
        return time.monotonic() - self._began > self._paglet.state.left

    def _note(self, phase: Phase, text: str) -> None:
        note = Note(self._host, phase, text, self._waited)
        try:
            self._paglet.send_oneway(self._parent, Message.of(note))
        except PagletsError as error:
            print(f"note to the parent: {error}")  # noqa: T201 - to the paglet's log

    def _report(self, found: Finding) -> None:
        left = self._paglet.state.left - (time.monotonic() - self._began)
        seconds = max(1.0, min(REPORT_SECONDS, left))
        try:
            self._paglet.send(self._parent, Message.of(found), timeout=seconds, retry_for=seconds)
        except PagletsError as error:
            print(f"report to the parent: {error}")  # noqa: T201 - to the paglet's log
