"""`run()`: the paglet's own activity, in a thread of its own, and its end.

It is started when the gate opens and anew when a life-cycle call failed. When the gate closes, its
waits and its calls to the host end; its code is asked by `stopping`, never killed. What it raises
is a crash of the process; `dispatch` and the like in it become a `depart` call to the host.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from types import CoroutineType

from paglets.agent.port import DEPART, LIFECYCLE_TIMEOUT
from paglets.child.gate import Gate
from paglets.child.hostcalls import ChildPort
from paglets.child.loopthread import LoopThread
from paglets.child.scope import CallScope, DepartureUnwind, ScopeKind, enter_scope
from paglets.model.errors import PagletsError
from paglets.wire.hostcalls import DepartCall

FIRST_PAUSE = 0.5
"""Seconds before `run()` starts anew after its departure was refused; doubled each time."""

LAST_PAUSE = 30.0
"""Longest such pause, in seconds."""


class Activity:
    """Runs `run()`, one at a time. Safe in threads.

    Args:
        name: For the thread.
        code: The bound method; None: there is nothing to run.
        port: To the host.
        gate: Ends pauses.
        loop: Where it runs if it is `async def`.
        crash: Ends the process; called with the exception.
    """

    def __init__(
        self,
        name: str,
        code: Callable[[], object] | None,
        *,
        port: ChildPort,
        gate: Gate,
        loop: LoopThread,
        crash: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._code = code
        self._port = port
        self._gate = gate
        self._loop = loop
        self._crash = crash
        self._mutex = threading.Lock()
        self._ended = threading.Condition(self._mutex)
        self._scope: CallScope | None = None
        self._is_again = False
        self._is_departing = False
        self._coroutine: Future[object] | None = None
        self._refusals = 0

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._scope is not None

    def start(self) -> None:
        """Start `run()`, or start it anew as soon as the one that is to end has ended."""
        if self._code is None:
            return
        with self._mutex:
            if self._scope is not None:
                self._is_again = self._scope.is_over
                return
            self._start_thread()

    def interrupt(self) -> None:
        """Make its calls to the host unwind; its waits end with the gate."""
        with self._mutex:
            scope = self._scope
            self._is_again = False
        if scope is not None:
            self._port.interrupt(scope)

    def wait_end(self, timeout: float) -> bool:
        """Wait until it has ended, at most `timeout` seconds; then cancel it if it is `async`.

        One that asked to leave has ended: its code has unwound, it only waits for the host.
        """
        with self._ended:
            ended = self._ended.wait_for(lambda: self._scope is None or self._is_departing, timeout)
            coroutine = self._coroutine
        if not ended and coroutine is not None:
            coroutine.cancel()
        return ended

    def _start_thread(self) -> None:
        self._scope = CallScope(ScopeKind.RUN)
        thread = threading.Thread(
            target=self._main, args=(self._scope,), name=self._name, daemon=True
        )
        thread.start()

    def _main(self, scope: CallScope) -> None:
        enter_scope(scope)
        try:
            if self._code is not None:
                self._finish(self._code())
        except DepartureUnwind:
            pass
        except (CancelledError, Exception) as error:  # noqa: BLE001 - the border of the thread
            if not self._is_excused(scope, error):
                self._crash(error)
                return
        except BaseException as error:  # noqa: BLE001 - sys.exit() in run() ends the process
            self._crash(error)
            return
        if scope.departure is not None and not scope.is_over:
            self._depart(scope)
        self._end()

    def _finish(self, result: object) -> None:
        if isinstance(result, CoroutineType):
            future = self._loop.submit(result)
            with self._mutex:
                self._coroutine = future
            future.result()

    def _is_excused(self, scope: CallScope, error: BaseException) -> bool:
        if scope.departure is not None:
            return True
        if not scope.is_over:
            return False
        if not isinstance(error, CancelledError):
            # It was told to end and fails on its way out: for the author to see, no crash.
            traceback.print_exception(error, file=sys.stderr)
        return True

    def _depart(self, scope: CallScope) -> None:
        departure = scope.departure
        assert departure is not None
        with self._ended:
            self._is_departing = True
            self._ended.notify_all()
        enter_scope(None)  # this call is ours: a closing gate must not end it
        try:
            self._port.call(DEPART, DepartCall(departure=departure), timeout=LIFECYCLE_TIMEOUT)
        except PagletsError as error:
            print(f"{self._name}: {departure.verb} failed: {error}", file=sys.stderr)  # noqa: T201 - the author's log
            pause = min(FIRST_PAUSE * 2**self._refusals, LAST_PAUSE)
            self._refusals += 1
            with self._mutex:
                self._is_again = True
            if not scope.is_over:
                self._gate.sleep(pause)
        except OSError:
            return  # the host has closed the pipe: it has given this process up

    def _end(self) -> None:
        with self._ended:
            self._scope = None
            self._is_departing = False
            self._coroutine = None
            if self._is_again:
                self._is_again = False
                self._start_thread()
            self._ended.notify_all()
