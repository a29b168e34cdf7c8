"""Replies that are still to come: FutureReply for one message, ReplySet for a multicast."""

import queue
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Generic, TypeVar

from paglets.agent.port import HostPort
from paglets.model.errors import DeadlineError
from paglets.wire.hostcalls import SendReply

T = TypeVar("T")

GRACE = 2.0
"""Seconds after a message's time in which the host's own verdict on it is still awaited."""


class FutureReply(Generic[T]):
    """The reply to a message that was sent without waiting. Awaitable; or ask `result()`.

    Args:
        future: Completed by the port.
        convert: Makes the reply of the answer.
        port: Knows where blocking is allowed.
        timeout: Seconds the message has, from now.
        agent_id: Who was asked.
    """

    def __init__(
        self,
        future: Future[SendReply],
        convert: Callable[[SendReply], T],
        port: HostPort,
        timeout: float,
        agent_id: str,
    ) -> None:
        self.agent_id = agent_id
        self._future = future
        self._convert = convert
        self._port = port
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout + GRACE

    def done(self) -> bool:
        """Whether `result()` would not wait."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Return the reply, waiting for it.

        Args:
            timeout: Seconds to wait; None: as long as the message itself may take.

        Raises:
            PagletsError: As `PagletProxy.send` raises.
            DeadlineError: It has not come yet; ask again, unless the message's own time is over.
            RuntimeError: Called in async code of a paglet before it is done: await it.
        """
        if not self._future.done():
            self._port.require_blocking("FutureReply.result()")
        left = self._left()
        try:
            return self._convert(
                self._future.result(left if timeout is None else min(timeout, left))
            )
        except FutureTimeoutError as error:
            if isinstance(error, DeadlineError):
                raise
            raise self._late(timeout) from None

    def add_done_callback(self, callback: Callable[["FutureReply[T]"], object]) -> None:
        """Call `callback(self)` once done, at once if it is; in any thread, so never block."""
        self._future.add_done_callback(lambda _future: callback(self))

    def __await__(self) -> Generator[Any, None, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        import asyncio  # here a loop runs, so it is loaded already

        waiting = asyncio.wrap_future(self._future)
        # Cancelling this wait must not cancel the future, which others may wait for too.
        done, _ = await asyncio.wait({waiting}, timeout=self._left())
        if not done:
            raise self._late(None)
        return self._convert(waiting.result())

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _late(self, timeout: float | None) -> DeadlineError:
        waited = self._timeout if timeout is None else timeout
        return DeadlineError(
            f"no reply of {self.agent_id} within {waited:g} s; it may still be handled",
            agent_id=self.agent_id,
        )


class ReplySet(Generic[T]):
    """The replies to one multicast; iterates, once or often, in the order in which they come.

    Yields FutureReply objects that are done, so `result()` returns at once or raises what went
    wrong with that one. A reply that never comes is yielded when its time is over.
    """

    def __init__(self, replies: Sequence[FutureReply[T]]) -> None:
        self._replies = tuple(replies)

    def __len__(self) -> int:
        return len(self._replies)

    def __iter__(self) -> Iterator[FutureReply[T]]:
        arrived: queue.SimpleQueue[FutureReply[T]] = queue.SimpleQueue()
        for reply in self._replies:
            reply.add_done_callback(arrived.put)
        missing = list(self._replies)
        deadline = max((reply._deadline for reply in missing), default=0.0)  # noqa: SLF001 - same file
        while missing:
            try:
                reply = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                yield from missing
                return
            missing.remove(reply)
            yield reply

    async def __aiter__(self) -> AsyncIterator[FutureReply[T]]:
        import asyncio  # here a loop runs, so it is loaded already

        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[FutureReply[T]] = asyncio.Queue()
        for reply in self._replies:
            reply.add_done_callback(
                lambda each: loop.call_soon_threadsafe(arrived.put_nowait, each)
            )
        missing = list(self._replies)
        deadline = max((reply._deadline for reply in missing), default=0.0)  # noqa: SLF001 - same file
        while missing:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    reply = await arrived.get()
            except TimeoutError:
                for late in missing:
                    yield late
                return
            missing.remove(reply)
            yield reply
