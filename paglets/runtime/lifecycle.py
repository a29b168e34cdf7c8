"""What may happen to a paglet that moves, decided in one place: the tables of the move.

Every function here takes what is durable and what was said, and returns writes and an answer. The
drivers (`departures`, `courier`, `arrivals`) only do what is returned; who owns a paglet where two
hosts differ, and what a starting host does, is decided in `ownership.py`. The exhaustive models in
`tests/unit/runtime/test_move_model.py` explore both under loss, duplication, delay, return,
restore and kill -9.

Three rules are not negotiable, each refuted variant is in the models:

- the source never resumes on silence, only on the target's own word;
- a target that says no, or that it does not know, has committed that first;
- a record of a transfer outlives every retry, and always decides before any check does.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from paglets.model.enums import (
    EnvelopeKind,
    PagletStatus,
    TransferOutcome,
    TransferRole,
)
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.store.rows import Blob, PagletRow, TransferRow
from paglets.store.writes import (
    DeleteRow,
    Expect,
    PutRow,
    PutTransfer,
    SettleTransfer,
    Write,
)

LIVING = frozenset(
    {
        PagletStatus.ACTIVE,
        PagletStatus.INACTIVE,
        PagletStatus.CRASHED,
        PagletStatus.UNREADABLE,
        PagletStatus.HELD,
    }
)
"""Statuses of a paglet that this host owns."""

PROMISED = frozenset({PagletStatus.MOVING, PagletStatus.CLONING})
"""Statuses of a paglet that waits for a target's word."""


MOVABLE = frozenset({PagletStatus.ACTIVE, PagletStatus.INACTIVE})
"""Statuses from which a paglet may be promised to another host."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A paglet is promised to another host: from this commit on only the target's word decides."""

    row: PagletRow
    """The MOVING row, to be completed with state, files and envelope."""
    record: TransferRow
    expect: Expect


def decide_promise(
    row: PagletRow,
    target: PeerAddress,
    transfer_id: str,
    *,
    kind: EnvelopeKind,
    not_after: float,
    now: float,
) -> Promise | None:
    """Decide at the source what promises a paglet to `target`; None where it may not go any more.

    Args:
        row: The paglet's row at this moment: it may have been fenced while its process was left.
        target: Where it goes.
        transfer_id: New, never used before.
        kind: Dispatch or retract.
        not_after: Unix seconds until which the offer is repeated.
        now: Unix seconds.
    """
    if row.status not in MOVABLE:
        return None
    moving = replace(
        row,
        status=PagletStatus.MOVING,
        epoch=row.epoch.hop(),
        transfer_id=transfer_id,
        peer=target,
        changed_at=now,
    )
    record = source_record(moving, target, transfer_id, kind=kind, not_after=not_after, now=now)
    return Promise(moving, record, Expect(row.status, row.epoch))


def source_record(
    row: PagletRow,
    target: PeerAddress,
    transfer_id: str,
    *,
    kind: EnvelopeKind,
    not_after: float,
    now: float,
) -> TransferRow:
    """Return the source's record of the transfer of a MOVING or CLONING row."""
    return TransferRow(
        transfer_id=transfer_id,
        role=TransferRole.SOURCE,
        kind=kind,
        agent_id=row.agent_id,
        birth_id=row.birth_id,
        peer=target,
        epoch=row.epoch,
        not_after=not_after,
        created_at=now,
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """An envelope that has arrived whole, or is about to be judged."""

    transfer_id: str
    kind: EnvelopeKind
    source: PeerAddress
    epoch: Epoch
    """The epoch after this move."""
    birth_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome was decided before; nothing is written."""

    outcome: TransferOutcome
    reason: bytes | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """This host takes the paglet: the writes are the commit point of the move."""

    writes: tuple[Write, ...]
    supersedes: str | None
    """A transfer of this host that is proven accepted by the paglet's return."""


@dataclass(frozen=True, slots=True)
class Refused:
    """This host does not take it: durable before it is said."""

    writes: tuple[Write, ...]
    why: str
    """`checks`, `stale`, `taken` or `unknown`."""


OfferDecision: TypeAlias = Answered | Accepted | Refused


def decide_offer(
    row: PagletRow | None,
    record: TransferRow | None,
    offer: Offer,
    *,
    arriving: PagletRow | None,
    failure: bytes | None,
    now: float,
) -> OfferDecision:
    """Decide at the target what becomes of an offer.

    Args:
        row: This host's row of the paglet, if any.
        record: This host's record of the transfer, if any: it decides before everything else.
        offer: What was offered.
        arriving: The row to be inserted if it is accepted; None when the checks failed.
        failure: Error body of a failed check; None when all passed.
        now: Unix seconds, for the record.
    """
    if record is not None:
        return Answered(record.outcome, record.reason)
    if failure is not None or arriving is None:
        return Refused((_refusal(offer, failure, now),), "checks")
    why = objection(row, offer.birth_id, offer.epoch)
    if why is not None:
        return Refused((_refusal(offer, None, now),), why)
    return _accept(offer, arriving, row, now)


def objection(row: PagletRow | None, birth_id: str, epoch: Epoch) -> str | None:
    """Return why this host's own row stands against an offer, None if it does not.

    Args:
        row: This host's row of the offered paglet's id, if any.
        birth_id: Of the offered paglet.
        epoch: Its epoch after the move.
    """
    if row is None:
        return None
    if row.birth_id != birth_id:
        return None if row.status is PagletStatus.MOVED else "taken"
    return "stale" if epoch <= row.epoch else None


def _accept(offer: Offer, arriving: PagletRow, row: PagletRow | None, now: float) -> Accepted:
    record = _target_record(offer, TransferOutcome.ACCEPTED, now)
    expect = None if row is None else Expect(row.status, row.epoch)
    writes: tuple[Write, ...] = (PutTransfer(record), PutRow(arriving, expect))
    proven = None
    if row is not None and row.status in PROMISED and row.transfer_id is not None:
        # It can only come back with a higher epoch if the earlier move was accepted.
        proven = row.transfer_id
        settle = SettleTransfer(proven, TransferOutcome.ACCEPTED, now, settled=False)
        writes = (settle, *writes)
    return Accepted(writes, proven)


def _refusal(offer: Offer, reason: bytes | None, now: float) -> PutTransfer:
    return PutTransfer(_target_record(offer, TransferOutcome.REFUSED, now, reason))


def _target_record(
    offer: Offer, outcome: TransferOutcome, now: float, reason: bytes | None = None
) -> TransferRow:
    return TransferRow(
        transfer_id=offer.transfer_id,
        role=TransferRole.TARGET,
        kind=offer.kind,
        agent_id=offer.agent_id,
        birth_id=offer.birth_id,
        peer=offer.source,
        epoch=offer.epoch,
        outcome=outcome,
        reason=reason,
        created_at=now,
    )


def decide_query(
    record: TransferRow | None, transfer_id: str, asker: PeerAddress, *, now: float
) -> Answered | Refused:
    """Decide at the target what to answer to `GET /transfers/{id}`.

    An unknown transfer is refused durably before that is said, so that a late copy of the offer
    cannot start anything.
    """
    if record is not None:
        return Answered(record.outcome, record.reason)
    offer = Offer(transfer_id, EnvelopeKind.DISPATCH, asker, Epoch(), "", "")
    return Refused((_refusal(offer, None, now),), "unknown")


@dataclass(frozen=True, slots=True)
class Settled:
    """A transfer is settled at the source."""

    writes: tuple[Write, ...]
    row: PagletRow | None
    """The paglet's row from now on; None where it is gone, or was not touched."""
    resumes: bool
    """Whether the paglet lives on here."""
    is_late: bool = False
    """Whether the row had gone on already: nothing of the paglet was touched."""


def decide_outcome(
    row: PagletRow | None,
    record: TransferRow,
    outcome: TransferOutcome,
    *,
    resting: PagletStatus,
    reached: bool,
    now: float,
) -> Settled:
    """Decide at the source what the target's outcome does.

    A late outcome finds a row that has gone on, and touches nothing but the record; one that
    comes after an operator's word to the contrary touches nothing at all.

    Args:
        row: This host's row of the paglet (or of the clone), if any.
        record: This host's record of the transfer, as the store has it now.
        outcome: Accepted or refused, by the target's signed word.
        resting: Status of the paglet before the move, for a refusal: ACTIVE or INACTIVE.
        reached: Whether the target may have a record of it. That is kept until the source says
            that it has settled too, so it counts as settled only then.
        now: Unix seconds.
    """
    if record.outcome not in {TransferOutcome.UNDECIDED, outcome}:
        return Settled((), None, resumes=False, is_late=True)
    refused = outcome is TransferOutcome.REFUSED
    settle = SettleTransfer(record.transfer_id, outcome, now, settled=not reached)
    if row is None or row.status not in PROMISED or row.transfer_id != record.transfer_id:
        return Settled((settle,), None, resumes=False, is_late=True)
    expect = Expect(row.status, row.epoch)
    if not refused:
        moved = _tombstone(row, now)
        return Settled((settle, PutRow(moved, expect)), moved, resumes=False)
    if row.status is PagletStatus.CLONING:
        return Settled((settle, DeleteRow(row.agent_id, expect)), None, resumes=False)
    back = _at_home_again(row, resting, now)
    return Settled((settle, PutRow(back, expect)), back, resumes=True)


def _tombstone(row: PagletRow, now: float) -> PagletRow:
    return replace(
        row,
        status=PagletStatus.MOVED,
        envelope=None,
        files=(),
        state=Blob.inline(b""),
        changed_at=now,
    )


def _at_home_again(row: PagletRow, resting: PagletStatus, now: float) -> PagletRow:
    return replace(
        row,
        status=resting,
        transfer_id=None,
        peer=None,
        envelope=None,
        files=(),
        changed_at=now,
    )
