"""Leaving this host: dispatch, clone and retract, from the check to the promise.

Steps 1 and 2 of the move and its commit MOVING (or CLONING) are here; `courier.py` carries on from
there. What happens when it comes back refused is `return_home`, the one way back for all failures.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec

from paglets.failpoints import failpoint_async
from paglets.model.enums import (
    EnvelopeKind,
    Hook,
    PagletStatus,
    Verb,
)
from paglets.model.errors import (
    PagletCrashedError,
    PagletsError,
)
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.childlink import as_failure
from paglets.runtime.commits import require_status
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.idempotency import CallOutcome, Keeper, require_address
from paglets.runtime.leftovers import remove, set_aside
from paglets.runtime.lifecycle import MOVABLE, decide_promise
from paglets.runtime.packing import Packer, mobility_event
from paglets.runtime.quiescing import Taken
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.targets import Targets
from paglets.store.rows import Due, PagletRow, TransferRow
from paglets.store.writes import PutTransfer
from paglets.wire.failures import encode_failure

_MOVABLE = tuple(MOVABLE)


class Departures:
    """Sends paglets of one host away; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        courier: Courier,
        targets: Targets,
        packer: Packer,
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._commits = common.commits
        self._activity = common.activity
        self._quiescer = common.quiescer
        self._courier = courier
        self._targets = targets
        self._packer = packer
        self._recorder = common.recorder
        self._once = common.once
        self._timeouts = common.timeouts
        self.wake: Callable[[LocalPaglet], None] = _unbound
        """Starts to wake an inactive paglet for a message; set by the composition root."""

    async def dispatch(
        self,
        agent_id: str,
        ticket: TransferTicket,
        *,
        reason: EnvelopeKind,
        key: str | None,
    ) -> PagletProxyRef:
        """Move a paglet of this host to the ticket's destination and return its new address.

        Raises:
            TransferError: The target refused it or cannot be reached; it is here as before.
            MoveInDoubtError: The target has not answered within `Timeouts.outcome` seconds.
            BusyError: Another life-cycle verb runs.
        """

        async def work(keep: Keeper) -> PagletProxyRef:
            paglet = self._roster.get(agent_id)
            verb = Verb.RETRACT if reason is EnvelopeKind.RETRACT else Verb.DISPATCH
            paglet.require_movable(verb)
            await paglet.ready(timeout=self._timeouts.hook)
            with paglet.doing(verb):
                paglet.require(verb, *_MOVABLE, story=self._recorder.story(agent_id))
                target = await self._targets.check(paglet.row, ticket)
                return await self._leave(paglet, target, ticket, reason, keep)

        return require_address(await self._once.run(key, work, self.settled))

    async def depart(
        self, paglet: LocalPaglet, ticket: TransferTicket, check_id: str | None
    ) -> PagletProxyRef:
        """Carry out the paglet's own dispatch; its handler, hook or `run()` has unwound.

        Raises:
            TransferError: It did not happen; the paglet has been told by `on_move_failed`.
            MoveInDoubtError: The target has not answered in time.
        """
        with paglet.doing(Verb.DISPATCH):
            try:
                paglet.require_movable(Verb.DISPATCH)
                target = self._targets.passed(check_id) or await self._targets.check(
                    paglet.row, ticket
                )
            except PagletsError as error:
                await self.return_home(paglet, error, str(ticket.destination), None)
                raise
            return await self._leave(paglet, target, ticket, EnvelopeKind.DISPATCH, Keeper(None))

    async def _leave(
        self,
        paglet: LocalPaglet,
        target: PeerAddress,
        ticket: TransferTicket,
        kind: EnvelopeKind,
        keep: Keeper,
    ) -> PagletProxyRef:
        taken: Taken | None = None
        try:
            await failpoint_async("move.before_quiesce")
            async with self._taking(paglet, target, kind) as taken:
                await failpoint_async("move.after_quiesce")
                record: TransferRow | None = None
                if target.host_id != self._roster.me.host_id:
                    # Its process exits meanwhile; it is gone before anything is offered.
                    record = await self._promise(paglet, target, ticket, kind, taken, keep)
            if record is None:
                return await self._stay(paglet, taken, kind)
        except PagletCrashedError as error:
            await self._activity.crash(paglet, error)
            raise
        except PagletsError as error:
            await self.return_home(paglet, error, target.name, taken)
            raise
        except Exception as error:
            # What nobody foresaw must not leave it without a process: it lives on here too.
            failure = as_failure(error)
            await self.return_home(paglet, failure, target.name, taken)
            raise failure from error
        await failpoint_async("move.after_moving")
        errand = self._courier.carry(paglet, record, is_fresh=True)
        return await self._courier.wait(errand, timeout=self._timeouts.outcome)

    def _taking(
        self, paglet: LocalPaglet, target: PeerAddress, kind: EnvelopeKind
    ) -> AbstractAsyncContextManager[Taken | None]:
        if paglet.row.status is not PagletStatus.ACTIVE:
            return nullcontext()
        is_retract = kind is EnvelopeKind.RETRACT
        return self._quiescer.taking(
            paglet,
            Verb.RETRACT if is_retract else Verb.DISPATCH,
            Hook.ON_REVERTING if is_retract else Hook.ON_DISPATCHING,
            mobility_event(self._roster.me, target, kind),
        )

    async def _promise(
        self,
        paglet: LocalPaglet,
        target: PeerAddress,
        ticket: TransferTicket,
        kind: EnvelopeKind,
        taken: Taken | None,
        keep: Keeper,
    ) -> TransferRow:
        """Commit MOVING: from here on only the target's word decides."""
        async with paglet.committing:
            require_status(paglet, *_MOVABLE)
            now, transfer_id, present = time.time(), new_id(), paglet.row
            promise = decide_promise(
                present,
                target,
                transfer_id,
                kind=kind,
                not_after=now + self._timeouts.not_after,
                now=now,
            )
            assert promise is not None, "its status was looked at"
            state = self._commits.load(paglet)
            if taken is not None and taken.state is not None:
                state = taken.state
            files = taken.files if taken is not None else ()
            row = replace(promise.row, state=state, files=files)
            row = self._packer.pack_move(paglet, row, ticket, kind, state)
            paglet.is_packed = True
            try:
                await failpoint_async("move.before_moving")
                kept = keep.writes(CallOutcome(transfer_id=transfer_id))
                writes = (PutTransfer(promise.record), *kept)
                label = "move.moving_commit"
                await self._commits.put(paglet, present, row, writes=writes, label=label)
            finally:
                paglet.is_packed = False
        paglet.originals = taken.originals if taken is not None else ()
        return promise.record

    async def _stay(
        self, paglet: LocalPaglet, taken: Taken | None, kind: EnvelopeKind
    ) -> PagletProxyRef:
        """A move to the own host is one local commit: same hooks, a new process, one hop."""
        if taken is None:
            return self._roster.ref(paglet)
        event = mobility_event(self._roster.me, self._roster.me, kind)
        async with paglet.committing:
            require_status(paglet, PagletStatus.ACTIVE)
            present = paglet.row
            row = replace(
                present,
                epoch=present.epoch.hop(),
                state=taken.state or present.state,
                due=Due(Hook.ON_ARRIVAL.value, event),
            )
            await self._commits.put(paglet, present, row)
        await self._activity.revive(paglet, kind.value)
        return self._roster.ref(paglet)

    async def return_home(
        self, paglet: LocalPaglet, error: PagletsError, target: str, taken: Taken | None
    ) -> None:
        """Let a paglet live on here after a move that did not happen.

        In its own process where that still runs, else in a new one, from the state that was taken.
        """
        link = paglet.link
        if link is not None and not link.is_over and not link.has_left:
            event = _failed_event(target, error, restarted=False)
            await self._activity.reopen(paglet, link, Hook.ON_MOVE_FAILED, event)
            return
        paglet.link = None
        paglet.travelled = frozenset()
        if paglet.row.status is not PagletStatus.ACTIVE:
            return
        event = _failed_event(target, error, restarted=True)
        state = taken.state if taken is not None else None
        await self._activity.restart(paglet, Hook.ON_MOVE_FAILED, event, state=state)

    async def resume(self, paglet: LocalPaglet, error: PagletsError) -> None:
        """Start a refused paglet again; its row is ACTIVE or INACTIVE already."""
        policy = paglet.row.policy
        if paglet.row.status is PagletStatus.ACTIVE:
            target = str(error.detail.get("target", ""))
            await self.return_home(paglet, error, target, None)
        elif policy is not None and policy.activate_on_message and len(paglet.mailbox):
            self.wake(paglet)

    def moved(self, paglet: LocalPaglet, before: PagletRow) -> Coroutine[object, object, None]:
        """Forget at once what has left with MOVED; return the removal of its files, to be run.

        Its work dir and registered originals leave with the paglet. It may come back at any time,
        so nothing that the removal takes away has its name any more.
        """
        left = None
        originals: tuple[str, ...] = ()
        if before.status is not PagletStatus.CLONING:
            originals, paglet.originals = paglet.originals, ()
            paglet.remembered.clear()
            paglet.unsaved.clear()
            paglet.unsaved_done.clear()
            left = set_aside(self._packer.work_dir(paglet.agent_id))
        return asyncio.to_thread(_remove, left, originals)

    async def settled(self, transfer_id: str) -> PagletProxyRef | None:
        """Return or raise what the transfer of a repeated call came to."""
        errand = self._courier.errands.get(transfer_id)
        if errand is not None:
            return await self._courier.wait(errand, timeout=self._timeouts.outcome)
        return self._targets.outcome(self._store.transfer(transfer_id))


def _remove(folder: Path | None, originals: tuple[str, ...]) -> None:
    for original in originals:
        Path(original).unlink(missing_ok=True)
    if folder is not None:
        remove([folder])


def _failed_event(target: str, error: PagletsError, *, restarted: bool) -> bytes:
    fields = {
        "target_host_name": target,
        "error": encode_failure(error),
        "restarted": restarted,
    }
    return msgspec.json.encode(fields)


def _unbound(_paglet: LocalPaglet) -> None:
    raise AssertionError("bound by the composition root before the first move")
