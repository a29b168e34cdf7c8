"""Who reads the pipe: the lane whenever it waits, else a stand-in.

Handing a message from a reading thread to a working one costs more than handling it (two threads,
one GIL: 135 of 220 µs a message were measured). So the lane reads for itself while it is idle and
while it waits for the host's answer. Only when it is busy with an author's code for a moment, or
says that it will block, a second thread reads in its place, until the lane wants to read again.
"""

import threading
import time
from collections.abc import Callable

from paglets.child.pipe import HostPipe
from paglets.child.watchdog import Watchdog
from paglets.wire.calls import ToChild

TURN = 0.002
"""Seconds between two looks of the stand-in at a busy lane: what is urgent waits two at most."""

_QUIET_TURNS = 50
_STOP_TIMEOUT = 5.0


class Reading:
    """Passes the right to read between the lane and the stand-in.

    Args:
        pipe: What is read.
        take: Gets each call, in order.
        watchdog: Is asked how long one may wait for the next.
        end: Called when the host has closed the pipe.
        crash: Called with what stops the stand-in.
    """

    def __init__(
        self,
        pipe: HostPipe,
        take: Callable[[ToChild], None],
        watchdog: Watchdog,
        *,
        end: Callable[[], None],
        crash: Callable[[BaseException], None],
    ) -> None:
        self._pipe = pipe
        self._take = take
        self._watchdog = watchdog
        watchdog.began = self._look_anew
        self._end = end
        self._crash = crash
        self._right = threading.Lock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_wanted = False
        self._is_busy = False
        self._is_watching = False
        self._is_blocking = False
        self._job = 0
        self._is_leading = False
        self._is_over = False

    def lead(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Read in the lane's thread until `until()`; False after `timeout` seconds."""
        if not self._right.acquire(blocking=False):
            self._is_wanted = True
            self._pipe.wake()
            # The stand-in lets go as soon as it has passed on what it is reading.
            self._right.acquire()
            self._is_wanted = False
        self._is_leading = True
        was_busy, self._is_busy = self._is_busy, False
        try:
            deadline = None if timeout is None else time.monotonic() + timeout
            while not until():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                if not self._read(left):
                    return False
            return True
        finally:
            self._is_leading = False
            self._is_busy = was_busy
            self._right.release()
            if was_busy and not self._is_watching:  # it went to rest while the lane waited
                self._ring()

    def begin_job(self) -> None:
        """Note that the lane turns to an author's code; the stand-in looks after it."""
        self._job += 1
        self._is_busy = True
        if not self._is_watching:
            self._ring()

    def end_job(self) -> None:
        """Note that the lane is free again."""
        self._is_busy = False

    @property
    def idle_since(self) -> int | None:
        """Number of the lane's last job if it is idle, else None."""
        return None if self._is_busy else self._job

    def hand_over(self) -> None:
        """Have the stand-in read at once: the lane is about to block."""
        self._is_blocking = True
        self._ring()

    def interrupt(self) -> None:
        """Make the lane look at its jobs again if it reads."""
        if self._is_leading:
            self._pipe.wake()

    def _look_anew(self) -> None:
        """Make who reads ask again how long to wait. Who begins to after this does so anyway."""
        if self._right.locked():
            self._pipe.wake()

    def stop(self) -> None:
        """End the stand-in; for tests, where the process lives on."""
        self._is_over = True
        self._is_wanted = True
        self._pipe.wake()
        self._bell.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_TIMEOUT)

    def _ring(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._stand_in, name="stand-in", daemon=True)
            self._thread.start()
        self._bell.set()

    def _read(self, timeout: float | None) -> bool:
        calls = self._pipe.read(self._watchdog.limit(timeout))
        self._watchdog.look()
        if calls is None:
            self._end()
            return False
        for call in calls:
            self._take(call)
        return True

    def _stand_in(self) -> None:
        try:
            while not self._is_over:
                self._bell.wait()
                self._watch()
        except BaseException as error:  # noqa: BLE001 - the border of the thread; ends the process
            self._crash(error)

    def _watch(self) -> None:
        """Look at the lane every now and then, for as long as it has work."""
        self._is_watching = True
        quiet = 0
        while quiet < _QUIET_TURNS and not self._is_over:
            self._bell.clear()
            job = self._job
            if not self._is_blocking:
                self._bell.wait(TURN)
            if self._is_blocking or (self._is_busy and self._job == job):
                self._is_blocking = False
                quiet = 0
                self._read_for_lane()
            elif not self._is_busy:
                quiet += 1
        self._is_watching = False
        if self._is_busy or self._is_blocking:  # since it was looked at last
            self._bell.set()

    def _read_for_lane(self) -> None:
        if not self._right.acquire(blocking=False):
            return
        try:
            while not self._is_wanted and self._read(None):
                pass
        finally:
            self._right.release()
