"""What an operator sees of transfers, and settles by hand."""

from dataclasses import replace

import pytest

from paglets.model.enums import PagletStatus, TransferOutcome, TransferRole
from paglets.model.errors import (
    InvalidRequestError,
    LifecycleError,
    TransferNotFoundError,
)
from paglets.model.refs import Epoch
from paglets.runtime.transfers import Transfers
from paglets.store.writes import PutTransfer
from paglets.wire.bodies import FenceAnswer
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import BETA, GAMMA, make_moving, make_record, make_row

TARGET, SOURCE = TransferRole.TARGET, TransferRole.SOURCE


@pytest.fixture
def transfers(bench):
    bench.nudges = []
    bench.courier.nudge = lambda: bench.nudges.append("nudge")
    return Transfers(bench.common, courier=bench.courier, fencing=bench.fencing)


async def remember(bench, *records):
    await bench.store.commit(*map(PutTransfer, records))


async def in_doubt(bench):
    """Return a paglet whose target has not answered."""
    return await bench.put(make_moving(), make_record())


async def ids(transfers, **wanted):
    return [info.transfer_id for info in (await transfers.list(**wanted)).transfers]


async def test_they_are_listed_by_id_a_page_at_a_time(bench, transfers):
    await remember(bench, *(make_record(f"t{n}", agent_id=f"a{n}") for n in (3, 1, 2)))
    first = await transfers.list(limit=2)
    assert ([each.transfer_id for each in first.transfers], first.next) == (["t1", "t2"], "t2")
    rest = await transfers.list(after=first.next, limit=2)
    assert ([each.transfer_id for each in rest.transfers], rest.next) == (["t3"], None)


async def test_only_a_source_is_in_doubt_and_only_until_it_knows(bench, transfers):
    done = {"outcome": TransferOutcome.ACCEPTED, "settled_at": 1.0}
    await remember(
        bench,
        make_record("doubt"),
        make_record("done", agent_id="b", **done),
        make_record("arrived", agent_id="c", role=TARGET, **done),
    )
    assert await ids(transfers, in_doubt=True) == ["doubt"]
    assert await ids(transfers, role="target") == ["arrived"]
    assert await ids(transfers, role="source") == ["done", "doubt"]


async def test_a_side_that_there_is_not_is_refused(transfers):
    with pytest.raises(InvalidRequestError, match="source or target, not 'both'"):
        await transfers.list(role="both")


@pytest.mark.parametrize(
    ("fields", "is_unsettled"),
    [
        ({"role": SOURCE}, True),
        ({"role": SOURCE, "outcome": TransferOutcome.ACCEPTED}, True),
        ({"role": SOURCE, "outcome": TransferOutcome.ACCEPTED, "settled_at": 1.0}, False),
        ({"role": SOURCE, "outcome": TransferOutcome.REFUSED}, False),
        ({"role": TARGET, "outcome": TransferOutcome.ACCEPTED}, True),
        ({"role": TARGET, "outcome": TransferOutcome.ACCEPTED, "settled_at": 1.0}, False),
    ],
)
async def test_what_is_settled_on_both_sides_holds_nobody_up(
    bench, transfers, fields, is_unsettled
):
    await remember(bench, make_record("t1", **fields))
    assert transfers.unsettled() == (("t1",) if is_unsettled else ())


async def test_a_resumed_paglet_lives_on_here_in_a_new_term_and_its_transfer_is_refused(
    bench, transfers
):
    paglet = await in_doubt(bench)
    bench.calls.answer("fence", FenceAnswer(superseded=()))
    info = await transfers.resolve("t1", "resume")
    row = bench.row()
    assert (row.status, row.epoch, row.transfer_id) == (PagletStatus.ACTIVE, Epoch(1, 1), None)
    assert (info.transfer_id, info.outcome, info.in_doubt) == ("t1", "refused", False)
    await until(lambda: paglet.gate_open)
    assert bench.nudges == ["nudge"]
    assert "resolve" in bench.kinds()


async def test_the_other_side_is_told_that_its_copy_is_superseded(bench, transfers):
    await in_doubt(bench)
    bench.calls.answer("fence", FenceAnswer(superseded=()))
    await transfers.resolve("t1", "resume")
    await bench.calls.until("fence")
    ((peer, body),) = bench.calls.named("fence")[:1]
    (claim,) = body.claims
    assert peer.host_id == BETA.host_id
    assert (claim.agent_id, claim.epoch) == ("tour", Epoch(1, 1))


async def test_a_dropped_paglet_is_a_tombstone_that_points_to_the_other_side(bench, transfers):
    paglet = await in_doubt(bench)
    info = await transfers.resolve("t1", "drop")
    assert (bench.row().status, bench.row().peer) == (PagletStatus.MOVED, BETA)
    assert info.outcome == "accepted"
    assert (paglet.starting, bench.starter.births) == (None, [])
    assert bench.calls.named("fence") == []


async def test_a_paglet_in_doubt_may_be_named_instead_of_its_transfer(bench, transfers):
    await in_doubt(bench)
    await transfers.resolve("tour", "drop")
    assert bench.store.transfer("t1").outcome is TransferOutcome.ACCEPTED


@pytest.mark.parametrize(
    ("action", "status"), [("resume", PagletStatus.ACTIVE), ("drop", PagletStatus.MOVED)]
)
async def test_a_held_paglet_has_no_transfer_and_is_settled_by_its_own_id(
    bench, transfers, action, status
):
    await bench.put(make_row(PagletStatus.HELD, error="an older copy of the disk"))
    info = await transfers.resolve("tour", action)
    assert bench.row().status is status
    assert (info.transfer_id, info.agent_id, info.outcome) == ("", "tour", status.value)


@pytest.mark.parametrize("action", ["resume", "drop"])
async def test_what_is_settled_already_stays_as_it_is(bench, transfers, action):
    settled = make_record(outcome=TransferOutcome.REFUSED, settled_at=1.0)
    await bench.put(make_row(), settled)
    with pytest.raises(LifecycleError):
        await transfers.resolve("t1", action)
    assert bench.row().status is PagletStatus.ACTIVE


@pytest.mark.parametrize("action", ["resume", "drop"])
@pytest.mark.parametrize("role", [SOURCE, TARGET])
async def test_naming_an_earlier_transfer_of_a_paglet_does_not_settle_its_present_one(
    bench, transfers, action, role
):
    earlier = make_record(
        "t0", role=role, peer=GAMMA, outcome=TransferOutcome.ACCEPTED, settled_at=1.0
    )
    await bench.put(make_moving(), make_record(), earlier)
    with pytest.raises(LifecycleError, match=r"t0 is settled \(accepted\)"):
        await transfers.resolve("t0", action)
    assert bench.row().status is PagletStatus.MOVING
    assert bench.store.transfer("t1").outcome is TransferOutcome.UNDECIDED


@pytest.mark.parametrize("action", ["resume", "drop"])
async def test_nobody_settles_what_there_is_not(transfers, action):
    with pytest.raises(TransferNotFoundError, match="t9"):
        await transfers.resolve("t9", action)


async def test_an_action_that_there_is_not_changes_nothing(bench, transfers):
    await in_doubt(bench)
    with pytest.raises(InvalidRequestError, match="resume or drop"):
        await transfers.resolve("t1", "retry")
    assert bench.row().status is PagletStatus.MOVING


async def test_a_transfer_under_way_shows_how_often_it_was_tried_and_why_it_failed(
    bench, transfers
):
    paglet = await in_doubt(bench)
    record = bench.store.transfer("t1")
    errand = bench.courier.carry(paglet, record, is_fresh=True)
    await until(lambda: errand.attempts > 0 and errand.last_error)
    (info,) = (await transfers.list()).transfers
    assert info.attempts == errand.attempts
    assert "beta" in info.last_error


async def test_a_clone_in_doubt_is_settled_under_the_clones_own_id(bench, transfers):
    cloning = replace(make_moving(status=PagletStatus.CLONING), agent_id="copy")
    await bench.put(cloning, make_record(agent_id="copy"))
    await transfers.resolve("t1", "drop")
    assert bench.row("copy").status is PagletStatus.MOVED
