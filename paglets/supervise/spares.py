"""Spare processes: forked ahead, so that who needs a process next does not wait for the fork.

A fork costs the forkserver a copy of its page tables, and the child a fault for each page that it
writes to for the first time: together most of what the start of a paglet takes. A spare has paid
for both before it is wanted. It is an ordinary process of its host (own session, lifeline, on the
list of children) that has seen no author's code and learns who it is when it is claimed.

The pool is an offer, never a limit: where it is empty a process is forked as always. A spare takes
the machine a quarter more work than a process forked when it is wanted. So it is filled one at a
time, and not while processes start: who starts many, or one after the other, has the machine for
that.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from paglets.model.errors import PagletsError
from paglets.supervise.process import LineCallback, PagletProcess

logger = logging.getLogger(__name__)

QUIET = 0.02
"""Seconds without a start after which spares are made. Made beside a start they slow it down by
what they save the next, on two cores that are two threads of one."""

SPARE_TITLE = "paglets spare process"
"""What `ps` shows until it is claimed."""


class SparePool:
    """Holds spares of one forkserver at a time; used from the host's event loop.

    Args:
        size: How many are kept; 0 for none.
        fork: Forks a spare of the forkserver in use, once there is one.
        is_wanted: Tells whether a spare still belongs to the forkserver in use.
    """

    def __init__(
        self,
        size: int,
        fork: Callable[[], Awaitable[PagletProcess]],
        is_wanted: Callable[[PagletProcess], bool],
    ) -> None:
        self._size = size
        self._fork = fork
        self._is_wanted = is_wanted
        self._spares: deque[PagletProcess] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._starts = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The spares that wait, the next to be claimed first."""
        return [spare.pid for spare in self._spares]

    def claim(self, title: str, on_line: LineCallback | None) -> PagletProcess | None:
        """Return a spare that has become what is asked for, or None where there is none.

        One that was killed meanwhile is passed over.
        """
        while self._spares:
            spare = self._spares.popleft()
            if spare.assume(title, on_line):
                return spare
            logger.warning("spare process %d had ended and was not used", spare.pid)
        return None

    def begin_start(self) -> None:
        """Note that somebody starts a process."""
        self._starts += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end_start(self) -> None:
        """Note that it has started, or did not."""
        self._starts -= 1
        if not self._starts and self._is_short():
            self._timer = asyncio.get_running_loop().call_later(QUIET, self.fill)

    def fill(self) -> None:
        """Make what is missing, in the background."""
        if self._filling is None and self._is_short():
            self._filling = asyncio.create_task(self._fill(), name="filling of the spares")
            self._filling.add_done_callback(self._filled)

    def drop(self) -> None:
        """End all spares: their forkserver is no longer in use."""
        while self._spares:
            self._spares.popleft().kill()

    async def close(self) -> None:
        """Make no more, and wait until none is being made; who ends all processes ends them too."""
        self._is_closed = True
        self._spares.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])

    def _is_short(self) -> bool:
        return not self._is_closed and not self._starts and len(self._spares) < self._size

    async def _fill(self) -> None:
        while self._is_short():
            spare = await self._fork()
            if self._is_wanted(spare):
                self._spares.append(spare)
            else:
                spare.kill()

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._filling = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, PagletsError):
            # Whoever needs a process next asks again, and is told if there is none.
            logger.info("no spare process was made: %s", error)
        elif error is not None:
            logger.error("no spare process was made", exc_info=error)
        else:
            self.fill()
