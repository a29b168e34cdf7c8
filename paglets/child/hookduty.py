"""Hooks after which the paglet goes on here: `RunHook`, with what the itinerary adds to them.

Before `on_arrival` the plan advances, after it the stop's tasks run; after `on_move_failed` the
plan may go on by itself. A hook may depart; its answer then names the departure.
"""

import contextlib
from collections.abc import Callable

from paglets.child.hookcalls import Answer
from paglets.child.paglet import LivePaglet
from paglets.child.scope import CallScope, DepartureUnwind, ScopeKind
from paglets.model.enums import Hook, TaskPhase, UnreachableStop
from paglets.model.events import MobilityEvent, MoveFailedEvent
from paglets.wire import calls


class HookDuty:
    """Runs hooks for the host, and opens the gate when they are done."""

    def __init__(self, paglet: LivePaglet) -> None:
        self._paglet = paglet

    def open_gate(self, queued: int) -> None:
        """Let messages in and start `run()`."""
        self._paglet.gate.open(queued)
        self._paglet.run.start()
        if self._paglet.core.wants_retry:
            self._paglet.itinerary.start()

    def run(self, call: calls.RunHook) -> None:
        """Run the hook of `call` with all that belongs to it, and answer. In the lane."""
        paglet, answer = self._paglet, Answer(self._paglet.pipe, call.call)
        hook = Hook(call.hook)
        scopes = (CallScope(ScopeKind.HOOK), CallScope(ScopeKind.HOOK))
        try:
            with paglet.hooks.watch(hook, answer.fail):
                self._before_hook(hook, call.event)
                self._unwinding(lambda: paglet.hooks.call(hook, call.event, scopes[0]))
                self._unwinding(lambda: self._after_hook(hook, call.event, scopes[1]))
            with paglet.snapshots.order:
                snapshot = paglet.snapshots.take() if call.want_snapshot else None
                departure = scopes[0].departure or scopes[1].departure
                answer.send(calls.HookDone(call=call.call, snapshot=snapshot, departure=departure))
        except Exception as error:  # noqa: BLE001 - the author's hook: forwarded to the host
            answer.fail(error)
            return
        if paglet.core.wants_retry and paglet.gate.is_open:
            paglet.itinerary.start()

    def _before_hook(self, hook: Hook, event: bytes) -> None:
        if hook is Hook.ON_ARRIVAL:
            told = self._paglet.hooks.event(hook, event)
            assert isinstance(told, MobilityEvent)
            self._paglet.travel.arrived(by_plan=told.reason == "dispatch")

    def _after_hook(self, hook: Hook, event: bytes, scope: CallScope) -> None:
        travel, hooks = self._paglet.travel, self._paglet.hooks
        if hook is Hook.ON_ARRIVAL:
            hooks.guard(hook, scope, lambda: travel.run_tasks(TaskPhase.ARRIVAL))
        elif hook is Hook.ON_MOVE_FAILED:
            told = hooks.event(hook, event)
            assert isinstance(told, MoveFailedEvent)
            if travel.move_failed(told.error):
                hooks.guard(hook, scope, self._go_on)

    def _go_on(self) -> None:
        plan = self._paglet.travel.itinerary
        if plan is not None and plan.unreachable is UnreachableStop.RETRY:
            self._paglet.core.retry_later()
        self._paglet.travel.go_on()

    def _unwinding(self, code: Callable[[], None]) -> None:
        # The scope has the departure, or the itinerary goes on in the background.
        with contextlib.suppress(DepartureUnwind):
            code()
