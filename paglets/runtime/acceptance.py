"""The target's decision on an envelope that is here whole: one commit, and what follows from it.

`lifecycle.decide_offer` decides; this writes what it returns and moves the paglet in. How the
envelope came here and was judged is in `arrivals.py`.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from paglets.failpoints import failpoint_async
from paglets.model.enums import (
    ArrivalMode,
    EnvelopeKind,
    Hook,
    PagletStatus,
    TransferOutcome,
)
from paglets.model.errors import (
    PagletsError,
    TransferError,
    UnavailableError,
)
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.runtime.admission import Admission
from paglets.runtime.childlink import ChildLink
from paglets.runtime.commits import lean
from paglets.runtime.common import Common
from paglets.runtime.courier import travelled
from paglets.runtime.lifecycle import (
    Accepted,
    Answered,
    Offer,
    Refused,
    decide_offer,
)
from paglets.runtime.packing import clone_event, mobility_event
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.storedqueue import rejoin
from paglets.store.rows import Blob, Due, PagletRow, QueuedMessage, RememberedOutcome
from paglets.store.writes import (
    DeleteMessages,
    PutMessages,
    RememberOutcome,
    StaleWriteError,
    Write,
)
from paglets.wire.bodies import ABSENT, OutcomeBody
from paglets.wire.envelope import EnvelopeHeader
from paglets.wire.failures import error_body
from paglets.wire.policies import decode_policy

_DECISIONS = 3
"""Times an offer is decided anew when rows or records change under the decision."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An envelope that has arrived and been judged: what a decision needs."""

    state: Blob
    files: tuple[tuple[str, Blob], ...]
    link: ChildLink | None
    """Its process, with the state decoded; None where it arrives inactive."""
    failure: PagletsError | None = None


class Acceptance:
    """Decides on whole envelopes for one host; used from its loop.

    Args:
        superseded: Told of a transfer of this host that a return has proven accepted.
    """

    def __init__(
        self,
        common: Common,
        *,
        superseded: Callable[[LocalPaglet, str], Awaitable[None]],
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._activity = common.activity
        self._recorder = common.recorder
        self._superseded = superseded

    async def decide(self, header: EnvelopeHeader, whole: Whole) -> OutcomeBody:
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
        self, header: EnvelopeHeader, whole: Whole, present: LocalPaglet | None
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
            arriving=None if whole.failure else self._arriving(header, whole, present),
            failure=failure,
            now=time.time(),
        )
        match decision:
            case Answered(outcome, reason):
                return outcome_body(self._roster.me.host_id, header.transfer_id, outcome, reason)
            case Refused(writes, why):
                return await self._refuse(header, writes, why, whole.failure)
            case Accepted(writes, proven):
                return await self._accept(header, whole, present, (writes, proven))

    def _arriving(
        self, header: EnvelopeHeader, whole: Whole, before: LocalPaglet | None
    ) -> PagletRow:
        row = arriving_row(header, whole.state, self._roster.me)
        if before is None or before.row.birth_id != row.birth_id:
            return row
        # It has come home: its tombstone, should it leave again, is to say so.
        return replace(row, launched=before.row.launched)

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
        return outcome_body(
            self._roster.me.host_id, header.transfer_id, TransferOutcome.REFUSED, error_body(error)
        )

    async def _accept(
        self,
        header: EnvelopeHeader,
        whole: Whole,
        before: LocalPaglet | None,
        accepted: tuple[tuple[Write, ...], str | None],
    ) -> OutcomeBody:
        writes, proven = accepted
        queue, outcomes = _queue_of(header), _outcomes_of(header, now=time.time())
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
            paglet = await self._replace(before, self._arriving(header, whole, before))
            paglet.remembered.update({record.message_id: record for record in outcomes})
            rejoin(paglet, frozenset(message.message_id for message in queue))
            self._move_in(paglet, header, whole.link)
        if proven is not None:
            await self._superseded(paglet, proven)
        await failpoint_async("arrival.before_answer")
        return outcome_body(
            self._roster.me.host_id, header.transfer_id, TransferOutcome.ACCEPTED, None
        )

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


def arriving_row(header: EnvelopeHeader, state: Blob, me: PeerAddress) -> PagletRow:
    """Return the row that an accepted envelope becomes at `me`."""
    is_clone = header.kind is EnvelopeKind.CLONE
    if is_clone and header.clone_of is not None:
        event = clone_event(header.clone_of, header.agent_id, header.source, me)
    else:
        event = mobility_event(header.source, me, header.kind)
    inactive = is_inactive(header)
    hook = Hook.ON_CLONE if is_clone else Hook.ON_ARRIVAL
    # A hook that a running paglet does not have is not owed: that would be a commit for nothing.
    # One that sleeps is owed it nevertheless, as it is not to hear of an activation in its place.
    is_owed = inactive or hook.value in header.manifest.hooks
    policy = None if header.policy is None else decode_policy(header.policy)
    return PagletRow(
        agent_id=header.agent_id,
        birth_id=header.birth_id,
        manifest=header.manifest,
        status=PagletStatus.INACTIVE if inactive else PagletStatus.ACTIVE,
        epoch=Epoch(*header.epoch),
        state=state,
        due=Due(hook.value, event, attempt=0 if inactive else 1) if is_owed else None,
        policy=(policy or Admission.DEFAULT_POLICY) if inactive else None,
        transfer_id=header.transfer_id,
        created_at=header.created_at or time.time(),
        changed_at=time.time(),
    )


def outcome_body(
    host_id: str, transfer_id: str, outcome: TransferOutcome, reason: bytes | None
) -> OutcomeBody:
    """Return a decision of the host `host_id` as it is answered."""
    return OutcomeBody(
        transfer_id=transfer_id,
        host_id=host_id,
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


def is_inactive(header: EnvelopeHeader) -> bool:
    """Whether the paglet is stored at the target without being started."""
    return header.inactive or header.arrival_mode is ArrivalMode.INACTIVE


def _queue_of(header: EnvelopeHeader) -> tuple[QueuedMessage, ...]:
    """Return the messages that travelled with the paglet, as they are stored here."""
    return tuple(
        QueuedMessage(
            agent_id=header.agent_id,
            message_id=message.message_id,
            priority=message.priority,
            body=message.body,
        )
        for message in header.queue
    )


def _outcomes_of(header: EnvelopeHeader, *, now: float) -> list[RememberedOutcome]:
    """Return what messages handled elsewhere came to, remembered as long as there."""
    return [
        RememberedOutcome(
            agent_id=header.agent_id,
            message_id=kept.message_id,
            outcome=kept.outcome,
            expires_at=now + kept.ttl_ms / 1000,
        )
        for kept in header.outcomes
    ]
