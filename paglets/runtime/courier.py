"""Carrying a promised paglet to its target: offer, ask, settle, for as long as it takes.

A courier runs for each MOVING or CLONING row, from its commit, or from the start of the host after
a crash, until the target's own word has settled it. Silence never does.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from paglets.config.settings import Timeouts
from paglets.failpoints import failpoint_async
from paglets.model.enums import PagletStatus, TransferOutcome
from paglets.model.errors import (
    HostUnreachableError,
    MoveInDoubtError,
    PagletsError,
    TransferError,
)
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.runtime.commits import Commits, lean
from paglets.runtime.lifecycle import PROMISED, Settled, decide_outcome
from paglets.runtime.ports import PeerCalls
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.targets import reason_of
from paglets.runtime.tasks import Tasks
from paglets.store.rows import PagletRow, TransferRow
from paglets.store.store import Store
from paglets.store.writes import DeleteMessages, SettleTransfer
from paglets.wire.bodies import OutcomeBody, given
from paglets.wire.envelope import PREFIX_BYTES, EnvelopeHeader, decode_header
from paglets.wire.failures import parse_error_body

log = logging.getLogger(__name__)
_BYTES_PER_SECOND = 4 * 1024 * 1024
"""Slowest link an attempt's time allows for, beside `Timeouts.offer`."""
_NOTE_DELAY = 0.005
"""Seconds before the target is told that the source has settled: who waits for the move is told
first, and nobody waits for this note."""


@dataclass(slots=True)
class Errand:
    """One transfer that is under way, as this process knows it."""

    record: TransferRow
    outcome: "asyncio.Future[PagletProxyRef]"
    """Done when settled: the address at the target, or TransferError."""
    is_fresh: bool
    """Made by this process: only then is it known whether anything ever reached the target."""
    size_bytes: int
    """State and files: what takes its time to arrive is not in doubt yet."""
    was_connected: bool = False
    attempts: int = 0
    last_error: str | None = None
    started: float = 0.0
    attempt: asyncio.Timeout | None = None
    """Ends the attempt that is under way, if one is."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What settles a transfer."""

    outcome: TransferOutcome
    reason: PagletsError | None
    """Why it was refused, where that was told."""


@dataclass(frozen=True, slots=True)
class _Settlement:
    """A transfer that is settled on disk and has not been made known."""

    settled: Settled
    before: PagletRow
    reason: PagletsError | None


class Courier:
    """Settles this host's outgoing transfers; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        roster: Roster,
        store: Store,
        commits: Commits,
        calls: PeerCalls,
        recorder: Recorder,
        tasks: Tasks,
        *,
        timeouts: Timeouts,
    ) -> None:
        self._roster = roster
        self._store = store
        self._commits = commits
        self._calls = calls
        self._recorder = recorder
        self._tasks = tasks
        self._timeouts = timeouts
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self.errands: dict[str, Errand] = {}
        """Transfers under way by id."""
        self.resume: Callable[[LocalPaglet, PagletsError], Awaitable[None]] = _unbound
        """Starts a refused paglet again; set by the composition root."""
        self.moved: Callable[[LocalPaglet, PagletRow], Awaitable[None]] = _unbound
        """Hands over and cleans up after MOVED; set by the composition root."""
        self._nudge = asyncio.Event()
        self._lives: dict[str, tuple[int, str]] = {}
        """Generation and URL of each host that has appeared, by host id."""

    def nudge(self) -> None:
        """Try again now."""
        self._nudge.set()
        self._nudge = asyncio.Event()

    def meet(self, host: HostRef) -> None:
        """Try again now: a host has appeared, come back, or is reached elsewhere.

        What was sent to its former life or address is not waited for: nobody there answers.
        """
        life = (host.generation, host.url)
        if self._lives.get(host.host_id, life) != life:
            for errand in self.errands.values():
                if errand.record.peer.host_id == host.host_id and errand.attempt is not None:
                    errand.attempt.reschedule(asyncio.get_running_loop().time())
        self._lives[host.host_id] = life
        self.nudge()

    def carry(self, paglet: LocalPaglet, record: TransferRow, *, is_fresh: bool) -> Errand:
        """Begin to settle the transfer of a MOVING or CLONING row."""
        errand = self.errands.get(record.transfer_id)
        if errand is None:
            loop = asyncio.get_running_loop()
            size = sum(blob.size for blob in (paglet.row.state, *(b for _, b in paglet.row.files)))
            errand = Errand(record, loop.create_future(), is_fresh, size, started=loop.time())
            errand.outcome.add_done_callback(_look)
            self.errands[record.transfer_id] = errand
            self._tasks.start(self._run(paglet, errand), f"transfer {record.transfer_id}")
        return errand

    async def wait(self, errand: Errand, *, timeout: float) -> PagletProxyRef:
        """Return where the paglet is once the target has accepted it.

        Raises:
            TransferError: The target refused it; it lives on here.
            MoveInDoubtError: No word from the target within `timeout` seconds, beside the time
                its size takes.
        """
        try:
            async with asyncio.timeout(timeout + errand.size_bytes / _BYTES_PER_SECOND):
                return await asyncio.shield(errand.outcome)
        except TimeoutError as error:
            if isinstance(error, PagletsError):
                raise
            record = errand.record
            raise MoveInDoubtError(
                f"{record.peer.name} has not answered yet ({errand.last_error or 'no reply'}): "
                f"{record.agent_id} is in doubt and will be settled when it does",
                transfer_id=record.transfer_id,
                agent_id=record.agent_id,
            ) from error

    async def _run(self, paglet: LocalPaglet, errand: Errand) -> None:
        pause = self._timeouts.retry_first
        while self._is_promised(paglet, errand):
            errand.attempts += 1
            settlement = await self._try(paglet, errand)
            if settlement is not None:
                await self._announce(paglet, errand, settlement)
                return
            await self._pause(pause)
            pause = min(pause * 2, self._timeouts.retry_most)
        await self.superseded(paglet, errand.record.transfer_id)

    async def superseded(self, paglet: LocalPaglet, transfer_id: str) -> None:
        """End the errand of a transfer that was settled by other means than the target's answer.

        By the paglet's return, by a claim that it has gone on, or by an operator.
        """
        errand = self.errands.pop(transfer_id, None)
        if errand is None or errand.outcome.done():
            return
        record = self._store.transfer(transfer_id) or errand.record
        if record.outcome is TransferOutcome.ACCEPTED:
            errand.outcome.set_result(self._roster.ref(paglet))
        else:
            error = TransferError("settled by an operator: it lives on here", reason="resolved")
            errand.outcome.set_exception(error)
        if record.outcome is not TransferOutcome.UNDECIDED and record.settled_at is None:
            self.confirm(record)

    async def _try(self, paglet: LocalPaglet, errand: Errand) -> _Settlement | None:
        """Make one attempt; None where it settled nothing, whatever stood in its way."""
        try:
            verdict = await self._verdict(paglet, errand)
            return None if verdict is None else await self._settle(paglet, errand, verdict)
        except Exception as error:  # noqa: BLE001 - a full disk or the unforeseen: logged, tried again
            errand.last_error = str(error) or type(error).__name__
            log.warning(
                "attempt to settle failed: %s agent=%s transfer=%s",
                errand.last_error,
                errand.record.agent_id,
                errand.record.transfer_id,
            )
            return None

    async def _verdict(self, paglet: LocalPaglet, errand: Errand) -> _Verdict | None:
        """Return what settles the transfer, None where nothing does yet."""
        try:
            async with asyncio.timeout(None) as errand.attempt:
                answer = await self._attempt(paglet, errand)
        except HostUnreachableError as error:
            errand.last_error = error.message
            errand.was_connected |= bool(error.detail.get("connected", True))
            if not self._never_left(errand):
                return None
            return _Verdict(TransferOutcome.REFUSED, error)
        except (PagletsError, OSError) as error:
            errand.was_connected = True
            errand.last_error = str(error) or "the host has restarted or has another address"
            return None
        finally:
            errand.attempt = None
        errand.was_connected = True
        return await self._heed(errand, answer)

    def _is_promised(self, paglet: LocalPaglet, errand: Errand) -> bool:
        row = paglet.row
        return row.status in PROMISED and row.transfer_id == errand.record.transfer_id

    def _never_left(self, errand: Errand) -> bool:
        """Whether nothing can have reached the target, and the time to wait for it has passed."""
        waited = asyncio.get_running_loop().time() - errand.started
        return errand.is_fresh and not errand.was_connected and waited >= self._timeouts.connect

    async def _attempt(self, paglet: LocalPaglet, errand: Errand) -> OutcomeBody:
        record, row = errand.record, paglet.row
        if time.time() >= record.not_after or row.envelope is None:
            return await self._calls.outcome(
                record.peer, record.transfer_id, timeout=self._timeouts.outcome
            )
        blobs = (self._commits.load(paglet), *(blob for _, blob in row.files))
        parts = [b.data if b.data is not None else self._commits.spool.path(b) for b in blobs]
        size = sum(blob.size for blob in blobs)
        return await self._calls.offer(
            record.peer,
            record.transfer_id,
            row.envelope,
            parts,
            timeout=self._timeouts.offer + size / _BYTES_PER_SECOND,
        )

    async def _heed(self, errand: Errand, answer: OutcomeBody) -> _Verdict | None:
        """Return the target's word; None where it is not that, and settles nothing."""
        record = errand.record
        is_targets = (
            answer.transfer_id == record.transfer_id and answer.host_id == record.peer.host_id
        )
        if not is_targets or answer.outcome == TransferOutcome.UNDECIDED:
            errand.last_error = f"answered by host {answer.host_id}, which was not the target"
            return None
        outcome = TransferOutcome(answer.outcome)
        reason: PagletsError | None = None
        told = given(answer.reason)
        if outcome is TransferOutcome.REFUSED and told is not None:
            reason = parse_error_body(told, 409)
        if outcome is TransferOutcome.ACCEPTED:
            await failpoint_async("move.got_accepted")
        return _Verdict(outcome, reason)

    async def _settle(self, paglet: LocalPaglet, errand: Errand, verdict: _Verdict) -> _Settlement:
        record, outcome = errand.record, verdict.outcome
        async with paglet.committing:
            before = paglet.row
            settled = decide_outcome(
                before,
                self._store.transfer(record.transfer_id) or record,
                outcome,
                resting=resting_status(before),
                reached=errand.was_connected,
                now=time.time(),
            )
            accepted = outcome is TransferOutcome.ACCEPTED
            gone = travelled(before) if accepted and not settled.is_late else ()
            messages = (DeleteMessages(record.agent_id, gone),) if gone else ()
            await self._store.commit(
                *settled.writes,
                *messages,
                essential=True,
                label="move.moved_commit" if accepted else None,
            )
            if settled.row is not None:
                paglet.become(lean(settled.row))
        if not settled.is_late:
            self.errands.pop(record.transfer_id, None)
        return _Settlement(settled, before, verdict.reason)

    async def _announce(self, paglet: LocalPaglet, errand: Errand, settlement: _Settlement) -> None:
        record, settled, reason = errand.record, settlement.settled, settlement.reason
        if settled.is_late:
            await self.superseded(paglet, record.transfer_id)
            return
        if settled.row is not None and settled.row.status is PagletStatus.MOVED:
            await failpoint_async("move.after_moved")
            self._recorder.record(
                record.kind.value,
                f"moved to {record.peer.name}",
                agent_id=record.agent_id,
                transfer_id=record.transfer_id,
            )
            if not errand.outcome.done():
                errand.outcome.set_result(self._roster.ref(paglet))
            self.confirm(replace(record, outcome=TransferOutcome.ACCEPTED))
            await self.moved(paglet, settlement.before)
            return
        error = TransferError(
            f"{record.peer.name} did not take {record.agent_id}: "
            f"{reason.message if reason else 'it refused'}",
            reason=reason_of(reason) if reason else "refused",
            target=record.peer.name,
            agent_id=record.agent_id,
        )
        self._recorder.record("refused", error.message, agent_id=record.agent_id, level="warning")
        if settled.row is None:
            self._roster.drop(record.agent_id)
        if errand.was_connected:
            # It keeps its refusal until it knows that no repeat of the offer can follow.
            self.confirm(replace(record, outcome=TransferOutcome.REFUSED))
        if settled.resumes:
            await self.resume(paglet, error)
        if not errand.outcome.done():
            errand.outcome.set_exception(error)

    def confirm(self, record: TransferRow) -> None:
        """Tell the target of a decided transfer, until it answers, that the source has settled too.

        Both sides keep their record until then, and for a day after.
        """
        self._tasks.start(self._confirm(record), f"settled {record.transfer_id}")

    async def _confirm(self, record: TransferRow) -> None:
        await asyncio.sleep(_NOTE_DELAY)
        pause = self._timeouts.retry_first
        while True:
            await failpoint_async("settle.before_send")
            try:
                await self._calls.settled(
                    record.peer, record.transfer_id, timeout=self._timeouts.outcome
                )
                break
            except PagletsError as error:
                if error.status == 404:
                    break
            await self._pause(pause)
            pause = min(pause * 2, 30.0)
        await self._store.commit(
            SettleTransfer(record.transfer_id, record.outcome, time.time(), settled=True)
        )

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * self._jitter.uniform(0.75, 1.25)):
                await self._nudge.wait()
        except TimeoutError:
            return


def envelope_of(row: PagletRow) -> EnvelopeHeader:
    """Return the envelope header of a promised row."""
    assert row.envelope is not None, "a promised row keeps its envelope"
    return decode_header(row.envelope[PREFIX_BYTES:])


def travelled(row: PagletRow) -> tuple[str, ...]:
    """Return the ids of the messages in the envelope of a row; none where it has no envelope."""
    if row.envelope is None:
        return ()
    return tuple(message.message_id for message in envelope_of(row).queue)


def resting_status(row: PagletRow) -> PagletStatus:
    """Return the status a promised row falls back to when it is refused."""
    if row.envelope is not None and envelope_of(row).inactive:
        return PagletStatus.INACTIVE
    return PagletStatus.ACTIVE


def _look(future: "asyncio.Future[PagletProxyRef]") -> None:
    if not future.cancelled():
        future.exception()


def _unbound(*_args: object) -> NoReturn:
    raise AssertionError("bound by the composition root before the first move")
