"""The event loop of a Paglet Process: one, in its own thread, started by the first `async def`.

Hooks, handlers and `run()` written as coroutines share it. The thread that called them waits here
for their end, so the order of hooks and messages is the same as for plain code.
"""

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import CoroutineType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class LoopThread:
    """Runs coroutines for threads. Safe in threads."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self.before_waiting: Callable[[], None] = _nothing
        """Called before a thread waits for a coroutine."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def finish(self, result: object) -> object:
        """Return `result`, or what it returns where it is a coroutine; waits for that.

        The coroutine runs in a copy of the caller's context. It ends when it wants to: calls from
        outside have deadlines of their own, which the host watches.
        """
        if not isinstance(result, CoroutineType):
            return result
        future = self.submit(result)
        self.before_waiting()
        return future.result()

    def submit(self, coroutine: "Coroutine[object, object, object]") -> Future[object]:
        """Start a coroutine and return its future, which can be cancelled."""
        import asyncio  # loaded only for authors who write async code

        return asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def _running(self) -> "asyncio.AbstractEventLoop":
        import asyncio  # as above

        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="paglet loop", daemon=True
                ).start()
            return self._loop


def _nothing() -> None:
    """Do nothing."""
