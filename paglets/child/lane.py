"""The lane: the one thread in which queued messages and hooks run, one after the other.

It is the main thread of the process. Its end is the end of the process.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from paglets.child.reading import Reading
from paglets.model.errors import DeadlineError

T = TypeVar("T")

Job = Callable[[], None]


class Lane:
    """Runs jobs in order in the thread that calls `run`, and reads the pipe when there are none."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._jobs: deque[Job | None] = deque()

    def put(self, job: Job | None) -> None:
        """Add a job, in any thread; None ends the lane after the jobs before it."""
        self._jobs.append(job)
        self._reading.interrupt()

    def run(self) -> None:
        """Run jobs until the end. What a job raises passes on and ends the lane."""
        jobs, reading = self._jobs, self._reading
        has_jobs = jobs.__len__
        while True:
            if not jobs and not reading.lead(lambda: has_jobs() > 0):
                return
            job = jobs.popleft()
            if job is None:
                return
            reading.begin_job()
            job()
            reading.end_job()

    def result_of(self, code: Callable[[], T], timeout: float) -> T:
        """Run `code` between two jobs and return what it returns, or raise what it raises.

        Called in other threads than the lane's.

        Raises:
            DeadlineError: The lane was busy for `timeout` seconds; `code` will not run.
        """
        errand = _Errand(code)
        self.put(errand.run)
        return errand.wait(timeout)


class _Errand(Generic[T]):
    """Something to be done once, unless the time for it is over."""

    def __init__(self, code: Callable[[], T]) -> None:
        self._code = code
        self._taken = threading.Lock()
        self._results: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()

    def run(self) -> None:
        """Do it; in the lane."""
        if not self._taken.acquire(blocking=False):
            return  # given up
        try:
            self._results.put(self._code())
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._results.put(error)

    def wait(self, timeout: float) -> T:
        """Return the result; once begun it gets as long again."""
        try:
            result = self._results.get(timeout=timeout)
        except queue.Empty:
            if self._taken.acquire(blocking=False):
                raise DeadlineError(f"a handler was busy for {timeout:g} s") from None
            result = self._results.get(timeout=timeout)
        if isinstance(result, Exception):
            raise result
        return result
