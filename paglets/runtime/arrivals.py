"""Taking in paglets: the target's side of the move.

Order of a decision, which is what makes it safe to repeat: a record of this transfer decides
before any check; a transfer that is being received is waited for; then the checks; then one commit.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import msgspec

from paglets.config.settings import Limits, Timeouts
from paglets.failpoints import failpoint_async
from paglets.model.enums import (
    ArrivalMode,
    EnvelopeKind,
    Hook,
    PagletStatus,
    TransferOutcome,
)
from paglets.model.errors import (
    AgentIdTakenError,
    InvalidRequestError,
    MisdirectedError,
    PagletsError,
    TooLargeError,
    TransferError,
    UnavailableError,
)
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.runtime.activity import Activity
from paglets.runtime.admission import Admission
from paglets.runtime.childlink import ChildLink
from paglets.runtime.commits import lean
from paglets.runtime.courier import travelled
from paglets.runtime.lifecycle import (
    Accepted,
    Answered,
    Offer,
    Refused,
    decide_offer,
    decide_query,
    objection,
)
from paglets.runtime.packing import clone_event, mobility_event
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.starter import Birth, Starter
from paglets.runtime.storedqueue import rejoin
from paglets.runtime.unpacking import Unpacker
from paglets.store.rows import Blob, Due, PagletRow, QueuedMessage, RememberedOutcome
from paglets.store.store import Store
from paglets.store.writes import (
    DeleteMessages,
    PutMessages,
    RememberOutcome,
    SettleTransfer,
    StaleWriteError,
    Write,
)
from paglets.wire.bodies import ABSENT, CheckAnswer, CheckBody, OutcomeBody
from paglets.wire.envelope import EnvelopeHeader
from paglets.wire.failures import error_body
from paglets.wire.messages import PROTOCOL
from paglets.wire.policies import decode_policy

_DECISIONS = 3
"""Times an offer is decided anew when rows or records change under the decision."""
_RECEIVING_TIMEOUT = 120.0
"""Seconds a repeat waits for the copy of its offer that is being received."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """An envelope that has arrived and been judged: what a decision needs."""

    state: Blob
    files: tuple[tuple[str, Blob], ...]
    link: ChildLink | None
    """Its process, with the state decoded; None where it arrives inactive."""
    failure: PagletsError | None = None


class Arrivals:
    """Takes in paglets on one host; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        *,
        roster: Roster,
        store: Store,
        activity: Activity,
        starter: Starter,
        admission: Admission,
        unpacker: Unpacker,
        recorder: Recorder,
        limits: Limits,
        timeouts: Timeouts,
    ) -> None:
        self._roster = roster
        self._store = store
        self._activity = activity
        self._starter = starter
        self._admission = admission
        self._unpacker = unpacker
        self._recorder = recorder
        self._limits = limits
        self._timeouts = timeouts
        self._receiving: dict[str, asyncio.Future[None]] = {}
        self.superseded: Callable[[LocalPaglet, str], Awaitable[None]] = _nothing
        """Told of a transfer of this host that a return has proven accepted."""

    async def check(self, body: CheckBody) -> CheckAnswer:
        """Answer whether this host would take a paglet now; nothing is written.

        Raises:
            PagletsError: Why it would not: code version, capabilities, class, size, room.
        """
        await self._admission.require(
            class_name=body.class_name,
            code_version=body.code_version,
            ticket=body.ticket,
            state_bytes=body.state_bytes,
            protocol=body.protocol,
        )
        await self._admission.require_loadable(body.class_name)
        present = self._roster.find(body.agent_id) if body.agent_id else None
        if (
            present is not None
            and present.row.birth_id != body.birth_id
            and present.row.status is not PagletStatus.MOVED
        ):
            raise AgentIdTakenError(
                f"{self._roster.me.name} has another paglet {body.agent_id}",
                agent_id=body.agent_id,
            )
        return self._admission.answer(PROTOCOL)

    async def offer(
        self,
        transfer_id: str,
        header: EnvelopeHeader,
        encoded_header: bytes,
        chunks: AsyncIterator[bytes],
    ) -> OutcomeBody:
        """Take in an offered envelope and return this host's decision, durable when returned.

        Args:
            transfer_id: From the URL.
            header: The decoded header.
            encoded_header: The same with its prefix, as signed.
            chunks: State and files.

        Raises:
            MisdirectedError: It is addressed to another host id; nothing is settled.
            PagletsError: Anything else leaves the transfer undecided; the source repeats.
        """
        del encoded_header  # its digest was verified with the signature
        self._require_addressed(transfer_id, header)
        await self._while_receiving(transfer_id)
        known = self._store.transfer(transfer_id)
        if known is not None:
            return self._outcome(transfer_id, known.outcome, known.reason)
        received: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receiving[transfer_id] = received
        try:
            return await self._receive(header, chunks)
        finally:
            del self._receiving[transfer_id]
            received.set_result(None)

    def _require_addressed(self, transfer_id: str, header: EnvelopeHeader) -> None:
        if header.transfer_id != transfer_id:
            raise InvalidRequestError(
                f"the envelope is of transfer {header.transfer_id}, the URL says {transfer_id}"
            )
        if header.target.host_id != self._roster.me.host_id:
            raise MisdirectedError(
                f"the envelope is for host {header.target.name} ({header.target.host_id}), this "
                f"is {self._roster.me.name} ({self._roster.me.host_id})",
                host_id=self._roster.me.host_id,
            )

    async def _while_receiving(self, transfer_id: str) -> None:
        """Wait while a copy of this offer is being received, or was started by another request."""
        while (receiving := self._receiving.get(transfer_id)) is not None:
            done, _ = await asyncio.wait([receiving], timeout=_RECEIVING_TIMEOUT)
            if not done:
                raise UnavailableError(
                    f"transfer {transfer_id} is still being received", retry_after=1.0
                )

    async def _receive(self, header: EnvelopeHeader, chunks: AsyncIterator[bytes]) -> OutcomeBody:
        await failpoint_async("arrival.before_checks")
        try:
            await self._judge(header)
        except PagletsError as error:
            if error.retryable:
                raise
            return await self._decide(header, _Whole(Blob.inline(b""), (), None, error))
        state, files = await self._unpacker.receive(header, chunks)
        await failpoint_async("arrival.received")
        whole = await self._decode(header, state, files)
        try:
            await failpoint_async("arrival.before_accepted")
            return await self._decide(header, whole)
        finally:
            if whole.link is not None and not whole.link.is_taken:
                await asyncio.shield(whole.link.end(grace=0))
            if self._roster.find(header.agent_id) is None:
                await self._unpacker.discard(header.agent_id, whole.state, whole.files)

    async def _judge(self, header: EnvelopeHeader) -> None:
        await self._admission.require(
            class_name=header.manifest.class_name,
            code_version=header.manifest.code_version,
            ticket=header.ticket,
            state_bytes=header.state_bytes,
            protocol=header.protocol,
        )
        files = sum(file.size for file in header.files)
        if files > self._limits.files_bytes:
            raise TooLargeError(
                f"registered files of {files} bytes are over {self._roster.me.name}'s limit of "
                f"{self._limits.files_bytes}"
            )
        present = self._roster.find(header.agent_id)
        if header.files and present is not None:
            # Here too: files are put into the work dir of this id before the decision.
            why = objection(present.row, header.birth_id, Epoch(*header.epoch))
            if why is not None:
                raise TransferError(
                    f"{self._roster.me.name} refused {header.agent_id}: {why}", reason=why
                )

    async def _decode(
        self, header: EnvelopeHeader, state: Blob, files: tuple[tuple[str, Blob], ...]
    ) -> _Whole:
        """Decode the state in a child: only imports and constructors run before acceptance."""
        birth = Birth(
            agent_id=header.agent_id,
            class_name=header.manifest.class_name,
            epoch=header.epoch,
            state=state,
            check_only=_is_inactive(header),
        )
        try:
            await self._unpacker.place(header.agent_id, files)
            link, _ = await self._starter.launch(birth)
        except PagletsError as error:
            if error.retryable:
                raise
            return _Whole(state, files, None, error)
        if birth.check_only:
            await link.end(grace=1.0)
            return _Whole(state, files, None)
        return _Whole(state, files, link)

    async def _decide(self, header: EnvelopeHeader, whole: _Whole) -> OutcomeBody:
        """Decide once more where a race was lost: then the recorded outcome answers."""
        for _ in range(_DECISIONS):
            present = self._roster.find(header.agent_id)
            with contextlib.suppress(StaleWriteError):
                if present is None:
                    return await self._decide_once(header, whole, None)
                # Row in memory and row on disk change together for all who hold this.
                async with present.committing:
                    return await self._decide_once(header, whole, present)
        raise UnavailableError(f"{header.agent_id} changes too often here", retry_after=1.0)

    async def _decide_once(
        self, header: EnvelopeHeader, whole: _Whole, present: LocalPaglet | None
    ) -> OutcomeBody:
        offer = Offer(
            header.transfer_id,
            header.kind,
            header.source,
            Epoch(*header.epoch),
            header.birth_id,
            header.agent_id,
        )
        failure = None if whole.failure is None else error_body(whole.failure)
        decision = decide_offer(
            None if present is None else present.row,
            self._store.transfer(header.transfer_id),
            offer,
            arriving=None if whole.failure else self._arriving(header, whole),
            failure=failure,
            now=time.time(),
        )
        match decision:
            case Answered(outcome, reason):
                return self._outcome(header.transfer_id, outcome, reason)
            case Refused(writes, why):
                return await self._refuse(header, writes, why, whole.failure)
            case Accepted(writes, proven):
                return await self._accept(header, whole, present, (writes, proven))

    async def _refuse(
        self,
        header: EnvelopeHeader,
        writes: tuple[Write, ...],
        why: str,
        failure: PagletsError | None,
    ) -> OutcomeBody:
        await self._store.commit(*writes, essential=True)
        error = failure or TransferError(
            f"{self._roster.me.name} refused {header.agent_id}: {why}", reason=why
        )
        self._recorder.record(
            "refuse",
            f"refused {header.manifest.class_name} from {header.source.name}: {error.message}",
            agent_id=header.agent_id,
            level="warning",
        )
        return self._outcome(header.transfer_id, TransferOutcome.REFUSED, error_body(error))

    async def _accept(
        self,
        header: EnvelopeHeader,
        whole: _Whole,
        before: LocalPaglet | None,
        accepted: tuple[tuple[Write, ...], str | None],
    ) -> OutcomeBody:
        writes, proven = accepted
        now = time.time()
        queue = tuple(
            QueuedMessage(
                agent_id=header.agent_id,
                message_id=message.message_id,
                priority=message.priority,
                body=message.body,
            )
            for message in header.queue
        )
        outcomes = [
            RememberedOutcome(
                agent_id=header.agent_id,
                message_id=kept.message_id,
                outcome=kept.outcome,
                expires_at=now + kept.ttl_ms / 1000,
            )
            for kept in header.outcomes
        ]
        await self._store.commit(
            *writes,
            *_messages_left(header, before),
            PutMessages(queue),
            *(RememberOutcome(record) for record in outcomes),
            label="arrival.accepted_commit",
        )
        if whole.link is not None:
            whole.link.is_taken = True
        try:
            await failpoint_async("arrival.after_accepted")
            await failpoint_async("arrival.before_start")
        finally:
            # The commit has decided: whatever fails from now on, the paglet lives here.
            paglet = await self._replace(before, self._arriving(header, whole))
            paglet.remembered.update({record.message_id: record for record in outcomes})
            rejoin(paglet, frozenset(message.message_id for message in queue))
            self._move_in(paglet, header, whole.link)
        if proven is not None:
            await self.superseded(paglet, proven)
        await failpoint_async("arrival.before_answer")
        return self._outcome(header.transfer_id, TransferOutcome.ACCEPTED, None)

    def _move_in(self, paglet: LocalPaglet, header: EnvelopeHeader, link: ChildLink | None) -> None:
        self._recorder.record(
            "arrival",
            f"arrived from {header.source.name}",
            agent_id=header.agent_id,
            transfer_id=header.transfer_id,
            movement=header.kind.value,
        )
        if link is not None:
            self._activity.enter_later(paglet, link)

    async def _replace(self, before: LocalPaglet | None, row: PagletRow) -> LocalPaglet:
        """Put the row that has arrived in the place of what was here; an older copy stops first."""
        if before is not None and before.link is not None:
            link, before.link, before.gate_open = before.link, None, False
            await link.end(grace=0)
        return self._roster.put(lean(row))

    def _arriving(self, header: EnvelopeHeader, whole: _Whole) -> PagletRow:
        is_clone = header.kind is EnvelopeKind.CLONE
        if is_clone and header.clone_of is not None:
            event = clone_event(header.clone_of, header.agent_id, header.source, self._roster.me)
        else:
            event = mobility_event(header.source, self._roster.me, header.kind)
        inactive = _is_inactive(header)
        hook = Hook.ON_CLONE if is_clone else Hook.ON_ARRIVAL
        policy = None if header.policy is None else decode_policy(header.policy)
        return PagletRow(
            agent_id=header.agent_id,
            birth_id=header.birth_id,
            manifest=header.manifest,
            status=PagletStatus.INACTIVE if inactive else PagletStatus.ACTIVE,
            epoch=Epoch(*header.epoch),
            state=whole.state,
            due=Due(hook.value, event, attempt=0 if inactive else 1),
            policy=(policy or Admission.DEFAULT_POLICY) if inactive else None,
            transfer_id=header.transfer_id,
            created_at=header.created_at or time.time(),
            changed_at=time.time(),
        )

    async def outcome(self, transfer_id: str) -> OutcomeBody:
        """Return the outcome of a transfer; an unknown one is refused durably before that."""
        await self._while_receiving(transfer_id)
        record = self._store.transfer(transfer_id)
        nobody = PeerAddress("", "", "")
        decision = decide_query(record, transfer_id, nobody, now=time.time())
        if isinstance(decision, Answered):
            return self._outcome(transfer_id, decision.outcome, decision.reason)
        try:
            await self._store.commit(*decision.writes, essential=True)
        except StaleWriteError:
            # An offer was decided while this was being written: its record answers.
            return await self.outcome(transfer_id)
        return self._outcome(transfer_id, TransferOutcome.REFUSED, None)

    async def settled(self, transfer_id: str) -> None:
        """Note that the source has settled too: the record may be forgotten 24 h later."""
        record = self._store.transfer(transfer_id)
        if record is None or record.outcome is TransferOutcome.UNDECIDED:
            return
        if record.settled_at is None:
            await self._store.commit(
                SettleTransfer(transfer_id, record.outcome, time.time(), settled=True)
            )

    def _outcome(
        self, transfer_id: str, outcome: TransferOutcome, reason: bytes | None
    ) -> OutcomeBody:
        return OutcomeBody(
            transfer_id=transfer_id,
            host_id=self._roster.me.host_id,
            outcome=outcome.value,
            reason=ABSENT if reason is None else msgspec.Raw(reason),
        )


def _messages_left(header: EnvelopeHeader, before: LocalPaglet | None) -> tuple[Write, ...]:
    """Return the write that removes stored messages which the paglet had taken along.

    Those stored here since it left are kept: they were acknowledged, and wait for it.
    """
    if before is None or before.row.birth_id != header.birth_id:
        return (DeleteMessages(header.agent_id),)
    gone = travelled(before.row)
    return (DeleteMessages(header.agent_id, gone),) if gone else ()


def _is_inactive(header: EnvelopeHeader) -> bool:
    return header.inactive or header.arrival_mode is ArrivalMode.INACTIVE


async def _nothing(_paglet: LocalPaglet, _transfer_id: str) -> None:
    """Nobody asked to be told."""
