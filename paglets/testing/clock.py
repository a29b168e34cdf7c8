"""Time that passes only when told to: a clock for simulations, and an event loop over one.

For tests: an hour's timeout passes at once, and a run with the same seed is the same run. Nothing
here sleeps or reads the machine's clock. `network.py` and `simulation.py` run on these.
"""

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Action = Callable[..., None]


HANG_SECONDS = 0.2
"""Real seconds to wait for threads when no timer is set, before it is called a hang."""


class VirtualClock:
    """Actions in order of their time. Not thread-safe; actions may add others.

    Two actions of the same time run in the order they were added.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        """Seconds; moves only inside `run_until` and `run_for`."""
        self._queue: list[tuple[float, int, Action, tuple[object, ...]]] = []
        self._added = 0

    def call_at(self, when: float, action: Action, *args: object) -> None:
        """Run an action at a time; one that is past is run as soon as possible."""
        self._added += 1
        heapq.heappush(self._queue, (when, self._added, action, args))

    def call_later(self, seconds: float, action: Action, *args: object) -> None:
        """Run an action after a time from now."""
        self.call_at(self.now + seconds, action, *args)

    def run_until(self, end: float) -> None:
        """Run everything that is due up to `end`, and set the time to it."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            when, _, action, args = heapq.heappop(queue)
            self.now = max(self.now, when)
            action(*args)
        self.now = max(self.now, end)

    def run_for(self, seconds: float) -> None:
        """Let a time pass."""
        self.run_until(self.now + seconds)


class _SkippingSelector(selectors.BaseSelector):
    """Never waits: where nothing is ready it moves the loop's time on by what it should wait."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0 if timeout is not None else HANG_SECONDS)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for ever: nothing is scheduled on this loop")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping["FileDescriptorLike", selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing else is to do.

    For tasks that talk to each other in memory; with real sockets or processes time would run away.
    """

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the virtual time in seconds, 0 at first."""
        return self._skipping.now


async def elapse(seconds: float) -> None:
    """Let virtual time pass, and everything that is due in it happen; only inside `run_virtual`.

    Raises:
        RuntimeError: The running loop is a real one, on which the caller would wait.
    """
    is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
    if not is_virtual:
        raise RuntimeError("time passes at once on a VirtualLoop only: use run_virtual")
    await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[object, None, T]) -> T:
    """Run a coroutine on a VirtualLoop and return its result.

    Raises:
        RuntimeError: All its tasks wait for something that no timer will bring.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
