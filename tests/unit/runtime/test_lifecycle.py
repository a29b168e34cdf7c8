"""The tables of the move, row by row; `test_move_model.py` explores what they come to together."""

from dataclasses import replace

import pytest

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome, TransferRole
from paglets.model.refs import Epoch
from paglets.runtime.lifecycle import (
    Accepted,
    Answered,
    Refused,
    decide_offer,
    decide_outcome,
    decide_promise,
    decide_query,
)
from paglets.store.writes import DeleteRow, Expect, PutRow, PutTransfer, SettleTransfer
from tests.unit.runtime.samples import (
    ALPHA,
    BETA,
    NOW,
    make_moving,
    make_offer,
    make_record,
    make_row,
)

ACCEPTED, REFUSED = TransferOutcome.ACCEPTED, TransferOutcome.REFUSED
LIVING = [
    PagletStatus.ACTIVE,
    PagletStatus.INACTIVE,
    PagletStatus.CRASHED,
    PagletStatus.UNREADABLE,
    PagletStatus.HELD,
]


def offer(row, record=None, *, failure=None, **fields):
    offered = make_offer(**fields)
    arriving = None if failure else make_row(epoch=offered.epoch)
    return decide_offer(row, record, offered, arriving=arriving, failure=failure, now=NOW)


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED])
@pytest.mark.parametrize("failure", [None, b"{}"])
def test_a_record_answers_before_any_check_and_writes_nothing(outcome, failure):
    record = make_record(role=TransferRole.TARGET, outcome=outcome, reason=b"why")
    assert offer(make_row(), record, failure=failure) == Answered(outcome, b"why")


def test_a_failed_check_is_refused_durably_with_its_reason():
    decision = offer(None, failure=b"too large")
    assert isinstance(decision, Refused)
    (write,) = decision.writes
    assert isinstance(write, PutTransfer)
    assert (write.record.outcome, write.record.reason) == (REFUSED, b"too large")
    assert write.record.role is TransferRole.TARGET


def test_an_unknown_paglet_is_accepted_with_record_and_row_in_one_commit():
    decision = offer(None)
    assert isinstance(decision, Accepted)
    record, row = decision.writes
    assert record.record.outcome is ACCEPTED
    assert record.record.peer == ALPHA
    assert row.expect is None
    assert decision.supersedes is None


@pytest.mark.parametrize("status", [*LIVING, PagletStatus.MOVED])
def test_a_higher_epoch_takes_the_place_of_a_row_as_it_is_now(status):
    decision = offer(make_row(status, epoch=Epoch(0, 1)), epoch=Epoch(0, 2))
    assert isinstance(decision, Accepted)
    assert decision.writes[-1].expect == Expect(status, Epoch(0, 1))


@pytest.mark.parametrize("status", [PagletStatus.MOVING, PagletStatus.CLONING])
def test_a_return_while_promised_settles_the_earlier_move_in_the_same_commit(status):
    decision = offer(make_moving(status=status), transfer_id="t2", epoch=Epoch(0, 2))
    assert isinstance(decision, Accepted)
    assert decision.supersedes == "t1"
    assert decision.writes[0] == SettleTransfer("t1", ACCEPTED, NOW, settled=False)


@pytest.mark.parametrize("status", [*LIVING, PagletStatus.MOVED, PagletStatus.MOVING])
@pytest.mark.parametrize("epoch", [Epoch(0, 1), Epoch(0, 0)])
def test_an_epoch_that_is_not_higher_is_refused_as_stale(status, epoch):
    decision = offer(make_row(status, epoch=Epoch(0, 1)), epoch=epoch)
    assert isinstance(decision, Refused)
    assert decision.why == "stale"


def test_an_operators_term_outweighs_any_number_of_hops():
    held = make_row(epoch=Epoch(1, 0))
    assert offer(held, epoch=Epoch(0, 99)).why == "stale"
    assert isinstance(offer(held, epoch=Epoch(1, 1)), Accepted)


@pytest.mark.parametrize("status", [*LIVING, PagletStatus.MOVING])
def test_another_birth_under_the_same_id_is_refused_whatever_its_epoch(status):
    decision = offer(make_row(status, birth_id="other"), epoch=Epoch(9, 9))
    assert isinstance(decision, Refused)
    assert decision.why == "taken"


def test_a_tombstone_of_another_birth_makes_room():
    gone = make_row(PagletStatus.MOVED, birth_id="other", epoch=Epoch(5, 5))
    decision = offer(gone, epoch=Epoch(0, 1))
    assert isinstance(decision, Accepted)
    assert decision.writes[-1].expect == Expect(PagletStatus.MOVED, Epoch(5, 5))


def test_an_unknown_transfer_is_refused_durably_before_that_is_said():
    decision = decide_query(None, "t1", ALPHA, now=NOW)
    assert isinstance(decision, Refused)
    assert decision.writes[0].record.outcome is REFUSED
    assert decision.why == "unknown"


def test_a_known_transfer_is_answered_from_its_record():
    record = make_record(role=TransferRole.TARGET, outcome=ACCEPTED)
    assert decide_query(record, "t1", ALPHA, now=NOW) == Answered(ACCEPTED, None)


def outcome(row, record, said, resting=PagletStatus.ACTIVE, *, reached=True):
    return decide_outcome(row, record, said, resting=resting, reached=reached, now=NOW)


def test_accepted_leaves_a_tombstone_that_keeps_the_transfer_and_drops_the_state():
    settled = outcome(make_moving(), make_record(), ACCEPTED)
    settle, put = settled.writes
    assert settle == SettleTransfer("t1", ACCEPTED, NOW, settled=False)
    assert put.expect == Expect(PagletStatus.MOVING, Epoch(0, 1))
    assert (put.row.status, put.row.peer) == (PagletStatus.MOVED, BETA)
    assert (put.row.envelope, put.row.files, put.row.state.size) == (None, (), 0)
    assert put.row.transfer_id == "t1"
    assert not settled.resumes


@pytest.mark.parametrize("resting", [PagletStatus.ACTIVE, PagletStatus.INACTIVE])
def test_refused_brings_the_paglet_back_as_it_was_at_the_raised_epoch(resting):
    settled = outcome(make_moving(), make_record(), REFUSED, resting)
    settle, put = settled.writes
    assert settle == SettleTransfer("t1", REFUSED, NOW, settled=False)
    assert (put.row.status, put.row.epoch) == (resting, Epoch(0, 1))
    assert (put.row.transfer_id, put.row.peer, put.row.envelope) == (None, None, None)
    assert settled.resumes


def test_a_refusal_by_nobody_is_settled_at_once_for_there_is_nobody_to_tell():
    settled = outcome(make_moving(), make_record(), REFUSED, reached=False)
    assert settled.writes[0] == SettleTransfer("t1", REFUSED, NOW, settled=True)
    assert settled.resumes


def test_a_refused_clone_leaves_nothing():
    settled = outcome(make_moving(status=PagletStatus.CLONING), make_record(), REFUSED)
    assert isinstance(settled.writes[1], DeleteRow)
    assert settled.row is None
    assert not settled.resumes
    assert not settled.is_late


@pytest.mark.parametrize("said", [ACCEPTED, REFUSED])
@pytest.mark.parametrize(
    "row",
    [
        None,
        make_row(),
        make_row(PagletStatus.MOVED, transfer_id="t1"),
        replace(make_moving(), transfer_id="t2"),
    ],
)
def test_a_late_outcome_touches_the_record_alone(row, said):
    settled = outcome(row, make_record(), said)
    assert settled.is_late
    assert settled.row is None
    assert [type(write) for write in settled.writes] == [SettleTransfer]


def test_an_outcome_after_an_operators_contrary_word_touches_nothing():
    settled = outcome(make_row(), make_record(outcome=REFUSED), ACCEPTED)
    assert settled.writes == ()
    assert settled.is_late


def promise(row):
    return decide_promise(row, BETA, "t1", kind=EnvelopeKind.RETRACT, not_after=NOW + 300, now=NOW)


@pytest.mark.parametrize("status", [PagletStatus.ACTIVE, PagletStatus.INACTIVE])
def test_a_promise_adds_a_hop_and_names_the_row_it_was_made_for(status):
    made = promise(make_row(status, epoch=Epoch(1, 4)))
    assert made.row.status is PagletStatus.MOVING
    assert made.row.epoch == made.record.epoch == Epoch(1, 5)
    assert (made.row.transfer_id, made.row.peer) == ("t1", BETA)
    assert (made.record.role, made.record.kind) == (TransferRole.SOURCE, EnvelopeKind.RETRACT)
    assert made.record.outcome is TransferOutcome.UNDECIDED
    assert made.expect == Expect(status, Epoch(1, 4))


@pytest.mark.parametrize("status", set(PagletStatus) - {PagletStatus.ACTIVE, PagletStatus.INACTIVE})
def test_nothing_else_can_be_promised(status):
    assert promise(make_row(status)) is None


def test_all_writes_of_rows_name_what_they_expect():
    decisions = [
        offer(make_row(epoch=Epoch(0, 1)), epoch=Epoch(0, 2)).writes,
        outcome(make_moving(), make_record(), ACCEPTED).writes,
        outcome(make_moving(), make_record(), REFUSED).writes,
    ]
    puts = [write for writes in decisions for write in writes if isinstance(write, PutRow)]
    assert len(puts) == 3
    assert all(put.expect is not None for put in puts)
