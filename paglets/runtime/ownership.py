"""Who owns a paglet where that is in question, and what a starting host does with its rows.

An operator's word, a peer's claim, a restart: each is decided here from the row alone, beside the
move itself (`lifecycle.py`). Drivers are `transfers`, `fencing` and `recovery`.
"""

from dataclasses import dataclass, replace

from paglets.model.enums import PagletStatus, RestartPolicy, TransferOutcome
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress
from paglets.runtime.lifecycle import PROMISED
from paglets.store.rows import PagletRow, TransferRow
from paglets.store.writes import Expect, PutRow, SettleTransfer, Write


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an operator's word does to a transfer."""

    writes: tuple[Write, ...]
    row: PagletRow
    resumes: bool
    claims: bool
    """Whether the other side must be told that the paglet lives on here, in a new term."""


def decide_resolve(
    row: PagletRow, *, resume: bool, record: TransferRow | None, now: float
) -> Resolution | None:
    """Decide what `paglets transfer resolve` does; None where there is nothing to resolve.

    To resume takes a new term: whatever the other side did meanwhile compares lower and stops
    when it hears of it. To drop leaves a tombstone that points to the other side.
    """
    if row.status not in PROMISED and row.status is not PagletStatus.HELD:
        return None
    expect = Expect(row.status, row.epoch)
    settle: tuple[Write, ...] = ()
    if record is not None and record.outcome is TransferOutcome.UNDECIDED:
        outcome = TransferOutcome.REFUSED if resume else TransferOutcome.ACCEPTED
        settle = (SettleTransfer(record.transfer_id, outcome, now, settled=not resume),)
    if resume:
        status = PagletStatus.ACTIVE
        new = replace(
            row,
            status=status,
            epoch=row.epoch.next_term(),
            transfer_id=None,
            peer=None,
            envelope=None,
            files=(),
            error=None,
            changed_at=now,
        )
        return Resolution((*settle, PutRow(new, expect)), new, resumes=True, claims=True)
    gone = replace(row, status=PagletStatus.MOVED, envelope=None, files=(), changed_at=now)
    return Resolution((*settle, PutRow(gone, expect)), gone, resumes=False, claims=False)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A host's word that `owner` has the paglet of this birth at an epoch."""

    birth_id: str
    epoch: Epoch
    owner: PeerAddress


@dataclass(frozen=True, slots=True)
class Fenced:
    """This host's copy is out of date: it stops."""

    writes: tuple[Write, ...]
    row: PagletRow
    """A tombstone that says where the paglet is, or HELD where only this host can have it."""


def decide_claim(
    row: PagletRow | None,
    record: TransferRow | None,
    claim: Claimed,
    *,
    me: str,
    now: float,
) -> Fenced | None:
    """Decide whether a claim ends this host's copy; None where it does not.

    Only one birth is compared. A promised row is left to its transfer, unless the claim proves
    that it has gone on: that settles the transfer too.

    Args:
        row: This host's row of the paglet, if any.
        record: This host's record of the row's transfer, if any.
        claim: Who says what.
        me: This host's id.
        now: Unix seconds.
    """
    if row is None or row.birth_id != claim.birth_id or claim.epoch <= row.epoch:
        return None
    if row.status is PagletStatus.MOVED:
        return None
    expect = Expect(row.status, row.epoch)
    if claim.owner.host_id == me:
        return _hold_older_copy(row, expect, now)
    moved = replace(
        row,
        status=PagletStatus.MOVED,
        epoch=claim.epoch,
        peer=claim.owner,
        transfer_id=None,
        envelope=None,
        files=(),
        due=None,
        changed_at=now,
    )
    return Fenced((*_given_up(row, record, claim.epoch, now), PutRow(moved, expect)), moved)


def _given_up(
    row: PagletRow, record: TransferRow | None, epoch: Epoch, now: float
) -> tuple[Write, ...]:
    """Return what settles the transfer of a promised row whose paglet is owned at `epoch`."""
    if record is None or row.status not in PROMISED:
        return ()
    if record.outcome is not TransferOutcome.UNDECIDED:
        return ()
    # Within one term only the target can have gone on; a new term is an operator's word.
    is_proven = epoch.term == row.epoch.term
    settled = SettleTransfer(
        record.transfer_id, TransferOutcome.ACCEPTED, now, settled=not is_proven
    )
    return (settled,)


def _hold_older_copy(row: PagletRow, expect: Expect, now: float) -> Fenced | None:
    """Keep a copy that is older than what this very host once owned: its disk was rolled back.

    No other host has the paglet, so a tombstone would lose it; started, it might run beside one
    that has moved on. A person decides.
    """
    if row.status is PagletStatus.HELD or row.status in PROMISED:
        return None
    held = replace(
        row,
        status=PagletStatus.HELD,
        error="this host once had a later state of it: its data folder was restored from an "
        "older copy",
        changed_at=now,
    )
    return Fenced((PutRow(held, expect),), held)


class Recovery:
    """What a starting host does with a row; the values are words for its log."""

    START = "start"
    CONTINUE = "continue"
    HOLD = "hold"
    LEAVE = "leave"


def decide_recovery(row: PagletRow, *, rolled_back: bool) -> str:
    """Decide what a starting host does with `row`: one of `Recovery`.

    Args:
        row: A row as the store has it; nothing else is known after a kill -9.
        rolled_back: Peers remember a later life of this data folder: nothing starts unasked.
    """
    if row.status in PROMISED:
        return Recovery.CONTINUE
    if rolled_back:
        return Recovery.HOLD if row.status is PagletStatus.ACTIVE else Recovery.LEAVE
    match row.status:
        case PagletStatus.ACTIVE:
            return Recovery.START
        case PagletStatus.CRASHED if row.manifest.restart is RestartPolicy.ON_CRASH:
            # The host went before the restart that its policy asks for.
            return Recovery.START
        case PagletStatus.INACTIVE if row.policy is not None and row.policy.activate_on_startup:
            return Recovery.START
        case _:
            return Recovery.LEAVE
