"""Messages for paglets that are elsewhere: forward, search, hand over in order."""

import asyncio

import pytest

from paglets.model.enums import PagletStatus
from paglets.model.errors import (
    HandlerError,
    MessageExpiredError,
    PagletMovedError,
    PagletNotFoundError,
)
from paglets.model.refs import Epoch
from paglets.runtime.forwarding import HOP_LIMIT
from paglets.runtime.storedqueue import stored_entry
from paglets.store.rows import QueuedMessage
from paglets.store.writes import PutMessages
from paglets.testing.waiting import turn
from paglets.wire.bodies import AgentInfo, ReplyBody
from paglets.wire.messages import decode_message
from tests.unit.runtime.fakes import unreachable, until
from tests.unit.runtime.samples import BETA, GAMMA, make_body, make_host, make_ref, make_row


def info(host=GAMMA, epoch=Epoch(0, 5), status="active"):
    return AgentInfo(
        agent_id="tour",
        class_name="tour:Tour",
        status=status,
        host_name=host.name,
        host_url=host.url,
        epoch=epoch,
        birth_id="birth",
    )


@pytest.fixture
async def tombstone(bench):
    return await bench.put(make_row(PagletStatus.MOVED, peer=BETA, epoch=Epoch(0, 1)))


async def forward(bench, paglet, *, left=10.0, **fields):
    body = make_body(**fields)
    deadline = asyncio.get_running_loop().time() + left
    return await bench.forwarding.forward(
        "tour", paglet, decode_message(body), body, deadline=deadline
    )


async def test_a_tombstone_sends_on_with_its_epoch_and_what_time_is_left(bench, tombstone):
    bench.calls.answer("send", ReplyBody())
    await forward(bench, tombstone, left=5.0)
    ((peer, agent_id, body),) = bench.calls.named("send")
    onward = decode_message(body)
    assert (peer, agent_id, onward.hops) == (BETA, "tour", 1)
    assert (onward.epoch, onward.birth_id) == (Epoch(0, 1), "birth")
    assert 4000 < onward.budget_ms <= 5000


async def test_the_next_message_goes_where_the_last_answer_came_from(bench, tombstone):
    bench.calls.answer("send", ReplyBody(address=make_ref(GAMMA, epoch=Epoch(0, 4))))
    await forward(bench, tombstone)
    await forward(bench, tombstone)
    assert [peer for peer, *_ in bench.calls.named("send")] == [BETA, GAMMA]


@pytest.mark.parametrize("epoch", [Epoch(0, 1), Epoch(0, 0)])
async def test_an_address_that_is_not_newer_does_not_turn_a_tombstone(bench, tombstone, epoch):
    bench.calls.answer("send", ReplyBody(address=make_ref(GAMMA, epoch=epoch)))
    await forward(bench, tombstone)
    assert tombstone.row.peer == BETA


async def test_another_paglet_of_the_same_fixed_id_is_not_meant(bench):
    bench.hosts.known = [make_host(GAMMA)]
    bench.calls.answer("locate", info())
    bench.calls.answer("send", ReplyBody())
    await forward(bench, None, birth_id="birth")
    await forward(bench, None)
    with pytest.raises(PagletNotFoundError):
        await forward(bench, None, birth_id="other birth")
    assert len(bench.calls.named("send")) == 2


async def test_a_reference_leads_to_no_other_birth_of_its_id(bench):
    bench.hosts.known = [make_host(GAMMA)]
    bench.calls.answer("locate", info())
    bench.calls.answer("send", PagletNotFoundError("gone"))
    ref = make_ref(BETA, agent_id="tour", birth_id="other birth")
    message = decode_message(make_body())
    deadline = asyncio.get_running_loop().time() + 5
    with pytest.raises(PagletNotFoundError, match="no host of the mesh has"):
        await bench.forwarding.send_to(ref, message, make_body(), deadline=deadline)


async def test_after_so_many_hops_it_ends(bench, tombstone):
    with pytest.raises(PagletMovedError):
        await forward(bench, tombstone, hops=HOP_LIMIT)
    assert bench.calls.made == []
    bench.calls.answer("send", ReplyBody())
    await forward(bench, tombstone, hops=HOP_LIMIT - 1)


async def test_without_time_nothing_is_sent(bench, tombstone):
    with pytest.raises(MessageExpiredError):
        await forward(bench, tombstone, left=-0.1)
    assert bench.calls.made == []


async def test_where_the_trail_ends_the_first_host_asks_all_and_the_highest_epoch_wins(
    bench, tombstone
):
    bench.hosts.known = [make_host(BETA), make_host(GAMMA)]
    answers = {"beta": info(BETA, Epoch(0, 3)), "gamma": info(GAMMA, Epoch(1, 0))}
    bench.calls.answer("locate", lambda peer, _id: answers[peer.name])
    bench.calls.answer("send", PagletNotFoundError("gone"), ReplyBody())
    await forward(bench, tombstone)
    assert [peer.url for peer, *_ in bench.calls.named("send")] == [BETA.url, GAMMA.url]


async def test_a_host_further_on_does_not_search_again(bench, tombstone):
    bench.calls.answer("send", PagletNotFoundError("gone"))
    with pytest.raises(PagletNotFoundError):
        await forward(bench, tombstone, hops=1)
    with pytest.raises(PagletNotFoundError):
        await forward(bench, None, hops=1)
    assert bench.calls.named("locate") == []


async def test_tombstones_do_not_count_and_silent_hosts_are_named(bench):
    bench.hosts.known = [make_host(BETA), make_host(GAMMA), make_host(GAMMA, online=False)]
    answers = {"beta": info(BETA, status="moved"), "gamma": unreachable(connected=False)}
    bench.calls.answer("locate", lambda peer, _id: answers[peer.name])
    with pytest.raises(PagletNotFoundError, match="no answer from gamma") as caught:
        await bench.forwarding.locate("tour")
    assert caught.value.silent == ["gamma"]
    assert {peer.name for peer, _ in bench.calls.named("locate")} == {"beta", "gamma"}


async def test_what_the_other_host_answers_is_raised(bench, tombstone):
    bench.calls.answer("send", HandlerError("it broke"))
    with pytest.raises(HandlerError):
        await forward(bench, tombstone)


def queue(paglet, message_id, *, sender="", oneway=False, stored=False):
    body = make_body(message_id, oneway=oneway)
    entry = stored_entry(
        QueuedMessage(agent_id="tour", message_id=message_id, priority=5, body=body)
    )
    entry.stored, entry.sender = stored, sender
    paglet.mailbox.put(entry, agent_id="tour")
    return entry


def sent(bench):
    return [decode_message(body).message_id for _, _, body in bench.calls.named("send")]


async def test_messages_of_one_sender_are_handed_over_one_by_one_and_the_last_tells_where(
    bench, tombstone
):
    first, second = queue(tombstone, "m1", sender="a"), queue(tombstone, "m2", sender="a")
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
    bench.calls.answer("send", *answers)
    handing = asyncio.ensure_future(bench.forwarding.hand_over(tombstone))
    await bench.calls.until("send")
    for _ in range(5):
        await turn()
    assert sent(bench) == ["m1"]
    answers[0].set_result(ReplyBody(address=make_ref()))
    answers[1].set_result(ReplyBody(address=make_ref()))
    await handing
    assert sent(bench) == ["m1", "m2"]
    assert first.work.outcome.result().address is None
    assert second.work.outcome.result().address == make_ref()


async def test_a_later_message_of_a_sender_waits_for_those_that_are_handed_over(bench, tombstone):
    queue(tombstone, "m1", sender="a")
    first = asyncio.get_running_loop().create_future()
    bench.calls.answer("send", first, ReplyBody())
    handing = asyncio.ensure_future(bench.forwarding.hand_over(tombstone))
    await bench.calls.until("send")
    message = decode_message(make_body("m2", sender=make_ref(agent_id="a")))
    deadline = asyncio.get_running_loop().time() + 5
    later = asyncio.ensure_future(bench.forwarding.in_turn(tombstone, message, deadline=deadline))
    other = decode_message(make_body("m3", sender=make_ref(agent_id="b")))
    await bench.forwarding.in_turn(tombstone, other, deadline=deadline)
    assert not later.done()
    first.set_result(ReplyBody())
    await asyncio.gather(handing, later)


async def test_what_travelled_one_way_is_the_targets_already(bench, tombstone):
    queue(tombstone, "gone", oneway=True)
    queue(tombstone, "here", oneway=True)
    tombstone.travelled = frozenset({"gone"})
    bench.calls.answer("send", ReplyBody())
    await bench.forwarding.hand_over(tombstone)
    assert sent(bench) == ["here"]


async def store(bench, *message_ids):
    messages = [
        QueuedMessage(agent_id="tour", message_id=i, priority=5, body=make_body(i, oneway=True))
        for i in message_ids
    ]
    await bench.store.commit(PutMessages(tuple(messages)))


async def test_stored_messages_are_handed_over_after_a_restart_and_then_forgotten(bench, tombstone):
    await store(bench, "m1", "m2")
    bench.calls.answer("send", ReplyBody())
    await bench.forwarding.hand_over(tombstone)
    assert sorted(sent(bench)) == ["m1", "m2"]
    assert await bench.store.messages("tour") == []


async def test_an_acknowledged_message_is_offered_until_the_target_takes_it(
    bench, tombstone, monkeypatch
):
    monkeypatch.setattr("paglets.runtime.forwarding._HAND_OVER_PAUSE", 0.001)
    await store(bench, "m1")
    bench.calls.answer("send", unreachable(connected=False), unreachable(connected=True), None)
    bench.calls.scripts["send"][-1] = ReplyBody()
    await bench.forwarding.hand_over(tombstone)
    assert sent(bench) == ["m1"] * 3
    assert await bench.store.messages("tour") == []


async def test_what_is_left_when_the_paglet_comes_back_waits_for_it_in_order(
    bench, tombstone, monkeypatch
):
    monkeypatch.setattr("paglets.runtime.forwarding._HAND_OVER_PAUSE", 0.001)
    returned = []
    bench.forwarding.returned = returned.append
    entries = [queue(tombstone, f"m{n}", sender="a", oneway=True) for n in (1, 2)]
    bench.calls.answer("send", unreachable(connected=False))
    handing = asyncio.ensure_future(bench.forwarding.hand_over(tombstone))
    await bench.calls.until("send")
    tombstone.row = make_row(epoch=Epoch(0, 2))
    await handing
    assert [entry.message_id for entry in tombstone.mailbox] == ["m1", "m2"]
    assert returned == [tombstone]
    assert not any(entry.work.outcome.done() for entry in entries)


async def test_a_waiting_caller_hears_that_the_target_is_silent(bench, tombstone):
    entry = queue(tombstone, "m1")
    entry.deadline = asyncio.get_running_loop().time() + 0.05
    bench.calls.answer("send", unreachable(connected=False))
    await bench.forwarding.hand_over(tombstone)
    await until(entry.work.outcome.done)
    assert entry.work.outcome.exception() is not None
