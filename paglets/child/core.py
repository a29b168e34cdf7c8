"""What the runtime does for the author's code at hand: `PagletCore` in a Paglet Process.

Leaving is asked for here and carried out by the host: the check is made in place, then the call
unwinds, and its answer to the host names the departure.
"""

import sys
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import NoReturn

from paglets.agent.port import (
    CALL_TIMEOUT,
    CHECK,
    CHECKPOINT,
    CLONE,
    LIFECYCLE_TIMEOUT,
    WATCH_QUEUE,
    Predicate,
)
from paglets.agent.statelock import StateLock
from paglets.child.files import PagletFiles
from paglets.child.gate import Gate
from paglets.child.hostcalls import ChildPort
from paglets.child.scope import CallScope, DepartureUnwind, ScopeKind, current_scope
from paglets.child.snapshots import Snapshots
from paglets.model.enums import Durability, FileMode, Verb
from paglets.model.errors import (
    DeadlineError,
    LifecycleError,
    NotHandledError,
    PagletsError,
    PinnedError,
    TransferError,
)
from paglets.model.events import MoveFailedEvent
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire.calls import Departure
from paglets.wire.hostcalls import CheckCall, CheckpointCall, CloneCall, Empty
from paglets.wire.policies import encode_policy

_CHECK_GRACE = 5.0

RunInLane = Callable[[Callable[[], "Future[Empty]"]], "Future[Empty]"]
"""Runs something between two messages and returns its result."""


class ChildCore:
    """The runtime's side of `PagletContext`.

    Args:
        port: To the host.
        gate: Waits end with it.
        snapshots: Takes the state.
        files: Folders of the paglet.
        durability: Of its class.
    """

    def __init__(
        self,
        port: ChildPort,
        gate: Gate,
        lock: StateLock,
        *,
        snapshots: Snapshots,
        files: PagletFiles,
        durability: Durability,
    ) -> None:
        self.lock = lock
        """The State Lock."""
        self._port = port
        self._gate = gate
        self._snapshots = snapshots
        self._files = files
        self._is_message = durability is Durability.MESSAGE
        self._is_telling = False
        self._watches_queue = False
        self.on_refusal: Callable[[MoveFailedEvent], None] | None = None
        """Tells the paglet's `on_move_failed`; set by the runner."""
        self.run_in_lane: RunInLane | None = None
        """Set by the runner."""
        self.wants_retry = False
        """Whether the itinerary is to go on in the background."""

    @property
    def stopping(self) -> bool:
        """Whether the gate is closed, or the `run()` that asks is to end."""
        scope = current_scope()
        return self._gate.is_closed or (scope is not None and scope.is_over)

    def sleep(self, seconds: float) -> bool:
        """Wait; True at once when `stopping`."""
        self._port.require_blocking("sleep()")
        return self.stopping or self._gate.sleep(seconds)

    def wait_state(self, predicate: Predicate, timeout: float) -> bool:
        """Wait for the state; see `Paglet.wait_state`."""
        self._port.require_blocking("wait_state()")
        return self._gate.wait_state(predicate, timeout)

    def wait_message(self, timeout: float) -> bool:
        """Wait for a message; see `Paglet.wait_message`."""
        self._port.require_blocking("wait_message()")
        if not self._watches_queue:
            self._port.call(WATCH_QUEUE, Empty(), timeout=CALL_TIMEOUT)
            self._watches_queue = True
        return not self.stopping and self._gate.wait_message(timeout)

    def notify_message(self, *, everyone: bool) -> None:
        """Wake one or all in `wait_message`."""
        self._gate.notify(everyone=everyone)

    def not_handled(self) -> NoReturn:
        """Raise NotHandledError for the message at hand."""
        scope = current_scope()
        kind = "" if scope is None else scope.message_kind
        if scope is not None:
            scope.is_refused = True
        raise NotHandledError(f"this paglet has no handler for {kind!r}", kind=kind)

    def dispatch(self, ticket: TransferTicket) -> NoReturn:
        """Check the target, then unwind."""
        scope = _departing_scope(Verb.DISPATCH)
        attempts = ticket.retries + 1
        timeout = attempts * (ticket.timeout + ticket.retry_interval) + _CHECK_GRACE
        request = CheckCall(ticket=ticket, state_bytes=self._snapshots.last_size)
        try:
            checked = self._port.call(CHECK, request, timeout=timeout)
        except PinnedError:
            raise  # of no target: nothing was asked
        except PagletsError as error:
            scope.refusal = self._refused(ticket, error)
            raise scope.refusal from error
        scope.depart(Departure(verb=Verb.DISPATCH, ticket=ticket, check_id=checked.check_id))

    def clone(
        self, ticket: TransferTicket | None, clone_agent_id: str | None = None
    ) -> PagletProxyRef:
        """Clone and go on."""
        _require_staying()
        clone_id = clone_agent_id or self._port.derive_id()
        request = CloneCall(ticket=ticket, clone_agent_id=clone_id)
        return self._port.call(CLONE, request, timeout=LIFECYCLE_TIMEOUT).ref

    def clone_each(
        self,
        clones: Iterable[tuple[TransferTicket, str]],
        told: Callable[[str, PagletsError | None], None],
        *,
        at_once: int,
    ) -> None:
        """Clone to each target, a few at once, and go on."""
        _require_staying()
        self._port.call_each(
            CLONE,
            (CloneCall(ticket=ticket, clone_agent_id=clone_id) for ticket, clone_id in clones),
            lambda request, error: told(request.clone_agent_id or "", error),
            at_once=at_once,
            timeout=LIFECYCLE_TIMEOUT,
        )

    def deactivate(self, policy: DeactivationPolicy) -> NoReturn:
        """Unwind to sleep."""
        scope = _departing_scope(Verb.DEACTIVATE)
        scope.depart(Departure(verb=Verb.DEACTIVATE, policy=encode_policy(policy)))

    def dispose(self) -> NoReturn:
        """Unwind to end."""
        _departing_scope(Verb.DISPOSE).depart(Departure(verb=Verb.DISPOSE))

    def checkpoint(self) -> None:
        """Commit the state."""
        self._port.require_blocking("checkpoint()")
        if self.lock.is_held:
            raise RuntimeError("checkpoint() waits for the disk: call it outside locked_state()")
        scope = current_scope()
        if self._is_message and scope is not None and scope.kind is ScopeKind.QUEUED:
            raise LifecycleError(
                "with Durability.MESSAGE a handler's state is committed together with its reply; "
                "checkpoint() is for run()"
            )
        if self._is_message and self.run_in_lane is not None:
            # Between two messages: half a handler's work must not be committed without its outcome.
            sent = self.run_in_lane(self._send_checkpoint)
        else:
            sent = self._send_checkpoint()
        try:
            sent.result(LIFECYCLE_TIMEOUT)
        except FutureTimeoutError as error:
            if isinstance(error, PagletsError):
                raise
            raise DeadlineError("the host did not answer a checkpoint in time") from None

    def retry_later(self) -> NoReturn:
        """Unwind the hook; the itinerary goes on after it."""
        self.wants_retry = True
        raise DepartureUnwind("retry")

    @property
    def in_hook(self) -> bool:
        """Whether the caller is a hook."""
        scope = current_scope()
        return scope is not None and scope.kind is ScopeKind.HOOK

    def work_dir(self) -> Path:
        """Return the paglet's folder on this host."""
        return self._files.work_dir()

    def persistent_dir(self) -> Path:
        """Return the folder that stays with the host."""
        return self._files.persistent_dir()

    def register_file(self, path: Path, mode: FileMode) -> None:
        """Let a file travel with the next move."""
        self._files.register(path, mode)

    def _send_checkpoint(self) -> "Future[Empty]":
        with self._snapshots.order:
            request = CheckpointCall(snapshot=self._snapshots.take())
            return self._port.call_future(CHECKPOINT, request, timeout=LIFECYCLE_TIMEOUT)

    def _refused(self, ticket: TransferTicket, error: PagletsError) -> TransferError:
        target = ticket.destination
        name = target.name if isinstance(target, HostRef) else target
        refusal = error
        if not isinstance(error, TransferError):
            refusal = TransferError(f"{name} does not take this paglet: {error}", reason=error.code)
        assert isinstance(refusal, TransferError)
        # A hook that tries elsewhere and is refused again is not told from within itself.
        if self.on_refusal is not None and not self._is_telling:
            self._is_telling = True
            try:
                self.on_refusal(MoveFailedEvent(name, refusal, restarted=False))
            except Exception as raised:  # noqa: BLE001 - the author's hook; the refusal is the news
                traceback.print_exception(raised, file=sys.stderr)
                refusal.add_note(f"on_move_failed raised {type(raised).__name__}: {raised}")
            finally:
                self._is_telling = False
        return refusal


def _departing_scope(verb: Verb) -> CallScope:
    scope = current_scope()
    if scope is None:
        raise LifecycleError(
            f"{verb.value} was called in a thread of the paglet's own: call it in a handler, a "
            "hook or run()"
        )
    if scope.kind is ScopeKind.LEAVING:
        raise _is_leaving(verb)
    if scope.is_unwinding:
        raise DepartureUnwind(verb.value)
    return scope


def _require_staying() -> None:
    scope = current_scope()
    if scope is not None and scope.kind is ScopeKind.LEAVING:
        raise _is_leaving(Verb.CLONE)


def _is_leaving(verb: Verb) -> LifecycleError:
    return LifecycleError(f"{verb.value} was called in a hook of another life-cycle call")
