"""The runner: takes what the host says and has it done, each in its thread.

Who reads only sorts: queued messages and hooks go to the lane, UNQUEUED messages to a pool,
`Inspect` to a pool of its own, so that it never waits for a handler. See `reading.py` for the
beginning and `leaving.py` for the end.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias, assert_never

from paglets.child.hookcalls import Answer
from paglets.child.hookduty import HookDuty
from paglets.child.lane import Lane
from paglets.child.leaving import Leaving
from paglets.child.messages import (
    DeliveredMessage,
    failure_of,
    invoke,
    message_of,
    scope_of,
)
from paglets.child.paglet import LivePaglet
from paglets.child.reading import Reading
from paglets.child.scope import CallScope, DepartureUnwind, ScopeKind, enter_scope, leave_scope
from paglets.model.enums import Hook
from paglets.model.errors import (
    ConflictError,
    InternalError,
    InvalidRequestError,
    PagletsError,
    UnavailableError,
)
from paglets.model.events import MoveFailedEvent
from paglets.wire import calls
from paglets.wire.calls import INLINE_LIMIT, Snapshot
from paglets.wire.failures import Failure, encode_failure
from paglets.wire.hostcalls import Empty
from paglets.wire.jsonvalues import encode_reply
from paglets.wire.messages import WireMessage, decode_message

Guarded: TypeAlias = tuple[int, bytes]
"""Number of the lane's last job, and the state after it."""

UNQUEUED_LIMIT = 256
"""UNQUEUED messages handled at once; more wait for a thread."""

LANE_TIMEOUT = 60.0
"""Seconds for which a MESSAGE paglet's `checkpoint()` waits for the handler at work."""


class Runner:
    """Runs one paglet.

    Args:
        paglet: Loaded, with its parts.
        end: Ends the process with an exit code, at once; may return in tests.
        crash: Ends it with an exception.
    """

    def __init__(
        self,
        paglet: LivePaglet,
        end: Callable[[int], None],
        crash: Callable[[BaseException], None],
    ) -> None:
        self._paglet = paglet
        self._pipe = paglet.pipe
        self._end = end
        self._crash = crash
        # A host that closes the pipe and lives has given this process up.
        self._reading = Reading(
            paglet.pipe, self._take, paglet.watchdog, end=lambda: end(1), crash=crash
        )
        self._lane = Lane(self._reading)
        self._duty = HookDuty(paglet)
        self._leaving = Leaving(paglet, self._lane, end)
        self._running: dict[str, DeliveredMessage] = {}
        self._unqueued = ThreadPoolExecutor(UNQUEUED_LIMIT, thread_name_prefix="unqueued")
        self._inspections = ThreadPoolExecutor(2, thread_name_prefix="inspect")
        paglet.core.on_refusal = self._tell_refusal
        paglet.core.run_in_lane = self._run_in_lane

    def run(self, early: Sequence[calls.ToChild] = ()) -> None:
        """Serve until the process ends; the calling thread becomes the lane.

        Args:
            early: What the host said together with `Load`.
        """
        self._paglet.port.lead(self._reading)
        for call in early:
            self._take(call)
        try:
            self._lane.run()
        finally:
            self._reading.stop()
            self._unqueued.shutdown(wait=False)
            self._inspections.shutdown(wait=False)

    def _take(self, call: calls.ToChild) -> None:
        match call:
            case calls.Deliver():
                self._admit(call)
            case calls.HostReply() | calls.HostFailed():
                self._paglet.port.answered(call)
            case calls.Load() | calls.Survey():
                raise InternalError("the host loads a second paglet into one process")
            case calls.Queued() | calls.Cancel() | calls.Inspect() | calls.Exit():
                self._take_aside(call)
            case calls.RunHook():
                self._put_hook(functools.partial(self._duty.run, call))
            case calls.CloneState():
                self._put_hook(functools.partial(self._leaving.clone_state, call))
            case calls.OpenGate():
                self._duty.open_gate(call.queued)
            case calls.Quiesce():
                self._leaving.begin(call)
            case _:
                assert_never(call)

    def _take_aside(self, call: calls.Queued | calls.Cancel | calls.Inspect | calls.Exit) -> None:
        match call:
            case calls.Queued():
                self._paglet.gate.note_queued(call.count)
            case calls.Cancel():
                running = self._running.get(call.message_id)
                if running is not None:
                    running.is_cancelled = True
            case calls.Inspect():
                self._inspections.submit(self._inspect, call)
            case calls.Exit():
                self._end(0)
            case _:
                assert_never(call)

    def _put_hook(self, job: Callable[[], None]) -> None:
        # A handler that clones waits in the lane for a call that needs hooks to be run.
        if not self._paglet.port.serve(job):
            self._lane.put(job)

    def _admit(self, call: calls.Deliver) -> None:
        try:
            wire = decode_message(call.body)
        except InvalidRequestError as error:
            self._fail(call.call, encode_failure(error))
            return
        if not self._paglet.gate.enter(queued=wire.priority > 0):
            closed = UnavailableError("the paglet is about to leave and takes no messages")
            self._fail(call.call, encode_failure(closed))
        elif wire.priority:
            self._lane.put(functools.partial(self._deliver, call.call, wire))
        else:
            self._unqueued.submit(self._deliver_unqueued, call.call, wire)

    def _deliver_unqueued(self, number: int, wire: WireMessage) -> None:
        try:
            self._deliver(number, wire, self._guarded_state())
        except BaseException as error:  # noqa: BLE001 - the border of the thread; ends the process
            self._crash(error)

    def _deliver(self, number: int, wire: WireMessage, guarded: Guarded | None = None) -> None:
        """Handle one message and answer it. What is no `Exception` ends the process."""
        paglet = self._paglet
        scope = scope_of(wire, paglet.agent_id, derives=paglet.is_message)
        failure: Failure | None = None
        reply = b"null"
        token = enter_scope(scope)
        try:
            message = message_of(wire)
            self._running[wire.message_id] = message
            reply = encode_reply(invoke(paglet.object, message, paglet.loop))
        except DepartureUnwind as unwind:
            if scope.departure is None:
                failure = encode_failure(UnavailableError(f"{unwind} was cut short"))
        except Exception as error:  # noqa: BLE001 - the author's code: forwarded to the sender
            failure = failure_of(error, scope)
        finally:
            leave_scope(token)
            self._running.pop(wire.message_id, None)
        try:
            if guarded is not None:
                failure = self._undo_change(guarded, wire) or failure
            self._answer(number, scope, failure, reply)
        finally:
            paglet.gate.leave()

    def _guarded_state(self) -> Guarded | None:
        """Return the state that an UNQUEUED handler of a MESSAGE paglet may not change.

        None where that cannot be told because something else may change it meanwhile.
        """
        paglet, turn = self._paglet, self._reading.idle_since
        if not paglet.is_message or turn is None or paglet.run.is_running:
            return None
        try:
            return turn, paglet.snapshots.encode()
        except PagletsError:
            return None  # a value that does not fit is told at the next reply

    def _undo_change(self, guarded: Guarded, wire: WireMessage) -> Failure | None:
        turn, data = guarded
        try:
            if self._reading.idle_since != turn or not self._paglet.snapshots.put_back(data):
                return None
        except PagletsError as error:
            return encode_failure(error)
        return encode_failure(
            ConflictError(
                f"the handler of the UNQUEUED message {wire.kind!r} changed the state, which "
                "Durability.MESSAGE does not allow; the change was undone"
            )
        )

    def _answer(self, number: int, scope: CallScope, failure: Failure | None, reply: bytes) -> None:
        if scope.departure is not None:
            self._pipe.send(calls.Delivered(call=number, departure=scope.departure))
            return
        if failure is None and not self._paglet.is_message and len(reply) <= INLINE_LIMIT:
            self._pipe.send(calls.Delivered(call=number, reply=reply))
            return
        snapshot: Snapshot | None = None
        path: str | None = None
        with self._paglet.snapshots.order:
            try:
                if scope.kind is ScopeKind.QUEUED:
                    snapshot = self._paglet.snapshots.take_changed()
                if len(reply) > INLINE_LIMIT and failure is None:
                    path = self._paglet.snapshots.write(reply, "reply")
                    reply = b"null"
            except PagletsError as error:
                failure = failure or encode_failure(error)
            if failure is not None:
                self._fail(number, failure, snapshot)
            else:
                self._pipe.send(
                    calls.Delivered(call=number, reply=reply, reply_path=path, snapshot=snapshot)
                )

    def _fail(self, number: int, failure: Failure, snapshot: Snapshot | None = None) -> None:
        self._pipe.send(calls.Failed(call=number, failure=failure, snapshot=snapshot))

    def _tell_refusal(self, event: MoveFailedEvent) -> None:
        # In the thread of the handler that called dispatch(): only the process can be ended.
        with self._paglet.hooks.watch(Hook.ON_MOVE_FAILED, self._crash):
            self._paglet.hooks.tell(Hook.ON_MOVE_FAILED, event)

    def _run_in_lane(self, code: Callable[[], "Future[Empty]"]) -> "Future[Empty]":
        if threading.get_ident() == self._paglet.port.lane_thread:
            return code()
        return self._lane.result_of(code, LANE_TIMEOUT)

    def _inspect(self, call: calls.Inspect) -> None:
        snapshots, answer = self._paglet.snapshots, Answer(self._pipe, call.call)
        try:
            snapshot = snapshots.copy()
        except Exception as error:  # noqa: BLE001 - forwarded to the host
            answer.fail(error)
            return
        answer.send(calls.Inspected(call=call.call, snapshot=snapshot))
