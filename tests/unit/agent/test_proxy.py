"""PagletProxy, FutureReply and ReplySet over a port whose answers the test writes."""

import asyncio
from dataclasses import dataclass

import pytest

from paglets.agent.future import ReplySet
from paglets.agent.proxy import PagletProxy
from paglets.model.enums import Priority
from paglets.model.errors import DeadlineError, InvalidNameError, PagletNotFoundError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire.bodies import AgentInfo
from paglets.wire.hostcalls import ListReply, ProxyReply, SendReply, StateReply
from tests.unit.agent.fakeport import ME, OTHER, FakePort, ping

MOVED = PagletProxyRef("http://gamma:1", "b1")


@dataclass
class Point:
    x: int


@pytest.fixture
def port() -> FakePort:
    return FakePort()


@pytest.fixture
def proxy(port: FakePort) -> PagletProxy:
    return PagletProxy(port, OTHER)


def test_a_message_carries_sender_options_and_who_waits(port: FakePort, proxy: PagletProxy):
    port.script["send"] = SendReply(reply=b'{"x": 1}')

    assert proxy.send(ping(), timeout=2.0, no_delay=True, retry_for=60.0) == {"x": 1}

    wire = port.sent()
    assert (wire.sender, wire.path, wire.budget_ms) == (ME, ("a1",), 2000)
    assert (wire.no_delay, wire.retry_for_ms, wire.oneway) == (True, 60_000, False)
    assert port.asked[0][2] == 60.0


def test_a_reply_is_read_as_the_type_asked_for(port: FakePort, proxy: PagletProxy):
    port.script["send"] = SendReply(reply=b'{"x": 1}')

    assert proxy.send(ping(), Point) == Point(1)


def test_a_proxy_keeps_the_present_address_of_its_paglet(port: FakePort, proxy: PagletProxy):
    port.script["send"] = SendReply(reply=b"1", address=MOVED)

    proxy.send(ping())

    assert proxy.ref() == MOVED
    assert proxy.host_url == "http://gamma:1"


def test_the_sender_of_a_message_that_moved_its_paglet_gets_the_new_proxy(
    port: FakePort, proxy: PagletProxy
):
    port.script["send"] = SendReply(address=MOVED, moved=True)

    moved = proxy.send(ping())

    assert isinstance(moved, PagletProxy)
    assert moved.ref() == MOVED


def test_an_id_derived_from_the_message_at_hand_replaces_the_random_one(
    port: FakePort, proxy: PagletProxy
):
    port.script["send"] = SendReply()
    port.ids = ["derived"]

    proxy.send(ping())

    assert port.sent().message_id == "derived"


def test_a_oneway_message_waits_for_nobody(port: FakePort, proxy: PagletProxy):
    port.script["send"] = SendReply()

    proxy.send_oneway(ping())

    assert (port.sent().oneway, port.sent().path) == (True, ())


def test_a_future_of_plain_code_does_not_say_that_its_paglet_waits(
    port: FakePort, proxy: PagletProxy
):
    reply = proxy.send_future(ping(), int)

    assert port.sent().path == ()
    assert not reply.done()
    port.futures[0].set_result(SendReply(reply=b"7"))
    assert reply.result() == 7


def test_a_future_raises_what_went_wrong(port: FakePort, proxy: PagletProxy):
    reply = proxy.send_future(ping())
    port.futures[0].set_exception(PagletNotFoundError("gone"))

    with pytest.raises(PagletNotFoundError):
        reply.result()


def test_a_future_that_is_not_done_in_time_says_so(port: FakePort, proxy: PagletProxy):
    reply = proxy.send_future(ping())

    with pytest.raises(DeadlineError, match="b1"):
        reply.result(0.001)

    assert port.blocked == ["FutureReply.result()"]


async def test_a_future_of_async_code_is_awaited_and_says_that_its_paglet_waits(
    port: FakePort, proxy: PagletProxy
):
    reply = proxy.send_future(ping(), int)
    asyncio.get_running_loop().call_soon(port.futures[0].set_result, SendReply(reply=b"7"))

    assert await reply == 7
    assert port.sent().path == ("a1",)


def test_a_reply_set_iterates_in_the_order_of_completion(port: FakePort, proxy: PagletProxy):
    replies = [proxy.send_future(ping(), int) for _ in range(3)]
    order = iter(ReplySet(replies))

    port.futures[2].set_result(SendReply(reply=b"2"))
    assert next(order).result() == 2
    port.futures[0].set_exception(PagletNotFoundError("gone"))
    port.futures[1].set_result(SendReply(reply=b"1"))
    with pytest.raises(PagletNotFoundError):
        next(order).result()
    assert next(order).result() == 1
    assert list(order) == []


async def test_a_reply_set_iterates_in_async_code_too(port: FakePort, proxy: PagletProxy):
    replies = ReplySet([proxy.send_future(ping(), int) for _ in range(2)])
    for number, future in enumerate(port.futures):
        future.set_result(SendReply(reply=str(number).encode()))

    assert [await reply async for reply in replies] == [0, 1]
    assert len(replies) == 2


def test_life_cycle_verbs_name_ticket_and_policy(port: FakePort, proxy: PagletProxy):
    port.script["lifecycle"] = ProxyReply(ref=MOVED)

    proxy.dispatch("gamma")
    proxy.retract("alpha")
    proxy.deactivate(DeactivationPolicy(activate_on_startup=True))
    proxy.activate()
    proxy.dispose(force=True)

    asked = [request for _, request, _ in port.asked]
    verbs = ["dispatch", "retract", "deactivate", "activate", "dispose"]
    assert [request.verb for request in asked] == verbs
    assert asked[0].ticket == TransferTicket(destination="gamma")
    assert asked[1].ticket == TransferTicket(destination="alpha")
    assert asked[2].policy.activate_on_startup is True
    assert asked[4].force is True
    assert len({request.key for request in asked}) == 5
    assert proxy.ref() == MOVED


def test_clone_returns_a_proxy_of_the_clone(port: FakePort, proxy: PagletProxy):
    port.script["lifecycle"] = ProxyReply(ref=PagletProxyRef("http://beta:1", "c1"))

    clone = proxy.clone()

    assert (clone.agent_id, proxy.agent_id) == ("c1", "b1")


def test_info_and_state_are_asked_of_the_host(port: FakePort, proxy: PagletProxy):
    info = AgentInfo(agent_id="b1", class_name="m:C", status="active")
    port.script["info"] = ListReply(agents=(info,))
    port.script["state"] = StateReply(state=b'{"count": 1}')

    assert proxy.info() == info
    assert proxy.state() == {"count": 1}

    port.script["info"] = ListReply(agents=())
    with pytest.raises(PagletNotFoundError):
        proxy.info()


def test_an_id_with_other_characters_makes_no_proxy(port: FakePort):
    with pytest.raises(InvalidNameError):
        PagletProxy(port, PagletProxyRef("http://beta:1", "../b1"))


def test_priority_travels(port: FakePort, proxy: PagletProxy):
    port.script["send"] = SendReply()
    message = ping()
    message.priority = Priority.MAX

    proxy.send(message)

    assert port.sent().priority == 10
