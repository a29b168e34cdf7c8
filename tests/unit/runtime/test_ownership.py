"""Who owns a paglet where hosts differ, and what a starting host does."""

import pytest

from paglets.model.enums import PagletStatus, RestartPolicy, TransferOutcome
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.runtime.ownership import (
    Claimed,
    Recovery,
    decide_claim,
    decide_recovery,
    decide_resolve,
)
from paglets.store.writes import Expect, PutRow, SettleTransfer
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, NOW, make_moving, make_record, make_row

OWNED = [
    PagletStatus.ACTIVE,
    PagletStatus.INACTIVE,
    PagletStatus.CRASHED,
    PagletStatus.UNREADABLE,
    PagletStatus.HELD,
]


def claim(row, epoch=Epoch(0, 2), owner=BETA, record=None, birth_id="birth"):
    said = Claimed(birth_id, epoch, owner)
    return decide_claim(row, record, said, me=ALPHA.host_id, now=NOW)


@pytest.mark.parametrize("status", OWNED)
def test_a_higher_epoch_elsewhere_turns_a_copy_into_a_tombstone(status):
    fenced = claim(make_row(status, epoch=Epoch(0, 1)))
    (put,) = fenced.writes
    assert put.expect == Expect(status, Epoch(0, 1))
    assert (fenced.row.status, fenced.row.peer) == (PagletStatus.MOVED, BETA)
    assert fenced.row.epoch == Epoch(0, 2)


@pytest.mark.parametrize("epoch", [Epoch(0, 1), Epoch(0, 0)])
def test_a_claim_that_is_not_higher_changes_nothing(epoch):
    assert claim(make_row(epoch=Epoch(0, 1)), epoch) is None


def test_another_birth_is_never_compared():
    assert claim(make_row(), Epoch(9, 9), birth_id="other") is None


def test_a_tombstone_and_an_unknown_paglet_have_nothing_to_give_up():
    assert claim(make_row(PagletStatus.MOVED), Epoch(9, 9)) is None
    assert claim(None) is None


def test_a_promised_row_waits_for_its_target_even_where_the_target_claims_it():
    assert claim(make_moving(), Epoch(0, 1), record=make_record()) is None


def test_a_claim_further_on_proves_that_the_promise_was_accepted():
    fenced = claim(make_moving(), Epoch(0, 2), GAMMA, make_record())
    settle, put = fenced.writes
    assert settle == SettleTransfer("t1", TransferOutcome.ACCEPTED, NOW, settled=False)
    assert put.row.peer == GAMMA


def test_a_claim_of_a_new_term_gives_a_promise_up_without_confirming_it():
    fenced = claim(make_moving(), Epoch(1, 0), GAMMA, make_record())
    assert fenced.writes[0] == SettleTransfer("t1", TransferOutcome.ACCEPTED, NOW, settled=True)


def test_a_record_that_is_settled_is_not_settled_again():
    record = make_record(outcome=TransferOutcome.ACCEPTED)
    assert [type(write) for write in claim(make_moving(), record=record).writes] == [PutRow]


def test_a_copy_older_than_what_this_host_once_had_is_held_and_not_given_up():
    fenced = claim(make_row(epoch=Epoch(0, 0)), Epoch(0, 2), ALPHA)
    assert fenced.row.status is PagletStatus.HELD
    assert fenced.row.epoch == Epoch(0, 0)
    assert "restored" in fenced.row.error


@pytest.mark.parametrize("status", [PagletStatus.HELD, PagletStatus.MOVING])
def test_what_is_held_or_promised_stays_so_when_peers_name_this_host(status):
    assert claim(make_row(status, transfer_id="t1"), Epoch(0, 2), ALPHA) is None


def resolve(row, *, resume, record=None):
    return decide_resolve(row, resume=resume, record=record, now=NOW)


def test_to_resume_begins_a_new_term_and_tells_the_other_side():
    resolution = resolve(make_moving(), resume=True, record=make_record())
    settle, put = resolution.writes
    assert (settle.outcome, settle.settled) == (TransferOutcome.REFUSED, False)
    assert put.row.epoch == Epoch(1, 1)
    assert (put.row.status, put.row.transfer_id) == (PagletStatus.ACTIVE, None)
    assert resolution.resumes
    assert resolution.claims


def test_to_drop_leaves_a_tombstone_to_the_other_side():
    resolution = resolve(make_moving(), resume=False, record=make_record())
    settle, put = resolution.writes
    assert (settle.outcome, settle.settled) == (TransferOutcome.ACCEPTED, True)
    assert (put.row.status, put.row.peer) == (PagletStatus.MOVED, BETA)
    assert not resolution.resumes
    assert not resolution.claims


def test_a_held_paglet_is_resolved_without_a_transfer():
    resolution = resolve(make_row(PagletStatus.HELD, epoch=Epoch(0, 3)), resume=True)
    assert resolution.row.epoch == Epoch(1, 3)
    assert len(resolution.writes) == 1


@pytest.mark.parametrize(
    "status", set(PagletStatus) - {PagletStatus.MOVING, PagletStatus.CLONING, PagletStatus.HELD}
)
def test_there_is_nothing_else_to_resolve(status):
    assert resolve(make_row(status), resume=True) is None


RESTARTING = ClassManifest(
    class_name="tour:Tour", state_class=None, code_version="1", restart=RestartPolicy.ON_CRASH
)
AT_STARTUP = DeactivationPolicy(activate_on_startup=True)


@pytest.mark.parametrize(
    ("row", "plan"),
    [
        (make_row(), Recovery.START),
        (make_row(PagletStatus.INACTIVE), Recovery.LEAVE),
        (make_row(PagletStatus.INACTIVE, policy=AT_STARTUP), Recovery.START),
        (make_row(PagletStatus.CRASHED), Recovery.LEAVE),
        (make_row(PagletStatus.CRASHED, manifest=RESTARTING), Recovery.START),
        (make_row(PagletStatus.UNREADABLE), Recovery.LEAVE),
        (make_row(PagletStatus.HELD), Recovery.LEAVE),
        (make_row(PagletStatus.MOVED), Recovery.LEAVE),
        (make_moving(), Recovery.CONTINUE),
        (make_moving(status=PagletStatus.CLONING), Recovery.CONTINUE),
    ],
)
def test_a_starting_host_goes_by_the_row_alone(row, plan):
    assert decide_recovery(row, rolled_back=False) == plan


@pytest.mark.parametrize("status", set(PagletStatus))
def test_a_restored_folder_starts_nothing_by_itself(status):
    row = make_row(status, manifest=RESTARTING, policy=AT_STARTUP)
    plan = decide_recovery(row, rolled_back=True)
    assert plan != Recovery.START
    assert (plan == Recovery.HOLD) == (status is PagletStatus.ACTIVE)
