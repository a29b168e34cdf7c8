"""The lane: the one thread in which queued messages and hooks run, one after the other.

It is the main thread of the process. Its end is the end of the process.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from paglets.model.errors import DeadlineError

T = TypeVar("T")

Job = Callable[[], None]


class Lane:
    """Runs jobs in order in the thread that calls `run`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.put = self._jobs.put
        """Add a job, in any thread; None ends the lane after the jobs before it."""

    def run(self) -> None:
        """Run jobs until the end. What a job raises passes on and ends the lane."""
        get = self._jobs.get
        while (job := get()) is not None:
            job()

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
    def __init__(self, code: Callable[[], T]) -> None:
        self._code = code
        self._taken = threading.Lock()
        self._done: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run(self) -> None:
        if not self._taken.acquire(blocking=False):
            return  # given up
        try:
            self._done.put((self._code(), None))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._done.put((None, error))

    def wait(self, timeout: float) -> T:
        deadline = time.monotonic() + timeout
        try:
            value, error = self._done.get(timeout=timeout)
        except queue.Empty:
            if self._taken.acquire(blocking=False):
                raise DeadlineError(f"a handler was busy for {timeout:g} s") from None
            value, error = self._done.get(timeout=max(1.0, deadline - time.monotonic() + timeout))
        if error is not None:
            raise error
        return value  # type: ignore[return-value]  # None stands beside an error only
