"""The courier: only the target's own word settles, for as long as it takes."""

import asyncio
import time

import pytest

from paglets.failpoints import arm, disarm
from paglets.model.enums import PagletStatus, TransferOutcome
from paglets.model.errors import (
    MisdirectedError,
    MoveInDoubtError,
    TransferError,
    TransferNotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from paglets.model.refs import Epoch
from paglets.runtime.commits import lean
from paglets.runtime.lifecycle import Accepted, decide_offer
from paglets.runtime.ownership import decide_resolve
from paglets.store.rows import QueuedMessage
from paglets.store.writes import PutMessages
from paglets.testing.waiting import turn
from tests.unit.runtime.fakes import unreachable, until, word
from tests.unit.runtime.samples import (
    BETA,
    make_body,
    make_host,
    make_moving,
    make_offer,
    make_record,
    make_row,
)


def soon():
    """A time to offer that is not over yet, however late in the run this test is."""
    return {"not_after": time.time() + 300}


@pytest.fixture
async def moving(bench):
    return await bench.put(make_moving(), make_record(**soon()))


async def settle(bench, paglet, *, is_fresh=True, timeout=1.0):
    errand = bench.courier.carry(paglet, make_record(**soon()), is_fresh=is_fresh)
    return await bench.courier.wait(errand, timeout=timeout)


async def test_accepted_leaves_a_tombstone_hands_over_and_confirms_until_answered(bench, moving):
    bench.calls.answer("offer", word("accepted"))
    bench.calls.answer("settled", unreachable(connected=False), UnavailableError("starting"), None)
    ref = await settle(bench, moving)
    assert (ref.host_id, ref.host_url, ref.epoch) == (BETA.host_id, BETA.url, Epoch(0, 1))
    await bench.calls.until("settled", 3)
    await until(lambda: bench.store.transfer("t1").settled_at is not None)
    assert bench.row().status is moving.row.status is PagletStatus.MOVED
    assert bench.store.transfer("t1").outcome is TransferOutcome.ACCEPTED
    assert bench.moved == ["tour"]
    assert bench.courier.errands == {}


async def test_an_offer_carries_header_state_and_files(bench, moving):
    bench.calls.answer("offer", word("accepted"))
    await settle(bench, moving)
    ((peer, transfer_id, header, parts),) = bench.calls.named("offer")
    assert (peer, transfer_id, parts) == (BETA, "t1", [b"state"])
    assert header[:4] == b"PGLT"


async def test_refused_brings_it_home_and_tells_the_reason(bench, moving):
    bench.calls.answer("offer", word("refused", reason=None or b""))
    bench.calls.answer("offer", word("refused"))
    with pytest.raises(TransferError, match="did not take"):
        await settle(bench, moving)
    assert bench.row().status is moving.row.status is PagletStatus.ACTIVE
    assert bench.row().epoch == Epoch(0, 1)
    assert [agent_id for agent_id, _ in bench.resumed] == ["tour"]
    assert bench.store.transfer("t1").outcome is TransferOutcome.REFUSED
    assert bench.moved == []


async def test_a_target_that_refused_is_told_that_it_may_forget_that(bench, moving):
    bench.calls.answer("offer", word("refused"))
    bench.calls.answer("settled", UnavailableError("starting"), None)
    with pytest.raises(TransferError):
        await settle(bench, moving)
    assert bench.store.transfer("t1").settled_at is None
    await bench.calls.until("settled", 2)
    await until(lambda: bench.store.transfer("t1").settled_at is not None)


DOUBTFUL = [
    unreachable(connected=True),
    UnauthorizedError("key"),
    TransferNotFoundError("no"),
    MisdirectedError("another host", host_id="x"),
    UnavailableError("busy"),
    OSError("reset"),
    word("undecided"),
    word("accepted", host="id-gamma"),
    word("refused", host="id-gamma"),
    word("refused", transfer_id="t2"),
]


@pytest.mark.parametrize("answer", DOUBTFUL, ids=lambda a: str(getattr(a, "code", a))[:40])
async def test_nothing_but_the_targets_own_word_settles(bench, moving, answer):
    bench.calls.answer("offer", answer)
    with pytest.raises(MoveInDoubtError) as caught:
        await settle(bench, moving, timeout=0.05)
    assert (caught.value.transfer_id, caught.value.agent_id) == ("t1", "tour")
    assert bench.row().status is PagletStatus.MOVING
    assert len(bench.calls.named("offer")) > 1
    assert bench.store.transfer("t1").outcome is TransferOutcome.UNDECIDED
    bench.calls.answer("offer", word("accepted"))
    await until(lambda: bench.row().status is PagletStatus.MOVED)


async def test_where_no_attempt_ever_got_a_connection_it_comes_back(bench, moving):
    bench.calls.answer("offer", unreachable(connected=False))
    with pytest.raises(TransferError) as caught:
        await settle(bench, moving)
    assert caught.value.reason == "unreachable"
    assert bench.row().status is PagletStatus.ACTIVE
    assert bench.calls.named("settled") == []
    assert bench.store.transfer("t1").settled_at is not None
    assert len(bench.calls.named("offer")) > 1


async def test_one_connection_is_enough_to_never_come_back_by_itself(bench, moving):
    bench.calls.answer("offer", unreachable(connected=True), unreachable(connected=False))
    with pytest.raises(MoveInDoubtError):
        await settle(bench, moving, timeout=0.1)
    assert bench.row().status is PagletStatus.MOVING


async def test_after_a_restart_nobody_knows_what_was_sent_so_it_stays_in_doubt(bench, moving):
    bench.calls.answer("offer", unreachable(connected=False))
    with pytest.raises(MoveInDoubtError):
        await settle(bench, moving, is_fresh=False, timeout=0.1)
    assert bench.row().status is PagletStatus.MOVING


async def test_after_its_time_the_offer_is_not_sent_again_but_asked_for(bench):
    paglet = await bench.put(make_moving(), make_record(not_after=1.0))
    bench.calls.answer("outcome", unreachable(connected=True), word("accepted"))
    errand = bench.courier.carry(paglet, make_record(not_after=1.0), is_fresh=False)
    await bench.courier.wait(errand, timeout=1.0)
    assert bench.calls.named("offer") == []
    assert len(bench.calls.named("outcome")) == 2


async def test_a_full_disk_does_not_end_the_courier(bench, moving):
    bench.calls.answer("offer", word("accepted"))
    bench.calls.answer("settled", None)
    arm("move.moved_commit=raise*1")
    try:
        await settle(bench, moving)
    finally:
        disarm()
    assert bench.row().status is PagletStatus.MOVED
    assert len(bench.calls.named("offer")) == 2


async def test_what_travelled_is_the_targets_what_came_later_stays_to_be_handed_over(bench):
    paglet = await bench.put(make_moving(queue=("m1",)), make_record(**soon()))
    queued = [
        QueuedMessage(agent_id="tour", message_id=i, priority=5, body=make_body(i))
        for i in ("m1", "m2")
    ]
    await bench.store.commit(PutMessages(tuple(queued)))
    bench.calls.answer("offer", word("accepted"))
    await settle(bench, paglet)
    assert [m.message_id for m in await bench.store.messages("tour")] == ["m2"]


async def test_a_refused_clone_leaves_nothing(bench):
    paglet = await bench.put(make_moving(status=PagletStatus.CLONING), make_record(**soon()))
    bench.calls.answer("offer", word("refused"))
    with pytest.raises(TransferError):
        await settle(bench, paglet)
    assert bench.row() is None
    assert bench.roster.find("tour") is None
    assert bench.resumed == []


async def test_a_second_call_joins_the_errand(bench, moving):
    bench.calls.answer("offer", word("accepted"))
    first = bench.courier.carry(moving, make_record(**soon()), is_fresh=True)
    assert bench.courier.carry(moving, make_record(**soon()), is_fresh=True) is first
    await bench.courier.wait(first, timeout=1.0)


async def _answers_late(bench, paglet, answer, meanwhile):
    """Let the answer come after `meanwhile` has settled the transfer by other means."""
    late = asyncio.get_running_loop().create_future()
    bench.calls.answer("offer", late)
    errand = bench.courier.carry(paglet, make_record(**soon()), is_fresh=True)
    await bench.calls.until("offer")
    await meanwhile()
    late.set_result(answer)
    return errand


@pytest.mark.parametrize("said", ["accepted", "refused"])
async def test_an_answer_after_an_operators_word_leaves_the_paglet_alone(bench, moving, said):
    async def resolve():
        record = bench.store.transfer("t1")
        resolution = decide_resolve(moving.row, resume=True, record=record, now=1.0)
        await bench.store.commit(*resolution.writes)
        moving.row = lean(resolution.row)

    errand = await _answers_late(bench, moving, word(said), resolve)
    with pytest.raises(TransferError, match="operator"):
        await bench.courier.wait(errand, timeout=1.0)
    assert bench.roster.find("tour") is moving
    assert bench.row().status is PagletStatus.ACTIVE
    assert bench.row().epoch == Epoch(1, 1)
    assert bench.resumed == []
    assert bench.courier.errands == {}


async def test_an_answer_after_the_paglets_return_tells_the_caller_where_it_is(bench, moving):
    bench.calls.answer("settled", None)

    async def come_back():
        back = make_row(epoch=Epoch(0, 2), transfer_id="t2")
        offer = make_offer(Epoch(0, 2), transfer_id="t2", source=BETA)
        decision = decide_offer(moving.row, None, offer, arriving=back, failure=None, now=1.0)
        assert isinstance(decision, Accepted)
        await bench.store.commit(*decision.writes)
        moving.row = lean(back)
        await bench.courier.superseded(moving, decision.supersedes)

    errand = await _answers_late(bench, moving, word("accepted"), come_back)
    ref = await bench.courier.wait(errand, timeout=1.0)
    assert (ref.host_name, ref.epoch) == ("alpha", Epoch(0, 2))
    await bench.calls.until("settled")
    await until(lambda: bench.store.transfer("t1").settled_at is not None)
    assert bench.roster.find("tour") is moving
    assert bench.row().status is PagletStatus.ACTIVE
    assert (bench.moved, bench.resumed) == ([], [])


async def test_a_host_that_comes_back_is_tried_at_once(bench, moving):
    bench.courier._timeouts = type(bench.courier._timeouts)(
        retry_first=1000.0, retry_most=1000.0, connect=0.0
    )
    bench.calls.answer("offer", unreachable(connected=True), word("accepted"))
    errand = bench.courier.carry(moving, make_record(**soon()), is_fresh=True)
    await bench.calls.until("offer")
    await until(lambda: errand.last_error is not None)
    await turn()
    bench.courier.nudge()
    await bench.courier.wait(errand, timeout=1.0)


@pytest.mark.parametrize("change", [{"generation": 2}, {"url": "http://elsewhere:8765"}])
async def test_an_offer_to_a_former_life_or_address_of_the_target_is_not_waited_for(
    bench, moving, change
):
    never = asyncio.get_running_loop().create_future()
    bench.calls.answer("offer", never, word("accepted"))
    bench.courier.meet(make_host(BETA, generation=1))
    errand = bench.courier.carry(moving, make_record(**soon()), is_fresh=True)
    await bench.calls.until("offer")
    bench.courier.meet(make_host(BETA, **{"generation": 1, **change}))
    await bench.courier.wait(errand, timeout=1.0)
    assert errand.was_connected
    assert errand.attempt is None


async def test_a_target_that_only_refutes_its_death_is_still_listened_to(bench, moving):
    slow = asyncio.get_running_loop().create_future()
    bench.calls.answer("offer", slow)
    bench.courier.meet(make_host(BETA))
    errand = bench.courier.carry(moving, make_record(**soon()), is_fresh=True)
    await bench.calls.until("offer")
    bench.courier.meet(make_host(BETA))
    slow.set_result(word("accepted"))
    await bench.courier.wait(errand, timeout=1.0)
    assert len(bench.calls.named("offer")) == 1
