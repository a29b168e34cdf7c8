"""Times within which an author's code is to end, looked after by whoever reads the pipe.

Somebody always reads: the lane while it waits, the stand-in in its place while it is busy (see
`reading.py`). So a watch costs no thread and no system call; its time bounds the wait for the
host's next word, and is told by who waits.
"""

import time
from collections.abc import Callable
from types import TracebackType


class Watchdog:
    """The watches of one paglet. Safe in threads."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self.began: Callable[[], None] = _nobody_reads
        """Called when a watch begins: who waits already does not know of it."""

    def watch(self, seconds: float, tell: Callable[[], object]) -> "Watch":
        """Return a context manager; if it is not left within `seconds`, `tell` is called, once."""
        return Watch(self, seconds, tell)

    def begin(self, watch: "Watch") -> None:
        """Look after a watch from now on."""
        self._watches.add(watch)
        self.began()

    def end(self, watch: "Watch") -> None:
        """Look after it no longer."""
        self._watches.discard(watch)

    def limit(self, timeout: float | None) -> float | None:
        """Return for how long one may wait who wants to wait for `timeout` seconds, or None."""
        if not self._watches:
            return timeout
        now = time.monotonic()
        left = [max(watch.deadline - now, 0.0) for watch in self._watches.copy()]
        return min(left if timeout is None else [*left, timeout], default=timeout)

    def look(self) -> None:
        """Tell of those whose time is over."""
        if not self._watches:
            return
        now = time.monotonic()
        for watch in self._watches.copy():
            if watch.deadline <= now:
                self.end(watch)
                watch.tell()


class Watch:
    """One time within which something is to end. Made by `Watchdog.watch`."""

    __slots__ = ("_dog", "_seconds", "deadline", "tell")

    def __init__(self, dog: Watchdog, seconds: float, tell: Callable[[], object]) -> None:
        self._dog = dog
        self._seconds = seconds
        self.tell = tell
        self.deadline = 0.0

    def __enter__(self) -> None:
        self.deadline = time.monotonic() + self._seconds
        self._dog.begin(self)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._dog.end(self)


def _nobody_reads() -> None:
    """Nobody waits yet."""
