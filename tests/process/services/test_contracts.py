"""Contracts are kept by both sides, from inside the mesh and from outside."""

from collections.abc import Callable

import pytest

import paglets
from paglets import (
    InvalidRequestError,
    Message,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
    PagletProxy,
    ServiceNotFoundError,
    ServiceOperation,
    ServiceReplyError,
)
from paglets.testing.localmesh import LocalMesh
from tests.agents.services.words import (
    COUNT,
    NEXT,
    SPLIT,
    SPLITTER,
    UNTOLD,
    WIDER,
    Text,
    Words,
)
from tests.process.services.stage import wait_found

Make = Callable[..., PagletProxy]


@pytest.fixture
def provider(make: Make) -> PagletProxy:
    return make("Splitter", host="beta")


@pytest.fixture
def caller(make: Make, provider: PagletProxy) -> PagletProxy:
    """A paglet on alpha that has found the provider."""
    proxy = make("Caller")
    assert proxy.send(Message("find")) == ["beta"]
    return proxy


def ask(caller: PagletProxy, text: str, **more: object) -> dict[str, object]:
    answer = caller.send(Message("call", {"text": text, **more}))
    assert isinstance(answer, dict)
    return answer


@pytest.mark.usefixtures("provider")
def test_a_client_outside_calls_with_types_through_its_entry_host(mesh: LocalMesh) -> None:
    handle = mesh.client("gamma").services.require(SPLITTER)
    assert handle.call(SPLIT, Text("a b c", limit=2)) == Words(["a", "b"], "beta")
    assert handle.call(COUNT, Text("a b c")) == 3


@pytest.mark.usefixtures("provider")
async def test_an_async_client_outside_calls_the_same_way(mesh: LocalMesh) -> None:
    url, key = mesh["gamma"].url, mesh.key_file
    async with await paglets.connect_async(url, key) as client:
        handle = await client.services.require(SPLITTER)
        assert await handle.call(SPLIT, Text("a b")) == Words(["a", "b"], "beta")
        assert [each.record.host_name for each in await client.services.lookup_all(SPLITTER)] == [
            "beta"
        ]
        assert await client.services.lookup(NEXT) is None
        with pytest.raises(ServiceReplyError):
            await handle.call(SPLIT, Text("reply dict"))


def test_a_paglet_calls_plainly_and_in_async_code(caller: PagletProxy) -> None:
    assert ask(caller, "a b") == {"words": ["a", "b"], "host": "beta", "record": "beta"}
    assert caller.send(Message("call-async", {"text": "c d"})) == ["c", "d"]


@pytest.mark.usefixtures("provider")
def test_another_version_is_not_found_and_the_error_names_those_there_are(mesh: LocalMesh) -> None:
    with pytest.raises(ServiceNotFoundError, match="versions there are: 1") as raised:
        mesh.client().services.require(NEXT)
    assert raised.value.versions == ["1"]


@pytest.mark.usefixtures("provider")
def test_an_operation_the_provider_lacks_is_not_found(mesh: LocalMesh) -> None:
    services, join = mesh.client().services, WIDER.operations[2]
    with pytest.raises(ServiceNotFoundError, match="no operation 'join'; it has split, count"):
        services.require(WIDER).call(join, Words(["a"]))
    with pytest.raises(ServiceNotFoundError, match="operations there are: count, split"):
        services.require(WIDER, operations=[join])
    assert services.require(WIDER).call(COUNT, Text("a")) == 1


def test_a_request_that_does_not_fit_is_refused_by_its_caller(caller: PagletProxy) -> None:
    answer = ask(caller, "a", limit=3)
    assert "error" not in answer
    sent = caller.send(Message("call-wrong"))
    assert sent == ["InvalidRequestError", "split", "limit"]


def test_a_request_that_does_not_fit_is_refused_by_its_provider_too(provider: PagletProxy) -> None:
    with pytest.raises(InvalidRequestError, match="operation split does not fit: field text") as e:
        provider.send(Message("split", {"text": 7}))
    assert (e.value.operation, e.value.field) == ("split", "text")
    assert provider.state() == {"calls": 0}


@pytest.mark.parametrize(
    ("text", "field", "what"),
    [
        ("reply dict", "", "a dict instead of a Words"),
        ("reply field", "words[0]", "got `int`"),
    ],
)
def test_a_reply_that_does_not_fit_blames_the_provider_which_lives_on(
    mesh: LocalMesh, caller: PagletProxy, provider: PagletProxy, text: str, field: str, what: str
) -> None:
    answer = ask(caller, text)
    assert answer["error"] == "ServiceReplyError"
    assert what in str(answer["text"])
    detail = answer["detail"]
    assert isinstance(detail, dict)
    assert (detail["operation"], detail["field"]) == ("split", field)
    assert detail["provider"] == "Splitter.split"
    with pytest.raises(ServiceReplyError, match=r"Splitter\.count broke the contract"):
        mesh.client().services.require(SPLITTER).call(COUNT, Text(""))
    assert ask(caller, "a")["words"] == ["a"]
    assert provider.info().status == "active"


@pytest.mark.usefixtures("provider")
def test_a_reply_that_the_caller_reads_otherwise_blames_the_provider(mesh: LocalMesh) -> None:
    mine = ServiceOperation("count", Text, str)
    contract = paglets.ServiceContract("splitter", [mine])
    with pytest.raises(ServiceReplyError, match=r"on beta broke .* Expected `str`, got `int`"):
        mesh.client().services.require(contract).call(mine, Text("a"))


@pytest.mark.usefixtures("provider")
def test_a_service_nobody_knows_names_the_next_step(mesh: LocalMesh) -> None:
    with pytest.raises(ServiceNotFoundError, match="`paglets service list`"):
        mesh.client().services.require(UNTOLD)


def test_a_provider_that_is_gone_is_replaced_by_another_or_is_an_error(
    mesh: LocalMesh, make: Make, caller: PagletProxy, provider: PagletProxy
) -> None:
    outside = mesh.client("gamma").services
    handle, pinned = outside.require(SPLITTER), outside.lookup_all(SPLITTER)[0]
    provider.dispose()
    assert ask(caller, "a")["error"] == "PagletNotFoundError"
    make("Splitter", host="gamma")
    assert ask(caller, "a") == {"words": ["a"], "host": "gamma", "record": "gamma"}
    assert handle.call(SPLIT, Text("a")) == Words(["a"], "gamma")
    with pytest.raises(PagletNotFoundError):
        pinned.call(SPLIT, Text("a"))


def test_a_provider_that_moves_is_followed_by_every_handle(
    mesh: LocalMesh, caller: PagletProxy, provider: PagletProxy
) -> None:
    handle = mesh.client("gamma").services.require(SPLITTER)
    for place in ("gamma", "alpha", "beta"):
        provider.dispatch(place)
        assert ask(caller, "a") == {"words": ["a"], "host": place, "record": place}
        assert handle.call(SPLIT, Text("a")) == Words(["a"], place)
        assert handle.record.host_name == place
        wait_found(mesh, place)


def test_a_provider_that_moves_in_the_middle_of_calls_loses_none(
    mesh: LocalMesh, make: Make, provider: PagletProxy
) -> None:
    askers = [make("Caller", host=host) for host in ("alpha", "beta", "gamma")]
    for asker in askers:
        asker.send(Message("find"))
    replies = [
        asker.send_future(Message("call", {"text": f"{number}"}))
        for number in range(10)
        for asker in askers
    ]
    for place in ("gamma", "alpha"):
        provider.dispatch(place)
    answers = [reply.result() for reply in replies]
    assert [answer["words"] for answer in answers if isinstance(answer, dict)] == [
        [f"{number}"] for number in range(10) for _ in askers
    ]
    assert provider.state() == {"calls": 30}


def test_a_provider_that_moves_instead_of_answering_gave_no_reply(
    caller: PagletProxy, mesh: LocalMesh
) -> None:
    answer = ask(caller, "go gamma")
    assert answer["error"] == "ServiceReplyError"
    assert "moved to another host instead of answering" in str(answer["text"])
    assert ask(caller, "a")["host"] == "gamma"
    wait_found(mesh, "gamma")


def test_a_provider_that_crashes_in_a_call_is_an_error_and_asked_no_second_time(
    mesh: LocalMesh, make: Make, provider: PagletProxy
) -> None:
    handle = mesh.client().services.require(SPLITTER)
    other = make("Splitter", host="gamma")
    with pytest.raises(PagletCrashedError):
        handle.call(SPLIT, Text("crash"))
    assert other.state() == {"calls": 0}
    wait_found(mesh, "gamma")
    assert handle.call(SPLIT, Text("a")) == Words(["a"], "gamma")
    assert provider.info().status == "crashed"


def test_a_provider_asleep_is_woken_by_a_call_where_its_policy_says_so(
    caller: PagletProxy, provider: PagletProxy
) -> None:
    provider.send(Message("sleep", {"wakes": True}))
    assert ask(caller, "a")["words"] == ["a"]
    provider.send(Message("sleep", {"wakes": False}))
    answer = ask(caller, "a")
    assert answer["error"] == "PagletInactiveError"
    assert provider.info().status == "inactive"


def test_a_sleeping_provider_that_keeps_messages_says_that_nobody_hears_the_reply(
    mesh: LocalMesh, provider: PagletProxy
) -> None:
    handle = mesh.client().services.require(SPLITTER)
    provider.send(Message("sleep", {"wakes": False, "keeps": True}))
    with pytest.raises(PagletInactiveError, match="nobody will hear its reply"):
        handle.call(SPLIT, Text("a"))


def test_a_local_provider_is_taken_before_others(mesh: LocalMesh, make: Make) -> None:
    for host in ("gamma", "beta", "alpha"):
        make("Splitter", host=host)
    wait_found(mesh, "alpha", "beta", "gamma")
    for host in mesh:
        assert host.client.services.require(SPLITTER).record.host_name == host.name
        found = host.client.services.lookup_all(SPLITTER)
        assert [each.call(SPLIT, Text("a")).host for each in found] == [
            each.record.host_name for each in found
        ]
        assert found[0].record.host_name == host.name
    on_gamma = mesh.client().services.require(SPLITTER, host="gamma")
    assert on_gamma.record.host_name == "gamma"


def test_two_providers_of_one_fixed_id_are_each_reached(mesh: LocalMesh, make: Make) -> None:
    for host in ("alpha", "beta"):
        make("Splitter", host=host, agent_id="same")
    caller = make("Caller")
    wait_found(mesh, "alpha", "beta")
    assert sorted(caller.send(Message("call-all", {"text": "a"}))) == ["alpha", "beta"]
