"""`HttpPort`: the HostPort (`agent/port.py`) of code outside any paglet."""

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from paglets.agent.port import Operation
from paglets.connect.calls import HttpCalls
from paglets.connect.loop import LoopThread
from paglets.model.errors import DeadlineError, PagletsError
from paglets.model.refs import PagletProxyRef
from paglets.wire import hostcalls as wire

Q = TypeVar("Q", bound=wire.Struct)
R = TypeVar("R", bound=wire.Struct)

GRACE = 2.0
"""Seconds after a call's own time in which its verdict is still awaited."""


class HttpPort:
    """Asks hosts over HTTP, in any thread, from the loop of its client.

    Args:
        calls: Makes the requests.
        loop: Runs them.
    """

    def __init__(self, calls: HttpCalls, loop: LoopThread) -> None:
        self._calls = calls
        self._loop = loop

    @property
    def sender(self) -> PagletProxyRef | None:
        """None: who is outside has no address."""
        return None

    def waiting(self) -> tuple[str, ...]:
        """Return nobody: no paglet waits on a call from outside."""
        return ()

    def derive_id(self) -> str | None:
        """Return None: ids are free to be random."""
        return None

    def require_blocking(self, what: str) -> None:
        """Allow `what` everywhere: the loop it waits for is not the caller's."""

    def call(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> R:
        """Ask and wait for the answer; as `HostPort.call`."""
        future = self.call_future(operation, request, timeout=timeout)
        try:
            return future.result(timeout + GRACE)
        except FutureTimeoutError as error:
            if isinstance(error, PagletsError):
                raise
            future.cancel()
            raise DeadlineError(f"{operation.name}: no answer within {timeout:g} s") from None

    def call_future(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> Future[R]:
        """Ask and return at once; as `HostPort.call_future`."""
        return self._loop.submit(self._calls.call(operation, request, timeout=timeout))
