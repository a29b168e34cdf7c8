"""How a paglet asks its host: `HostPort` over the private pipe.

Several threads may ask at once; each waits for its own answer. A call of code that has left, or of
a `run()` that is to end, unwinds instead. No lock is held while an answer is awaited, and none is
awaited for ever: the host answers by the call's timeout, and after some grace we give up.
"""

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import msgspec

from paglets.agent.asynccode import refuse_in_async
from paglets.agent.port import CHECK, CLONE, LIST, Operation
from paglets.child.pipe import HostPipe
from paglets.child.reading import Reading
from paglets.child.scope import CallScope, DepartureUnwind, current_scope
from paglets.model.errors import DeadlineError, LifecycleError, PagletsError, TooLargeError
from paglets.model.refs import PagletProxyRef
from paglets.wire.calls import HostCall, HostFailed, HostReply
from paglets.wire.failures import decode_failure
from paglets.wire.frames import FRAME_LIMIT, FrameTooLargeError
from paglets.wire.hostcalls import Struct

Q = TypeVar("Q", bound=Struct)
R = TypeVar("R", bound=Struct)

GRACE = 5.0
"""Seconds after a call's timeout in which the host's own verdict is still awaited."""

_QUICK = (CHECK, LIST)
"""Asked by verbs that async code may use, since they unwind or return at once."""

Job: TypeAlias = Callable[[], None]
Answer: TypeAlias = HostReply | HostFailed

_encoder = msgspec.msgpack.Encoder()


class _Wait:
    """A thread that waits for an answer; meanwhile it may be given hooks to run."""

    __slots__ = ("inbox", "scope")

    def __init__(self, scope: CallScope | None) -> None:
        self.scope = scope
        self.inbox: queue.SimpleQueue[Answer | Job | None] = queue.SimpleQueue()


class ChildPort:
    """Asks the host of this process. Safe in threads.

    Args:
        pipe: To the host.
        ref: The paglet's own address.
    """

    def __init__(self, pipe: HostPipe, ref: PagletProxyRef) -> None:
        self._pipe = pipe
        self._ref = ref
        self._numbers = itertools.count(1)
        self._waits: dict[int, _Wait] = {}
        self._futures: dict[int, Callable[[Answer], None]] = {}
        self._cloning: _Wait | None = None
        self._cloning_lock = threading.Lock()
        self._reading: Reading | None = None
        self.lane_thread: int | None = None
        """Thread that runs queued messages and hooks."""

    def lead(self, reading: Reading) -> None:
        """Make the calling thread the lane: it reads for itself while it waits."""
        self._reading, self.lane_thread = reading, threading.get_ident()

    @property
    def sender(self) -> PagletProxyRef | None:
        """The paglet's own address."""
        return self._ref

    def waiting(self) -> tuple[str, ...]:
        """Return who waits on a blocking call made now."""
        scope = current_scope()
        return () if scope is None else scope.path

    def derive_id(self) -> str | None:
        """Return the next derived id of the message being handled, None for a random one."""
        scope = current_scope()
        return None if scope is None else scope.derive_id()

    def require_blocking(self, what: str) -> None:
        """Raise RuntimeError in async code; else let somebody read while the lane blocks."""
        refuse_in_async(what, "await send_future(...) or call_future(...) there")
        self.about_to_block()

    def about_to_block(self) -> None:
        """Let the stand-in read if the calling thread is the lane."""
        if self._reading is not None and threading.get_ident() == self.lane_thread:
            self._reading.hand_over()

    def call(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> R:
        """Ask and wait; see `HostPort.call`."""
        scope = self._require_askable(operation)
        wait = _Wait(scope)
        number = next(self._numbers)
        self._waits[number] = wait
        try:
            with self._serving(wait, operation):
                self._send(number, operation, request)
                answer = self._await(wait, operation.name, timeout + GRACE)
        finally:
            del self._waits[number]
        if scope is not None and scope.is_over:
            raise DepartureUnwind(operation.name)
        return _result(operation, answer)

    def call_each(
        self,
        operation: Operation[Q, R],
        requests: Iterable[Q],
        told: Callable[[Q, PagletsError | None], None],
        *,
        at_once: int,
        timeout: float,
    ) -> None:
        """Ask again and again, a few at once, and wait for all answers.

        Args:
            operation: What is asked.
            requests: Each is taken when it can be asked at once.
            told: Gets each request as it is answered, with the error if it failed; in this thread.
            at_once: How many are under way at most.
            timeout: Seconds that the host has for each.
        """
        wait = _Wait(self._require_askable(operation))
        todo, asked = iter(requests), dict[int, Q]()
        try:
            with self._serving(wait, operation):
                while True:
                    for request in itertools.islice(todo, at_once - len(asked)):
                        number = next(self._numbers)
                        self._waits[number], asked[number] = wait, request
                        self._send(number, operation, request)
                    if not asked:
                        return
                    self._tell_next(wait, operation, asked, told, timeout)
        finally:
            for number in asked:
                del self._waits[number]

    def _tell_next(
        self,
        wait: _Wait,
        operation: Operation[Q, R],
        asked: dict[int, Q],
        told: Callable[[Q, PagletsError | None], None],
        timeout: float,
    ) -> None:
        """Wait for one more answer; without any, all that are asked for have failed."""
        error: PagletsError | None
        try:
            answer = self._await(wait, operation.name, timeout + GRACE)
        except DeadlineError as late:
            numbers, error = list(asked), late
        else:
            numbers, error = [answer.call], _error_of(answer)
        for number in numbers:
            del self._waits[number]
            told(asked.pop(number), error)

    def _require_askable(self, operation: Operation[Q, R]) -> CallScope | None:
        """Return the scope in which the host is asked, or raise where it cannot be."""
        scope = current_scope()
        if scope is not None and scope.is_unwinding:
            raise DepartureUnwind(operation.name)
        if operation not in _QUICK:
            refuse_in_async(f"the call {operation.name!r} to the host", "await send_future(...)")
        if self._reading is None:
            raise LifecycleError(
                f"the host cannot be asked for {operation.name!r} in __init__: do it in "
                "on_creation, on_activation or run()"
            )
        return scope

    @contextmanager
    def _serving(self, wait: _Wait, operation: Operation[Q, R]) -> Iterator[None]:
        """Let the lane run the hooks of a clone while it waits for that clone."""
        if operation is not CLONE or threading.get_ident() != self.lane_thread:
            yield
            return
        self._cloning = wait
        try:
            yield
        finally:
            self._stop_serving(wait)

    def call_future(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> Future[R]:
        """Ask and return at once; the future is completed by the reading thread."""
        del timeout  # the host answers by the time that the request itself names
        scope = current_scope()
        if scope is not None and scope.is_unwinding:
            raise DepartureUnwind(operation.name)
        future: Future[R] = Future()
        number = next(self._numbers)

        def complete(answer: Answer) -> None:
            try:
                future.set_result(_result(operation, answer))
            except PagletsError as error:
                future.set_exception(error)

        self._futures[number] = complete
        try:
            self._send(number, operation, request)
        except PagletsError:
            del self._futures[number]
            raise
        return future

    def answered(self, answer: Answer) -> None:
        """Hand an answer to who waits for it; called by the reading thread."""
        complete = self._futures.pop(answer.call, None)
        if complete is not None:
            complete(answer)
            return
        wait = self._waits.get(answer.call)
        if wait is not None:  # else it gave up waiting
            wait.inbox.put(answer)

    def interrupt(self, scope: CallScope) -> None:
        """Unwind the calls of a `run()` that is to end."""
        scope.is_over = True
        for wait in list(self._waits.values()):
            if wait.scope is scope:
                wait.inbox.put(None)

    def serve(self, job: Job) -> bool:
        """Let the lane run `job` while it waits for a clone of its own; False if it does not."""
        with self._cloning_lock:
            if self._cloning is None:
                return False
            self._cloning.inbox.put(job)
            return True

    def _stop_serving(self, wait: _Wait) -> None:
        with self._cloning_lock:
            self._cloning = None
        while not wait.inbox.empty():
            item = wait.inbox.get_nowait()
            if callable(item):
                item()

    def _send(self, number: int, operation: Operation[Q, R], request: Q) -> None:
        body = _encoder.encode(request)
        try:
            self._pipe.send(
                HostCall(call=number, op=operation.name, body=body, waiting=self.waiting())
            )
        except FrameTooLargeError as error:
            raise TooLargeError(
                f"{operation.name!r} with {len(body)} bytes is more than the {FRAME_LIMIT} bytes "
                "that go to the host at once; send a file, or several messages"
            ) from error

    def _await(self, wait: _Wait, name: str, timeout: float) -> Answer:
        assert self._reading is not None
        is_lane = threading.get_ident() == self.lane_thread
        while True:
            try:
                if is_lane:
                    self._reading.lead(lambda: not wait.inbox.empty(), timeout)
                    item = wait.inbox.get_nowait()
                else:
                    item = wait.inbox.get(timeout=timeout)
            except queue.Empty:
                raise DeadlineError(
                    f"the host did not answer {name!r} within {timeout:g} s", operation=name
                ) from None
            if item is None:
                raise DepartureUnwind(name)
            if callable(item):
                item()
                continue
            return item


def _error_of(answer: Answer) -> PagletsError | None:
    return decode_failure(answer.failure) if isinstance(answer, HostFailed) else None


def _result(operation: Operation[Q, R], answer: Answer) -> R:
    if isinstance(answer, HostFailed):
        raise decode_failure(answer.failure)
    return msgspec.msgpack.decode(answer.body, type=operation.reply)
