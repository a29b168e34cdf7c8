"""The host's end of one paglet's pipe, in the test's own process: used by `PagletHarness`.

The child's real code runs in threads here, so that breakpoints, coverage and monkeypatching work.
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from paglets.child.loader import AnyPaglet, load
from paglets.child.paglet import LivePaglet
from paglets.child.pipe import HostPipe
from paglets.child.runner import Runner
from paglets.model.errors import DeadlineError, InternalError, PagletCrashedError, PagletsError
from paglets.wire import calls
from paglets.wire.calls import (
    Call,
    HostCall,
    Load,
    ToChild,
    decode_to_host,
    encode_call,
)
from paglets.wire.failures import decode_failure, encode_failure
from paglets.wire.frames import FrameDecoder, encode_frame
from paglets.wire.hostcalls import OPERATIONS, Struct

A = TypeVar("A", bound=Call)
Answers = Mapping[str, Callable[[Struct], Struct]]
"""What the host does for each operation of `OPERATIONS`."""

_READ = 65536


class ChildInThreads:
    """One life of a paglet between two hosts: what is a process in earnest is threads here.

    Args:
        load_call: What the host says first.
        answers: What it answers to the paglet's calls.
        timeout: Seconds until a silent paglet fails the test.

    Raises:
        PagletsError: The class or its state is refused, as a host would be told.
    """

    def __init__(self, load_call: Load, answers: Answers, *, timeout: float) -> None:
        self._answers = answers
        self._timeout = timeout
        self._pending: dict[int, queue.SimpleQueue[Call]] = {}
        self._number = 0
        self._lock = threading.Lock()
        self.crash: BaseException | None = None
        """What ended the paglet, if it crashed."""
        self._ended = threading.Event()
        self._mine, self._theirs = socket.socketpair()
        loaded = load(load_call)
        self.manifest = loaded.manifest
        self.initial = loaded.data
        """Its state as it was loaded or made, encoded."""
        self._live = LivePaglet(load_call, loaded, HostPipe(self._theirs), self._crashed)
        self._runner = Runner(self._live, self._end, self._crashed)
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("paglet", self._serve), ("host", self._read))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def paglet(self) -> AnyPaglet:
        """The author's object."""
        return self._live.object

    def _serve(self) -> None:
        try:
            self._runner.run()
        except BaseException as error:  # noqa: BLE001 - the border of what is a process in earnest
            self._crashed(error)
        finally:
            self._end(0)

    def _crashed(self, error: BaseException) -> None:
        if self.crash is None:
            self.crash = error
        self._end(1)

    def _end(self, _code: int) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        decoder = FrameDecoder()
        while True:
            try:
                data = self._mine.recv(_READ)
            except OSError:
                return
            if not data:
                return
            for payload in decoder.feed(data):
                self._take(decode_to_host(payload))

    def _take(self, frame: Call) -> None:
        if isinstance(frame, HostCall):
            # In a thread of its own: a call may wait for another one of the same paglet.
            threading.Thread(target=self._answer, args=(frame,), daemon=True).start()
            return
        number = getattr(frame, "call", 0)
        waiting = self._pending.pop(number, None)
        if waiting is not None:
            waiting.put(frame)

    def _answer(self, frame: HostCall) -> None:
        request_type, _ = OPERATIONS[frame.op]
        try:
            request = msgspec.msgpack.decode(frame.body, type=request_type)
            reply = self._answers[frame.op](request)
        except PagletsError as error:
            self.tell(calls.HostFailed(call=frame.call, failure=encode_failure(error)))
            return
        self.tell(calls.HostReply(call=frame.call, body=msgspec.msgpack.encode(reply)))

    def tell(self, frame: ToChild) -> None:
        """Send a frame that has no answer."""
        with self._lock, contextlib.suppress(OSError):
            self._mine.sendall(encode_frame(encode_call(frame)))

    def ask(self, make: Callable[[int], ToChild], expected: type[A]) -> A:
        """Send the request that `make` makes of a number, and return its answer.

        Raises:
            PagletsError: What the paglet answered with.
            PagletCrashedError: It ended instead; chained to what ended it.
            DeadlineError: It did not answer in time.
        """
        self._number += 1
        answer: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._pending[self._number] = answer
        self.tell(make(self._number))
        frame = self._next(answer)
        if isinstance(frame, calls.Failed):
            raise decode_failure(frame.failure)
        if not isinstance(frame, expected):
            raise InternalError(f"the paglet answered {type(frame).__name__}")
        return frame

    def _next(self, answer: "queue.SimpleQueue[Call]") -> Call:
        waited = 0.0
        step = 0.05
        while waited < self._timeout:
            with contextlib.suppress(queue.Empty):
                return answer.get(timeout=step)
            waited += step
            if self._ended.is_set() and answer.empty():
                raise PagletCrashedError("the paglet ended instead of answering") from self.crash
        raise DeadlineError(f"the paglet did not answer within {self._timeout:g} s")

    def close(self) -> None:
        """End the paglet's threads; what it still does is cut off."""
        with contextlib.suppress(OSError):
            self._mine.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(self._timeout)
        self._mine.close()
        self._theirs.close()
