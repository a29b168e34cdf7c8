"""Calls of an author's hooks: one at a time, in the lane, each within its timeout.

A hook that takes longer is reported as HookTimeoutError while it still runs; the host then ends the
process. What a hook raises is a HookError with its traceback.
"""

import threading
from collections.abc import Callable
from typing import NoReturn

from paglets.child.events import decode_event
from paglets.child.loader import AnyPaglet
from paglets.child.loopthread import LoopThread
from paglets.child.pipe import HostPipe
from paglets.child.scope import CallScope, DepartureUnwind, enter_scope, leave_scope
from paglets.child.watchdog import Watch, Watchdog
from paglets.model.enums import Hook
from paglets.model.errors import HookTimeoutError
from paglets.wire.calls import Failed, Snapshot, ToHost
from paglets.wire.failures import encode_failure, handler_error


class Answer:
    """The one answer to a call of the host: the first that is sent counts."""

    def __init__(self, pipe: HostPipe, call: int) -> None:
        self._pipe = pipe
        self.call = call
        self._once = threading.Lock()

    def send(self, answer: ToHost) -> bool:
        """Send the answer; False if there was one already."""
        if not self._once.acquire(blocking=False):
            return False
        self._pipe.send(answer)
        return True

    def fail(self, error: BaseException, snapshot: Snapshot | None = None) -> bool:
        """Answer that it raised."""
        failure = encode_failure(error)
        return self.send(Failed(call=self.call, failure=failure, snapshot=snapshot))


class HookCalls:
    """Calls hooks of one paglet.

    Args:
        paglet: Whose.
        names: The hooks its class overrides; others are not called.
        loop: For those that are `async def`.
        watchdog: Looks after those that take too long.
        timeout: Seconds for one hook with its tasks.
    """

    def __init__(
        self,
        paglet: AnyPaglet,
        names: tuple[str, ...],
        loop: LoopThread,
        watchdog: Watchdog,
        *,
        timeout: float,
    ) -> None:
        self._paglet = paglet
        self._names = frozenset(names)
        self._loop = loop
        self._watchdog = watchdog
        self._timeout = timeout

    def has(self, hook: Hook) -> bool:
        """Whether the class overrides `hook`."""
        return hook.value in self._names

    def call(self, hook: Hook, data: bytes, scope: CallScope) -> None:
        """Call `hook` with the event in `data`; nothing if the class has none.

        Raises:
            HookError: It raised.
            DepartureUnwind: It departed.
        """
        if self.has(hook):
            self.guard(hook, scope, lambda: self._invoke(hook, decode_event(hook, data)))

    def event(self, hook: Hook, data: bytes) -> object:
        """Return the event in `data`."""
        return decode_event(hook, data)

    def tell(self, hook: Hook, event: object) -> None:
        """Call `hook` in the present scope, as part of an author's call that is under way."""
        if self.has(hook):
            self._invoke(hook, event)

    def guard(self, hook: Hook, scope: CallScope, code: Callable[[], object]) -> None:
        """Run an author's code as part of `hook`, in `scope`; raises as `call`."""
        token = enter_scope(scope)
        try:
            code()
        except DepartureUnwind:
            raise
        except Exception as error:  # noqa: BLE001 - the author's hook: forwarded as HookError
            _raise_hook_error(error, hook)
        finally:
            leave_scope(token)
        if scope.departure is not None:  # swallowed by the author's code, which changes nothing
            raise DepartureUnwind(scope.departure.verb)

    def watch(self, hook: Hook, tell: Callable[[HookTimeoutError], object]) -> Watch:
        """Return a context manager that tells of a hook that takes too long, while it does."""
        return self._watchdog.watch(self._timeout, lambda: tell(self._too_slow(hook)))

    def _too_slow(self, hook: Hook) -> HookTimeoutError:
        return HookTimeoutError(
            f"{hook.value} did not return within {self._timeout:g} s", hook=hook.value
        )

    def _invoke(self, hook: Hook, event: object) -> None:
        self._loop.finish(getattr(self._paglet, hook.value)(event))


def _raise_hook_error(error: Exception, hook: Hook) -> NoReturn:
    raise handler_error(error, hook=hook.value) from error
