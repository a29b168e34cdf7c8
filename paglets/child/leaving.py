"""How a paglet leaves its process: quiesce, hook, cleanup, files, state; and how a clone is made.

`Quiesce` closes the gate as soon as it is read. Where somebody is inside, a thread of its own waits
for them; the lane does the rest, ending with the state. Whatever goes wrong on the way, the host
gets the reason, and the paglet stays: `OpenGate` then lets messages in and starts `run()` anew.
"""

import sys
import threading
import time
from collections.abc import Callable

from paglets.agent.fanout.gathering import order_in_state
from paglets.child.hookcalls import Answer
from paglets.child.lane import Lane
from paglets.child.paglet import LivePaglet
from paglets.child.scope import CallScope, DepartureUnwind, ScopeKind
from paglets.model.enums import Hook, TaskPhase, Verb
from paglets.model.errors import LifecycleError, QuiesceTimeoutError
from paglets.model.events import CloneEvent
from paglets.wire.calls import CloneState, Quiesce, Quiesced

_MOVES = (Verb.DISPATCH, Verb.RETRACT)
_PHASES = {Hook.ON_DISPATCHING: TaskPhase.DISPATCH, Hook.ON_REVERTING: TaskPhase.REVERTING}


class Leaving:
    """Carries out `Quiesce` and `CloneState` for one paglet.

    Args:
        paglet: Who leaves.
        lane: Where hooks run.
        end: Ends the process with an exit code.
    """

    def __init__(self, paglet: LivePaglet, lane: Lane, end: Callable[[int], None]) -> None:
        self._paglet = paglet
        self._lane = lane
        self._end = end

    def begin(self, call: Quiesce) -> None:
        """Close the gate; go on when nobody is inside. Called by the reading thread."""
        paglet = self._paglet
        paglet.gate.close()
        paglet.run.interrupt()
        paglet.itinerary.interrupt()
        if not paglet.run.is_running and paglet.gate.wait_empty(0.0):
            self._lane.put(lambda: self._leave(call))
            return
        # Waiting has a thread of its own: this one has to read on.
        threading.Thread(target=self._quiesce, args=(call,), name="quiesce", daemon=True).start()

    def clone_state(self, call: CloneState) -> None:
        """Run `on_cloning` and answer with a copy of the state; in the lane."""
        paglet, answer = self._paglet, Answer(self._paglet.pipe, call.call)
        try:
            with paglet.hooks.watch(Hook.ON_CLONING, answer.fail):
                paglet.hooks.call(Hook.ON_CLONING, call.event, CallScope(ScopeKind.LEAVING))
            event = paglet.hooks.event(Hook.ON_CLONING, call.event)
            assert isinstance(event, CloneEvent)
            with order_in_state(paglet.object, event.clone_agent_id):
                snapshot = paglet.snapshots.copy()
            files = paglet.files.offer(keep=True)
        except (DepartureUnwind, Exception) as error:  # noqa: BLE001 - forwarded to the host
            answer.fail(_plain(error))
            return
        answer.send(Quiesced(call=call.call, snapshot=snapshot, files=files))

    def _quiesce(self, call: Quiesce) -> None:
        paglet = self._paglet
        timeout = call.timeout_ms / 1000
        deadline = time.monotonic() + timeout
        if not paglet.gate.wait_empty(timeout):
            if call.anyway:
                self._leave_as_is(call)
                return
            self._stay(
                Answer(paglet.pipe, call.call),
                QuiesceTimeoutError(f"a handler was still running after {timeout:g} s"),
            )
            return
        if call.anyway:
            paglet.run.wait_end(min(paglet.manifest.run_grace, deadline - time.monotonic()))
        else:
            paglet.run.wait_end(paglet.manifest.run_grace)
        self._lane.put(lambda: self._leave(call))

    def _leave(self, call: Quiesce) -> None:
        """Run the hook and all that follows; in the lane, nobody inside."""
        paglet, answer = self._paglet, Answer(self._paglet.pipe, call.call)
        try:
            if call.hook is not None:
                self._call_hook(Hook(call.hook), call.event, answer)
            for failure in paglet.context.resources.clean_up():
                print(failure, file=sys.stderr)  # noqa: T201 - the author's log
            files = paglet.files.offer(keep=False) if call.verb in _MOVES else ()
            snapshot = paglet.snapshots.take() if call.want_state else None
        except (DepartureUnwind, Exception) as error:  # noqa: BLE001 - forwarded to the host
            self._stay(answer, error)
            return
        if answer.send(Quiesced(call=call.call, snapshot=snapshot, files=files)):
            self._end(0)
        else:
            self._paglet.gate.shut()  # the hook took too long; the host knows and decides

    def _call_hook(self, hook: Hook, event: bytes, answer: Answer) -> None:
        paglet = self._paglet
        with paglet.hooks.watch(hook, answer.fail):
            paglet.hooks.call(hook, event, CallScope(ScopeKind.LEAVING))
            phase = _PHASES.get(hook)
            if phase is not None:
                scope = CallScope(ScopeKind.LEAVING)
                paglet.hooks.guard(hook, scope, lambda: paglet.travel.run_tasks(phase))

    def _leave_as_is(self, call: Quiesce) -> None:
        """At shutdown with a handler still running: state under the lock, or the last commit."""
        paglet, answer = self._paglet, Answer(self._paglet.pipe, call.call)
        try:
            snapshot = None
            if call.want_state and not paglet.is_message:
                snapshot = paglet.snapshots.take()
        except Exception as error:  # noqa: BLE001 - forwarded: the host keeps its last commit
            self._stay(answer, error)
            return
        answer.send(Quiesced(call=call.call, snapshot=snapshot))
        self._end(0)

    def _stay(self, answer: Answer, error: BaseException) -> None:
        self._paglet.gate.shut()
        answer.fail(_plain(error))


def _plain(error: BaseException) -> BaseException:
    if isinstance(error, DepartureUnwind):
        return LifecycleError("a hook of a life-cycle call tried to start another one")
    return error
