"""Spare processes: forked ahead, so that who needs a process next does not wait for the fork.

A fork costs the forkserver a copy of its page tables, and the child a fault for each page that it
writes to for the first time: together most of what the start of a paglet takes. A spare has paid
for both before it is wanted. It is an ordinary process of its host (own session, lifeline, on the
list of children) that learns who it is when it is claimed.

Importing the class is most of what is left. So one spare learns ahead what was started last, or
what is expected next, and is given to nobody else: no paglet runs in a process that has imported
another's module. One spare stays blank for all others, or is blank again after the next start where
all have learned what was expected; a pool of one teaches none.

The pool is an offer, never a limit: where it is empty a process is forked as always. A spare takes
the machine a quarter more work than a process forked when it is wanted. So it is filled one at a
time, and not while processes start: who starts many, or one after the other, has the machine for
that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from paglets.model.errors import PagletsError
from paglets.supervise.control import Lesson
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
        self._spares: list[PagletProcess] = []
        self._last: Lesson | None = None
        self._is_repeated = False
        self._filling: asyncio.Task[None] | None = None
        self._starts = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The spares that wait, the next to be claimed first."""
        return [spare.pid for spare in self._spares]

    def claim(
        self, title: str, on_line: LineCallback | None, lesson: Lesson | None = None
    ) -> PagletProcess | None:
        """Return a spare that has become what is asked for, or None where there is none.

        One that was killed meanwhile is passed over.
        """
        if lesson is not None:
            self._is_repeated = lesson == self._last
            self._last = lesson
        while (spare := self._find(lesson) or self._find(None)) is not None:
            self._spares.remove(spare)
            if spare.assume(title, on_line):
                return spare
            logger.warning("spare process %d had ended and was not used", spare.pid)
        return None

    def expect(self, lesson: Lesson) -> None:
        """Teach a blank spare, if there is one, what a process is probably about to load."""
        blank = self._find(None)
        if self._size > 1 and blank is not None and self._find(lesson) is None:
            blank.teach(lesson)

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
            self._spares.pop().kill()

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
        is_quiet = not self._is_closed and not self._starts
        return is_quiet and (len(self._spares) < self._size or self._displaced() is not None)

    def _find(self, lesson: Lesson | None) -> PagletProcess | None:
        """Return the oldest spare that has learned just this."""
        return next((spare for spare in self._spares if spare.lesson == lesson), None)

    def _displaced(self) -> PagletProcess | None:
        """Return the spare that is to make room for a blank one, if any is.

        Where none is blank, and where another class was started twice: once displaces nothing.
        """
        taught = [spare for spare in self._spares if spare.lesson is not None]
        others = [spare for spare in taught if spare.lesson != self._last]
        if taught and len(taught) == self._size:
            return (others or taught)[0]
        is_wrong = bool(others) and self._is_repeated and self._find(self._last) is None
        return others[0] if is_wrong else None

    async def _fill(self) -> None:
        while self._is_short():
            displaced = self._displaced()
            if displaced is not None:
                self._spares.remove(displaced)
                displaced.kill()
            spare = await self._fork()
            if self._is_wanted(spare):
                self._spares.append(spare)
            else:
                spare.kill()
        is_blank = all(spare.lesson is None for spare in self._spares)
        if self._last is not None and is_blank and len(self._spares) == self._size:
            self.expect(self._last)

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
