"""Lists, events, forwarding, fan-out, OpenAPI and metrics."""

import asyncio
import json
import re
from contextlib import AsyncExitStack

import aiohttp
import msgspec
import pytest

from paglets.config.keys import Keyring, new_key
from paglets.host.http import agents, metrics, transfers
from paglets.host.http.openapi import make_document
from paglets.host.http.routing import Router
from paglets.model.enums import ServiceScope
from paglets.model.errors import (
    ForbiddenError,
    HostNotFoundError,
    HostUnreachableError,
    InvalidRequestError,
    NotFoundError,
    PagletNotFoundError,
    ServiceNotFoundError,
)
from paglets.model.refs import HostRef
from paglets.wire import bodies
from paglets.wire.hostcalls import LookupCall
from paglets.wire.routes import ROUTES, Pool, Route
from tests.unit.http.fakes import FakeHosts, client, raw, serve, transfer_info, until
from tests.unit.runtime.fakes import FakeRecords


def info(agent_id, host="alpha"):
    return bodies.AgentInfo(agent_id=agent_id, class_name="m:C", status="active", host_name=host)


class Pair:
    """Two served hosts that know each other."""

    def __init__(self, alpha, beta):
        self.alpha, self.beta = alpha, beta


@pytest.fixture
async def pair():
    ring, hosts = Keyring((new_key(),)), FakeHosts()
    async with AsyncExitStack() as stack:
        alpha = await stack.enter_async_context(serve(keyring=ring, hosts=hosts))
        beta = await stack.enter_async_context(
            serve(keyring=ring, hosts=hosts, name="beta", host_id="h2", generation=3)
        )
        yield Pair(alpha, beta)


@pytest.fixture
async def entry(pair):
    async with pair.alpha.session() as session:
        yield client(session, pair.alpha)


async def test_a_client_of_one_host_reaches_the_others_through_it(pair, entry):
    pair.beta.runtime.agents["b1"] = info("b1", "beta")
    assert (await entry.on_host("beta").show_agent("b1")).host_name == "beta"
    assert pair.alpha.runtime.calls == []


async def test_a_request_forwarded_to_the_entry_host_itself_takes_no_hop(pair, entry):
    pair.alpha.runtime.agents["a1"] = info("a1")
    assert (await entry.on_host("alpha").show_agent("a1")).agent_id == "a1"


async def test_body_key_and_query_are_forwarded(pair, entry):
    beta = entry.on_host("beta")
    await beta.create(bodies.CreateBody(class_name="m:C"), key="k1")
    await beta.list_agents({"prefix": "x", "limit": "5"})
    assert pair.beta.runtime.calls[0] == ("create", "m:C", "k1")
    assert pair.beta.runtime.calls[1] == ("list", None, None, "x", None, 5)


async def test_errors_come_through_a_forward_as_they_are(pair, entry):
    with pytest.raises(PagletNotFoundError):
        await entry.on_host("beta").show_agent("none")


async def test_a_large_answer_is_passed_on_and_verified_by_the_client(pair, entry):
    pair.beta.runtime.state_bytes = b'"' + b"x" * 3_000_000 + b'"'
    assert await entry.on_host("beta").state("b1") == pair.beta.runtime.state_bytes


async def test_only_one_hop_is_forwarded(pair, entry):
    with pytest.raises(InvalidRequestError, match="once"):
        await entry.endpoint.raw("GET", "/hosts/beta/hosts/alpha/health")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/mesh/join"), ("PUT", "/transfers/t1"), ("POST", "/transfers/fence")],
)
async def test_what_hosts_ask_of_each_other_is_not_forwarded(pair, entry, method, path):
    with pytest.raises(ForbiddenError):
        await entry.endpoint.raw(method, f"/hosts/beta{path}", b"x")


async def test_an_unknown_path_is_not_forwarded(pair, entry):
    with pytest.raises(NotFoundError):
        await entry.endpoint.raw("GET", "/hosts/beta/secrets")


async def test_an_unknown_host_is_named_with_those_that_are_known(entry):
    with pytest.raises(HostNotFoundError, match="alpha, beta"):
        await entry.on_host("gamma").health()


async def test_a_forward_to_a_host_that_is_down_says_so(pair, entry):
    await pair.beta.server.stop(0.0)
    with pytest.raises(HostUnreachableError):
        await entry.on_host("beta").health()


async def test_a_list_of_the_mesh_names_who_did_not_answer(pair, entry):
    pair.alpha.runtime.agents["a1"] = info("a1")
    pair.beta.runtime.agents["b1"] = info("b1", "beta")
    pair.alpha.hosts.add(HostRef("gamma", "http://127.0.0.1:9", host_id="h3"))
    pair.alpha.hosts.add(HostRef("delta", "http://127.0.0.1:9", host_id="h4", online=False))
    listed = await entry.list_agents({"scope": "mesh"})
    assert [entry.agent_id for entry in listed.agents] == ["a1", "b1"]
    assert (listed.unreachable, listed.total) == (("gamma",), 2)


async def test_pages_of_the_mesh_cover_every_paglet_once(pair, entry):
    for number in range(7):
        served, host = (pair.alpha, "alpha") if number % 3 else (pair.beta, "beta")
        served.runtime.agents[f"p{number}"] = info(f"p{number}", host)
    seen, after = [], None
    while True:
        page = await entry.list_agents(
            {"scope": "mesh", "limit": "2"} | ({"after": after} if after else {})
        )
        seen += [found.agent_id for found in page.agents]
        after = page.next
        if after is None:
            break
    assert seen == [f"p{number}" for number in range(7)]


async def test_transfers_and_events_of_the_mesh_are_merged(pair, entry):
    pair.alpha.transfers.infos = [transfer_info("t1")]
    pair.beta.transfers.infos = [transfer_info("t1"), transfer_info("t2")]
    pair.alpha.events.add("create")
    pair.beta.events.add("crash")
    listed = await entry.transfers({"scope": "mesh"})
    events = await entry.events({"scope": "mesh"})
    assert [found.transfer_id for found in listed.transfers] == ["t1", "t1", "t2"]
    assert {event.kind for event in events.events} == {"create", "crash"}
    with pytest.raises(InvalidRequestError, match="one host"):
        await entry.events({"scope": "mesh", "after": "3"})


async def test_hosts_are_listed(pair, entry):
    pair.alpha.hosts.add(HostRef("gpu", "u", host_id="h3", tags=("big",), online=False))
    assert {ref.name for ref in (await entry.hosts()).hosts} == {"alpha", "beta", "gpu"}
    assert [ref.name for ref in (await entry.hosts({"tag": "big"})).hosts] == ["gpu"]
    assert "gpu" not in {ref.name for ref in (await entry.hosts({"online": "true"})).hosts}


async def test_records_are_listed_in_pages_and_narrowed():
    records = FakeRecords()
    for number in range(3):
        records.hear("paglet.x", HostRef("alpha", "u", host_id="h1"), str(number), b"1")
    async with serve(records=records) as served, served.session() as session:
        asking = client(session, served)
        first = await asking.records({"limit": "2"})
        assert [record.key for record in first.records] == ["0", "1"]
        rest = await asking.records({"limit": "2", "after": first.next})
        assert [(record.key, record.host_name) for record in rest.records] == [("2", "alpha")]
        assert rest.next is None
        assert (await asking.records({"kind": "load"})).records == ()
        assert (await asking.records({"host": "beta"})).records == ()
        assert len((await asking.records()).records) == 3


async def test_services_are_asked_for_with_all_that_is_wanted(entry):
    assert (await entry.services()).reason == repr(LookupCall())
    wanted = LookupCall(
        name="tokenizer",
        version="2",
        operations=("split", "join"),
        capabilities=("gpu", "big"),
        host="beta",
        scope=ServiceScope.LOCAL,
        limit=3,
    )
    listed = await entry.services(wanted)
    assert (listed.services[0].name, listed.reason) == ("tokenizer", repr(wanted))


async def test_a_service_is_shown_with_the_schemas_of_its_operations(entry):
    (contract,) = (await entry.show_service("tokenizer", "2")).contracts
    assert (contract.name, contract.version) == ("tokenizer", "2")
    assert contract.operations[0].request == {"type": "object"}
    assert (await entry.show_service("tokenizer")).contracts[0].version == "1"
    assert (await entry.on_host("beta").show_service("tokenizer")).contracts
    with pytest.raises(ServiceNotFoundError, match="nobody provides nothing"):
        await entry.show_service("nothing")
    with pytest.raises(InvalidRequestError, match="service"):
        await entry.show_service("no%20name")


async def test_events_are_paged_and_a_gap_is_told(entry, pair):
    log = pair.alpha.events
    for _ in range(5):
        log.add()
    log.drop(2)
    page = await entry.events({"limit": "2"})
    assert ([event.sequence for event in page.events], page.next, page.missed) == ([3, 4], 4, 2)


async def test_a_stream_gives_what_there_is_then_what_happens_and_tells_gaps(entry, pair):
    log = pair.alpha.events
    for _ in range(3):
        log.add()
    log.drop(1)
    seen = []
    async for batch in entry.follow_events(timeout=5.0):
        seen.append(("gap", batch.missed) if batch.missed else batch.events[0].sequence)
        if len(seen) == 3:
            log.add("crash")
        if len(seen) == 4:
            break
    assert seen == [("gap", 1), 2, 3, 4]


async def test_a_stream_goes_on_after_the_last_event_id():
    async with serve() as served, aiohttp.ClientSession() as http:
        for _ in range(3):
            served.events.add()
        token = served.keyring.primary.bearer_token()
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": "2",
        }
        async with http.get(f"{served.url}/events", headers=headers) as answer:
            lines = [await answer.content.readline() for _ in range(5)]
    assert b"id: 3\n" in lines
    assert b"id: 2\n" not in lines


async def test_a_stream_is_forwarded_while_it_happens(entry, pair):
    pair.beta.events.add()
    async for batch in entry.on_host("beta").follow_events(timeout=5.0):
        assert batch.events[0].sequence == 1
        break


async def test_a_stream_ends_when_the_server_stops():
    async with serve() as served, served.session() as session:
        served.events.add()
        stream = client(session, served).follow_events(timeout=5.0)
        await anext(stream)
        async with asyncio.timeout(5):
            await served.server.stop(1.0)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_reader_that_goes_away_ends_its_stream():
    async with serve() as served, served.session() as session:
        served.events.add()
        stream = client(session, served).follow_events(timeout=5.0)
        await anext(stream)
        await stream.aclose()
        slots = served.gate._pools.by_pool[Pool.CALL]
        await until(lambda: slots.used == 0)


async def test_a_stream_covers_one_host(entry):
    with pytest.raises(InvalidRequestError, match="one host"):
        await anext(entry.follow_events({"scope": "mesh"}, timeout=5.0))


async def test_openapi_describes_every_route_of_the_table():
    async with serve() as served, served.session() as session:
        document = json.loads(await client(session, served).endpoint.raw("GET", "/openapi.json"))
    assert document["openapi"] == "3.1.0"
    for entry in ROUTES:
        operation = document["paths"][entry.path][entry.method.lower()]
        assert operation["operationId"] == entry.name
        assert str(entry.status) in operation["responses"]
        names = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert names == set(re.findall(r"\{(\w+)\}", entry.path))


def test_every_reference_in_the_openapi_document_leads_somewhere():
    document = make_document(ROUTES)
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(document).decode()):
        found = document
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_operation_ids_are_unique():
    document = make_document(ROUTES)
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))


async def test_metrics_are_prometheus_text():
    async with serve() as served:
        token = {"Authorization": f"Bearer {served.keyring.primary.bearer_token()}"}
        await raw(served, "GET", "/health", token)
        answer = await raw(served, "GET", "/metrics", token)
    assert b'paglets_agents{status="active"} 3.0' in answer.body
    assert b'paglets_http_answers_total{route="health",status="200"} 1.0' in answer.body
    assert b"paglets_mesh_probes_failed_total 5.0" in answer.body
    assert b"paglets_mesh_awareness 2.0" in answer.body
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_metrics_without_the_extra_are_501_and_name_it(monkeypatch):
    monkeypatch.setattr(metrics, "AVAILABLE", False)
    async with serve() as served:
        token = {"Authorization": f"Bearer {served.keyring.primary.bearer_token()}"}
        answer = await raw(served, "GET", "/metrics", token)
    assert answer.status == 501
    assert b"paglets-mesh[metrics]" in answer.body


async def test_mesh_exchanges_pass_undecoded_with_their_sender(pair):
    async with pair.alpha.session(sender="h9") as session:
        answer = await client(session, pair.alpha).endpoint.raw("POST", "/mesh/gossip", b"\0\xff")
    assert answer == b"answer to \0\xff"
    assert pair.alpha.runtime.calls == [("mesh", "/mesh/gossip", b"\0\xff", "h9")]


async def test_logs_and_state_are_shown(entry):
    assert (await entry.logs("a1", tail=2)).lines == ("one", "two")
    assert await entry.state("a1") == b'{"n":1}'


async def nobody(asked):
    raise AssertionError


def test_a_route_without_a_handler_stops_the_server_from_being_built():
    with pytest.raises(ValueError, match="fit"):
        Router(ROUTES, {}, nobody)


def test_a_handler_without_a_route_does_too():
    with pytest.raises(ValueError, match="fit"):
        Router((), {"secret": nobody}, nobody)


@pytest.mark.parametrize("pool", [None, "none", Pool.OPEN])
def test_a_route_that_declares_no_credentials_does_too(pool):
    entry = Route("GET", "/secret", "secret", "x", pool=pool)
    with pytest.raises(ValueError, match="secret"):
        Router((entry,), {"secret": nobody}, nobody)


def test_an_open_route_must_say_that_it_is():
    entry = Route("GET", "/livez", "livez", "x", pool=Pool.CALL)
    with pytest.raises(ValueError, match="livez"):
        Router((entry,), {"livez": nobody}, nobody)


def test_a_literal_path_is_not_taken_for_an_id():
    entries = (
        Route("POST", "/transfers/{transfer_id}", "any", "x"),
        Route("POST", "/transfers/check", "check", "x"),
    )
    router = Router(entries, {"any": nobody, "check": nobody}, nobody)
    assert router.find("POST", "/transfers/check").entry.name == "check"
    assert router.find("POST", "/transfers/t1").params == {"transfer_id": "t1"}


def test_a_page_keeps_a_paglet_and_its_tombstones_together():
    pages = [
        bodies.AgentList(agents=(info("a", "alpha"), info("b", "alpha"))),
        bodies.AgentList(agents=(info("a", "beta"), info("c", "beta"))),
    ]
    page = agents.merge_agents(pages, 1, ())
    assert [(i.agent_id, i.host_name) for i in page.agents] == [("a", "alpha"), ("a", "beta")]
    assert page.next == "a"


def test_a_page_ends_where_a_host_may_have_more():
    pages = [
        bodies.TransferList(transfers=(transfer_info("t1"),), next="t1"),
        bodies.TransferList(transfers=(transfer_info("t2"),)),
    ]
    page = transfers.merge_transfers(pages, 10, ())
    assert [found.transfer_id for found in page.transfers] == ["t1"]
    assert page.next == "t1"
