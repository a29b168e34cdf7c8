"""The State Lock: reentrant, one per paglet, owned by the call that took it.

A call is a thread or an asyncio task: two tasks of one loop share a thread and still exclude each
other, which `threading.RLock` cannot do. Ownership is handed to the longest waiter, so nobody
starves. It knows no state and no host; `Paglet.locked_state()` is its public face.
"""

import functools
import inspect
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, cast

from paglets.agent.asynccode import current_task
from paglets.model.errors import DeadlineError

if TYPE_CHECKING:
    import asyncio

S = TypeVar("S")
R = TypeVar("R")
A = ParamSpec("A")

LOCK_TIMEOUT = 30.0
"""Seconds a call waits for the lock: it is for short sections, so more is a deadlock to report."""


class _Waiter:
    """A call that waits for the lock; `wake` tells it that it is the owner now."""

    __slots__ = ("depth", "owner", "wake")

    def __init__(self, owner: object, depth: int, wake: Callable[[], object]) -> None:
        self.owner = owner
        self.depth = depth
        self.wake = wake


class StateLock:
    """A reentrant lock for threads and tasks, with a condition (`wait`, `notify_all`)."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: object | None = None
        self._depth = 0
        self._queue: deque[_Waiter] = deque()
        self._sleepers: list[threading.Event] = []

    @property
    def is_held(self) -> bool:
        """Whether the calling thread or task owns the lock."""
        return self._owner is not None and self._owner == _caller()

    def acquire(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Take the lock, blocking the thread at most `timeout` seconds.

        Raises:
            DeadlineError: Somebody else held it all that time.
            RuntimeError: A task asks for what another task holds: waiting would stop the loop that
                must let go. Write `async with`.
        """
        me = _caller()
        if not self._take(me, 1):
            self._wait_turn(me, 1, timeout)

    async def acquire_async(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Take the lock without blocking the loop, waiting at most `timeout` seconds.

        Raises:
            DeadlineError: Somebody else held it all that time.
        """
        import asyncio  # here a loop runs, so it is loaded already

        me = _caller()
        if self._take(me, 1):
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        waiter = _Waiter(me, 1, lambda: loop.call_soon_threadsafe(_resolve, turn))
        if self._enqueue(waiter):
            return
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError:
            if self._give_up(waiter):
                raise _deadline(timeout) from None
        except asyncio.CancelledError:
            if not self._give_up(waiter):
                self.release()
            raise

    def release(self) -> None:
        """Let go once; at the last time the longest waiter becomes the owner.

        Raises:
            RuntimeError: The caller does not own it.
        """
        with self._mutex:
            if self._owner is None or self._owner != _caller():
                raise RuntimeError("the state lock is not held by this call")
            self._depth -= 1
            if self._depth == 0:
                self._pass_on()

    def wait(self, timeout: float) -> bool:
        """Let go, wait for a notification, take the lock again.

        Called by its owner in plain code.

        Args:
            timeout: Seconds.

        Returns:
            False if the time ran out.
        """
        bell = threading.Event()
        with self._mutex:
            me, depth = self._owner, self._depth
            self._sleepers.append(bell)
            self._depth = 0
            self._pass_on()
        rung = bell.wait(timeout)
        with self._mutex:
            if bell in self._sleepers:
                self._sleepers.remove(bell)
        if not self._take(me, depth):
            self._wait_turn(me, depth, LOCK_TIMEOUT)
        return rung

    def notify_all(self) -> None:
        """Wake every call in `wait`; the lock need not be held."""
        with self._mutex:
            sleepers, self._sleepers = self._sleepers, []
        for bell in sleepers:
            bell.set()

    def _take(self, me: object, depth: int) -> bool:
        with self._mutex:
            if self._owner is None:
                self._owner, self._depth = me, depth
                return True
            if self._owner == me:
                self._depth += depth
                return True
            return False

    def _enqueue(self, waiter: _Waiter) -> bool:
        """Queue up; True if the lock became free meanwhile and is ours."""
        with self._mutex:
            if self._owner is None:
                self._owner, self._depth = waiter.owner, waiter.depth
                return True
            self._queue.append(waiter)
            return False

    def _wait_turn(self, me: object, depth: int, timeout: float) -> None:
        owner = self._owner
        if not isinstance(me, int) and owner is not None and not isinstance(owner, int):
            raise RuntimeError(
                "another task holds the state lock, and a plain `with` would stop the loop: "
                "write `async with self.locked_state()`"
            )
        turn = threading.Event()
        waiter = _Waiter(me, depth, turn.set)
        if self._enqueue(waiter) or turn.wait(timeout) or not self._give_up(waiter):
            return
        raise _deadline(timeout)

    def _give_up(self, waiter: _Waiter) -> bool:
        """Leave the queue; False if the lock was handed over just before."""
        with self._mutex:
            if waiter not in self._queue:
                return False
            self._queue.remove(waiter)
            return True

    def _pass_on(self) -> None:
        if not self._queue:
            self._owner = None
            return
        waiter = self._queue.popleft()
        self._owner, self._depth = waiter.owner, waiter.depth
        waiter.wake()


class LockedState(AbstractContextManager[S], AbstractAsyncContextManager[S]):
    """What `locked_state()` and `locked()` return: for `with` in plain, `async with` in async code.

    A plain `with` in async code must not span an `await`: other tasks would find the state locked
    by code that is not running. That is noticed and raises RuntimeError where the block ends.
    """

    def __init__(self, lock: StateLock, state: S) -> None:
        self._lock = lock
        self._state = state
        self._watch: asyncio.Handle | None = None
        self._is_awaited = False

    def __enter__(self) -> S:
        self._lock.acquire()
        if current_task() is not None:
            import asyncio  # a task runs, so it is loaded already

            self._watch = asyncio.get_running_loop().call_soon(self._note_await)
        return self._state

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        watch, self._watch = self._watch, None
        self._leave()
        if watch is not None:
            watch.cancel()
            if self._is_awaited and kind is None:
                raise RuntimeError("a plain `with` on the state spans an await: write `async with`")

    async def __aenter__(self) -> S:
        await self._lock.acquire_async()
        return self._state

    async def __aexit__(self, *exc: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._lock.release()
        self._lock.notify_all()

    def _note_await(self) -> None:
        # The loop runs again while the block is open, so its task is suspended inside.
        self._is_awaited = True


class HasLock(Protocol):
    """Something with a State Lock: a Paglet."""

    def locked(self) -> LockedState[None]:
        """Return the lock as a context manager."""


P = TypeVar("P", bound=HasLock)


def state_locked(method: Callable[Concatenate[P, A], R]) -> Callable[Concatenate[P, A], R]:
    """Make a method, plain or `async def`, run under the State Lock.

    An `async def` method holds the lock over its awaits, so keep those short.
    """
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call_async(self: P, *args: A.args, **kwargs: A.kwargs) -> object:
            async with self.locked():
                return await method(self, *args, **kwargs)

        return cast("Callable[Concatenate[P, A], R]", call_async)

    @functools.wraps(method)
    def call(self: P, *args: A.args, **kwargs: A.kwargs) -> R:
        with self.locked():
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[P, A], R]", call)


def wait_until(lock: StateLock, holds: Callable[[], bool], timeout: float) -> bool:
    """Wait under the held `lock` until `holds()` or `timeout` seconds; return its last value."""
    deadline = time.monotonic() + timeout
    while not holds():
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not lock.wait(remaining):
            return holds()
    return True


def _caller() -> object:
    return current_task() or threading.get_ident()


def _deadline(timeout: float) -> DeadlineError:
    return DeadlineError(
        f"another call held the state lock for {timeout:g} s; hold it for short sections only"
    )


def _resolve(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_result(None)
