"""The gate: whether messages are let in, who is inside, and what waits for it.

Closed for a life-cycle call, it turns `stopping` true and ends every wait of the paglet; the call
then waits until nobody is inside. If the call fails the gate opens again.
"""

import threading
from collections.abc import Callable

from paglets.agent.statelock import StateLock, wait_until


class Gate:
    """Lets messages in. All methods may be called in any thread."""

    def __init__(self, lock: StateLock) -> None:
        self._lock = lock
        self._changed = threading.Condition(threading.Lock())
        self._is_open = False
        self._closings = 0
        self._inside = 0
        self._queued = 0
        self._waiters = 0
        self._bells = 0
        self._rounds = 0
        self.is_closed = False
        """Whether a life-cycle call has closed it: what `stopping` tells."""

    def open(self, queued: int = 0) -> None:
        """Let messages in; `queued` of them wait at the host."""
        with self._changed:
            self._is_open, self.is_closed, self._queued = True, False, queued
            self._changed.notify_all()

    def shut(self) -> None:
        """Keep messages out, but end no wait any more: the paglet stays after all."""
        with self._changed:
            self._is_open, self.is_closed = False, False

    @property
    def is_open(self) -> bool:
        """Whether messages are let in."""
        return self._is_open

    def close(self) -> None:
        """Let nobody in and end all waits."""
        with self._changed:
            self._is_open, self.is_closed = False, True
            self._closings += 1
            self._changed.notify_all()
        self._lock.notify_all()

    def enter(self, *, queued: bool) -> bool:
        """Count a message as inside; False if the gate is shut."""
        with self._changed:
            if not self._is_open:
                return False
            self._inside += 1
            if queued and self._queued:
                self._queued -= 1
            return True

    def leave(self) -> None:
        """Count it out again, after its answer was sent."""
        with self._changed:
            self._inside -= 1
            if not self._inside and self.is_closed:
                self._changed.notify_all()

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nobody is inside; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._inside, timeout)

    def sleep(self, seconds: float) -> bool:
        """Wait; True as soon as the gate is closed, False after `seconds`."""
        with self._changed:
            return self._changed.wait_for(self._closing_watch(), seconds)

    def note_queued(self, count: int) -> None:
        """Learn that so many messages wait behind the present one."""
        with self._changed:
            self._queued = count
            self._changed.notify_all()

    def notify(self, *, everyone: bool) -> None:
        """Wake one or all that are in `wait_message` now."""
        with self._changed:
            if everyone:
                self._rounds += 1
            else:
                self._bells = min(self._bells + 1, self._waiters)
            self._changed.notify_all()

    def wait_message(self, timeout: float) -> bool:
        """Wait until a message is queued or a notification comes; False if time or stay is over."""
        with self._changed:
            closing, rounds = self._closing_watch(), self._rounds
            self._waiters += 1
            self._changed.wait_for(
                lambda: self._queued or self._bells or self._rounds != rounds or closing(), timeout
            )
            self._waiters -= 1
            if self._queued or self._rounds != rounds:
                return True
            if self._bells:
                self._bells -= 1
                return True
            return False

    def wait_state(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Wait under the State Lock until `predicate()`, the end of time or of the stay."""
        closing = self._closing_watch()
        answer = False

        def settled() -> bool:
            nonlocal answer
            answer = predicate()
            return answer or closing()

        self._lock.acquire()
        try:
            wait_until(self._lock, settled, timeout)
            return answer
        finally:
            self._lock.release()

    def _closing_watch(self) -> Callable[[], bool]:
        before = self._closings
        # By number too: who waits must notice a gate that was closed and opened in between.
        return lambda: self.is_closed or self._closings != before
