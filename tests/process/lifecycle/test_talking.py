"""Proxies, replies, creation, search and events, from paglet to paglet and from outside."""

from collections.abc import Callable

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.connect import connect_async
from paglets.model.errors import (
    ClassNotAllowedError,
    HandlerError,
    HostNotFoundError,
    NotHandledError,
    PagletNotFoundError,
    StateError,
)
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.talking import Answer, Greeting, TalkerState
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]


def ref_of(proxy: PagletProxy) -> dict[str, str]:
    return {"host_url": proxy.host_url, "agent_id": proxy.agent_id}


@pytest.fixture
def talker(make: Make) -> PagletProxy:
    return make("talking:Talker")


def test_dataclasses_travel_as_messages_and_replies(talker: PagletProxy) -> None:
    answer = talker.send(Message.of(Greeting("hi ", times=2)), Answer)
    assert answer == Answer("hi hi  from alpha")


def test_what_an_author_raises_on_purpose_keeps_its_class(talker: PagletProxy) -> None:
    with pytest.raises(StateError) as raised:
        talker.send(Message("refuse"))
    assert raised.value.field == "name"


def test_an_unknown_kind_is_not_handled(talker: PagletProxy) -> None:
    with pytest.raises(NotHandledError) as raised:
        talker.send(Message("sing"))
    assert raised.value.kind == "sing"


def test_a_reply_that_cannot_be_encoded_is_the_senders_error(talker: PagletProxy) -> None:
    with pytest.raises((HandlerError, TypeError)):
        talker.send(Message("unsendable"))
    assert talker.send(Message("heard")) == []


def test_a_state_that_does_not_fit_is_an_error_at_the_checkpoint_and_no_more(
    talker: PagletProxy,
) -> None:
    assert talker.send(Message("spoil")) == "name"
    assert talker.state()["name"] == "mended"


def test_paglets_talk_over_hosts_by_a_reference_in_their_state(make: Make) -> None:
    one, other = make("talking:Talker"), make("talking:Talker", host="beta")
    one.send(Message("befriend", {"friend": ref_of(other)}))
    assert one.send(Message("greet friend", {"text": "hi"})) == "hi from beta"


def test_a_reference_and_proxies_keep_working_after_both_have_moved(make: Make) -> None:
    one, other = make("talking:Talker"), make("talking:Talker", host="beta")
    one.send(Message("befriend", {"friend": ref_of(other)}))
    other.dispatch("gamma")
    one.dispatch("beta")
    other.dispatch("alpha")
    one.dispatch("gamma")
    assert one.send(Message("greet friend", {"text": "hi"})) == "hi from alpha"
    assert other.info().host_name == "alpha"
    assert one.info().host_name == "gamma"


def test_a_proxy_that_missed_many_moves_still_finds_its_paglet(make: Make, mesh: LocalMesh) -> None:
    talker = make("talking:Talker")
    stale = mesh.client("gamma").proxy(talker.ref())
    for host in ("beta", "gamma", "alpha", "beta", "alpha", "gamma", "beta"):
        talker.dispatch(host)
    assert stale.send(Message("facts"))[0] == "beta"
    assert stale.host_url == mesh["beta"].url


def test_a_oneway_message_arrives(make: Make) -> None:
    one, other = make("talking:Talker"), make("talking:Talker", host="beta")
    one.send(Message("befriend", {"friend": ref_of(other)}))
    one.send(Message("whisper to friend", {"text": "psst"}))
    wait_until(lambda: other.send(Message("heard")) == ["psst"], timeout=PATIENCE, what="heard")


def test_a_future_reply_is_not_done_at_first_and_then_is(make: Make) -> None:
    one, other = make("talking:Talker"), make("talking:Talker", host="beta")
    one.send(Message("befriend", {"friend": ref_of(other)}))
    assert one.send(Message("ask friend later", {"text": "x"})) == [False, "x", True]


def test_a_multicast_reaches_every_active_paglet_of_the_host_but_the_sender(
    mesh: LocalMesh, make: Make
) -> None:
    talkers = [make("talking:Talker", host="gamma") for _ in range(3)]
    asleep = make("talking:Talker", host="gamma")
    asleep.deactivate()
    others = len(mesh.client("gamma").create("talking:Talker").send(Message("list"))) - 1
    count, replies = talkers[0].send(Message("ask everybody", {"kind": "hear"}), timeout=PATIENCE)
    assert count == others
    assert replies.count(1) >= 3
    assert talkers[0].send(Message("heard")) == []
    assert talkers[1].send(Message("heard")) == ["all"]
    assert asleep.info().status == "inactive"


def test_a_paglet_creates_others_here_and_on_another_host(talker: PagletProxy) -> None:
    here = talker.send(Message("make"))
    there = talker.send(Message("make", {"host": "beta"}))
    assert talker.send(Message("find", {"agent_id": here["agent_id"]})) == here["host_url"]
    assert talker.send(Message("find", {"agent_id": there["agent_id"]})) == there["host_url"]
    assert here["host_url"] != there["host_url"]


def test_creating_what_is_not_allowed_is_refused(talker: PagletProxy) -> None:
    with pytest.raises(HandlerError) as raised:
        talker.send(Message("make by name", {"name": "os:Thing"}))
    assert str(raised.value.exception_type).endswith(ClassNotAllowedError.__name__)


def test_find_asks_the_mesh_and_get_asks_one_host(make: Make, talker: PagletProxy) -> None:
    other = make("talking:Talker", host="gamma")
    other.dispatch("beta")
    found = talker.send(Message("find", {"agent_id": other.agent_id}))
    assert found == other.host_url
    looked = talker.send(Message("look at", {"agent_id": other.agent_id, "host": "beta"}))
    assert looked == other.host_url
    with pytest.raises(HandlerError, match="no host of the mesh"):
        talker.send(Message("find", {"agent_id": "nobody"}))
    with pytest.raises(HandlerError, match="atlantis"):
        talker.send(Message("look at", {"agent_id": other.agent_id, "host": "atlantis"}))


def test_list_filters_by_status_and_class(make: Make, talker: PagletProxy) -> None:
    fragile = make("talking:Fragile")
    asleep = make("talking:Fragile")
    asleep.deactivate()
    listed = talker.send(Message("list", {"class_name": "talking:Fragile"}))
    assert fragile.agent_id in listed
    assert asleep.agent_id not in listed
    assert talker.agent_id not in listed


def test_a_paglet_retracts_and_disposes_of_others(make: Make, talker: PagletProxy) -> None:
    other = make("talking:Talker", host="beta")
    assert talker.send(Message("fetch", {"agent_id": other.agent_id})) == talker.host_url
    assert other.info().host_name == "alpha"
    talker.send(Message("end other", {"agent_id": other.agent_id}))
    with pytest.raises(PagletNotFoundError):
        other.send(Message("heard"))


def test_the_context_tells_facts_of_the_host(talker: PagletProxy, mesh: LocalMesh) -> None:
    facts = talker.send(Message("facts"))
    assert facts == ["alpha", {"room": "R12"}, ["alpha", "beta", "gamma"], mesh["alpha"].url]
    talker.dispatch("beta")
    assert talker.send(Message("facts"))[0] == "beta"


def test_events_are_emitted_and_read(talker: PagletProxy, mesh: LocalMesh) -> None:
    talker.send(Message("emit", {"text": "three pages"}))
    assert "found" in talker.send(Message("read events"))
    event = mesh["alpha"].observer.events(kind="found", agent_id=talker.agent_id)[-1]
    assert (event.text, event.level, event.detail["pages"]) == ("three pages", "warning", 3)


def test_the_event_log_tells_the_life_of_a_paglet(talker: PagletProxy, mesh: LocalMesh) -> None:
    talker.dispatch("beta")
    talker.retract("alpha")
    talker.deactivate()
    talker.activate()
    talker.dispose()
    seen = [each.kind for each in mesh["alpha"].observer.events(agent_id=talker.agent_id)]
    story = ["create", "dispatch", "arrival", "deactivate", "activate", "dispose"]
    assert [kind for kind in seen if kind in story] == story


def test_two_paglets_that_wait_for_each_other_get_a_cycle_error(make: Make) -> None:
    one, other = make("talking:Talker"), make("talking:Talker", host="beta")
    call = Message("call around", {"kind": "bounce", "friend": ref_of(other)})
    with pytest.raises(HandlerError, match="waits for this very call"):
        one.send(call, timeout=PATIENCE)
    beside = Message("call around", {"kind": "bounce beside", "friend": ref_of(other)})
    assert one.send(beside, timeout=PATIENCE) == []


def test_a_client_reaches_every_host_through_its_entry(mesh: LocalMesh) -> None:
    client = mesh.client("beta")
    talker = client.create("talking:Talker", TalkerState(name="far"), host="gamma")
    assert talker.send(Message("facts"))[0] == "gamma"
    assert talker.state()["name"] == "far"
    assert client.proxy(talker.agent_id).info().host_name == "gamma"
    assert talker.clone("alpha").send(Message("facts"))[0] == "alpha"
    with pytest.raises(HostNotFoundError, match="atlantis"):
        client.create("talking:Talker", host="atlantis")
    with pytest.raises(PagletNotFoundError):
        client.proxy("nobody")


async def test_the_async_client_does_the_same_without_a_thread(mesh: LocalMesh) -> None:
    settings = mesh["beta"].settings
    async with await connect_async(mesh["beta"].url, settings.key_file) as client:
        assert sorted(host.name for host in await client.hosts()) == ["alpha", "beta", "gamma"]
        talker = await client.create("talking:Talker", TalkerState(name="far"), host="gamma")
        assert (await talker.send(Message.of(Greeting("hi")), Answer)).text == "hi from gamma"
        await talker.dispatch("alpha")
        assert (await talker.send(Message("facts")))[0] == "alpha"
        clone = await talker.clone("beta")
        assert (await clone.state())["name"] == "far"
        await talker.deactivate()
        assert (await talker.info()).status == "inactive"
        await talker.activate()
        await talker.dispose()
        with pytest.raises(PagletNotFoundError):
            await talker.send(Message("facts"))
