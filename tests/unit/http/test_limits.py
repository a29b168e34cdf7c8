"""Limits at the limit and beyond; slow and greedy callers never hold up the others."""

import asyncio
from dataclasses import replace

import pytest

from paglets.host.http.limits import Held, HttpLimits, Pools, Slots
from paglets.model.errors import (
    HostUnreachableError,
    InternalError,
    InvalidRequestError,
    UnavailableError,
)
from paglets.remote.sockets import ConnectionLimits
from paglets.wire import bodies
from paglets.wire.messages import WireMessage, encode_message
from paglets.wire.routes import Pool
from tests.unit.http.fakes import (
    client,
    error_code,
    exchange,
    raw,
    serve,
    signed,
    transfer_client,
)
from tests.unit.http.test_transfers import envelope

SMALL = HttpLimits(
    linger=0.1, connections=8, call_slots=2, mesh_slots=2, transfer_slots=2, arriving=1,
    keepalive=0.1, body_grace=0.1, body_rate=10_000, json_bytes=200,
    create_bytes=400, mesh_bytes=100, bodies_bytes=1000,
)  # fmt: skip
MESSAGE = encode_message(WireMessage(kind="x"))


def request_head(served, method, path, *lines):
    host = f"Host: 127.0.0.1:{served.port}"
    return "\r\n".join([f"{method} {path} HTTP/1.1", host, *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [("POST", "/agents/a1/messages", 200), ("POST", "/mesh/gossip", 100), ("POST", "/agents", 400)],
)
async def test_a_body_at_its_limit_is_taken_and_one_beyond_is_413(method, path, limit):
    async with serve(limits=SMALL) as served:
        statuses = []
        for size in (limit, limit + 1):
            body = b'{"kind":"x","class":"m:C"}'.ljust(size)
            answer = await raw(served, method, path, signed(served, method, path, body), body)
            statuses.append(answer.status)
    assert statuses[0] != 413
    assert statuses[1] == 413


async def test_a_body_that_announces_too_much_is_refused_before_it_is_sent():
    async with serve(limits=SMALL) as served:
        headers = signed(served, "POST", "/agents") | {"Content-Length": "500000000"}
        answer = await raw(served, "POST", "/agents", headers)
    assert (answer.status, error_code(answer)) == (413, "too_large")


async def test_a_chunked_body_is_measured_while_it_arrives():
    async with serve(limits=SMALL) as served:
        body = b"x" * 300
        headers = signed(served, "POST", "/mesh/gossip", body) | {"Transfer-Encoding": "chunked"}
        chunked = b"12c\r\n" + body + b"\r\n0\r\n\r\n"
        head = request_head(
            served, "POST", "/mesh/gossip", *(f"{n}: {v}" for n, v in headers.items()),
            "Connection: close",
        )  # fmt: skip
        assert (await exchange(served, head + chunked)).startswith(b"HTTP/1.1 413")


async def test_compressed_bodies_are_refused():
    async with serve() as served:
        headers = signed(served, "POST", "/agents", b"x") | {"Content-Encoding": "gzip"}
        answer = await raw(served, "POST", "/agents", headers, b"x")
    assert (answer.status, error_code(answer)) == (400, "bad_request")


async def test_nothing_of_a_body_is_read_before_a_key_is_proven():
    async with serve(limits=SMALL) as served:
        answer = await raw(served, "POST", "/agents", {"Content-Length": "100"})
    assert answer.status == 401


@pytest.mark.parametrize(
    "start", [b"", b"GET /livez", b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
)
async def test_a_connection_that_does_not_finish_its_headers_is_closed(start):
    async with serve(limits=SMALL) as served:
        assert await exchange(served, start) == b""


async def test_a_body_that_does_not_come_is_given_up():
    async with serve(limits=SMALL) as served:
        body = b"x" * 50
        headers = signed(served, "POST", "/mesh/gossip", body) | {"Content-Length": "50"}
        answer = await raw(served, "POST", "/mesh/gossip", headers)
    assert (answer.status, error_code(answer)) == (504, "deadline")


async def test_a_body_that_drips_is_given_up_however_long_it_goes_on():
    async with serve(limits=SMALL) as served:
        headers = signed(served, "POST", "/agents", b"x" * 400)
        head = request_head(
            served, "POST", "/agents", f"Authorization: {headers['Authorization']}",
            "Content-Length: 400", "Connection: close",
        )  # fmt: skip
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            answer = asyncio.create_task(reader.readline())
            writer.write(head)
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait([answer], timeout=0.01)
            writer.close()
    assert answer.result().startswith(b"HTTP/1.1 504")


@pytest.mark.parametrize(
    "line", ["X: " + "y" * 9000, "\r\n".join(f"X{n}: y" for n in range(200)), "broken"]
)
async def test_headers_have_limits(line):
    async with serve() as served:
        answer = await exchange(served, request_head(served, "GET", "/livez", line))
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/agents/a%2Fb"),
        ("GET", "/agents/..%2f..%2fetc"),
        ("GET", "/agents/%00"),
        ("GET", "/agents/a%0ab"),
        ("GET", "/agents/" + "a" * 65),
        ("GET", "/agents/-a"),
        ("GET", "/agents/%C3%A9"),
        ("GET", "/transfers/a%2Fb"),
        ("POST", "/agents/a%2Fb/messages"),
        ("GET", "/hosts/a%2Fb/health"),
    ],
)
async def test_ids_are_names(method, path):
    async with serve() as served:
        answer = await raw(served, method, path, signed(served, method, path))
    assert (answer.status, error_code(answer)) == (400, "invalid_name")


async def test_a_key_of_64_characters_is_taken_and_one_of_65_is_not():
    async with serve() as served:
        statuses = []
        for length in (64, 65):
            headers = signed(served, "POST", "/agents/a1/activate") | {
                "Idempotency-Key": "k" * length
            }
            statuses.append((await raw(served, "POST", "/agents/a1/activate", headers)).status)
    assert statuses == [200, 400]


async def test_a_body_nested_too_deep_is_a_bad_request():
    body = b'{"class":"m:C","state":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    async with serve() as served:
        answer = await raw(served, "POST", "/agents", signed(served, "POST", "/agents", body), body)
    assert answer.status == 400


async def test_calls_that_wait_never_take_the_slots_of_mesh_and_transfers():
    async with serve(limits=SMALL) as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        host = client(session, served)
        waiting = [asyncio.create_task(host.send("a1", MESSAGE)) for _ in range(2)]
        async with asyncio.timeout(5):
            while len(served.runtime.calls) < 2:
                served.runtime.entered.clear()
                await served.runtime.entered.wait()
        with pytest.raises(UnavailableError) as caught:
            await host.health()
        await transfer_client(session, served).outcome("t1", timeout=5.0)
        await host.endpoint.raw("POST", "/mesh/gossip", b"hi")
        served.runtime.hold.set()
        await asyncio.gather(*waiting)
        assert (await host.health()).name == "alpha"
    assert caught.value.detail["retry_after"] == 1.0


async def test_envelopes_arriving_at_once_are_bounded_and_settlements_go_on():
    async with serve(limits=SMALL) as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        header, body = envelope("t1")
        transfers = transfer_client(session, served)
        first = asyncio.create_task(transfers.offer("t1", header, [body], timeout=5.0))
        await served.runtime.entered.wait()
        with pytest.raises(UnavailableError):
            await transfers.offer("t1", header, [body], timeout=1.0)
        await transfers.settled("t1", timeout=5.0)
        served.runtime.hold.set()
        assert (await first).outcome == "accepted"


async def test_many_offers_at_once_wait_for_their_slot_and_all_arrive():
    limits = replace(SMALL, keepalive=15.0, linger=2.0, connections=64)
    async with serve(limits=limits) as served, served.session() as session:
        transfers = transfer_client(session, served)
        offers = [envelope(f"t{n}") for n in range(12)]
        outcomes = await asyncio.gather(
            *(
                transfers.offer(f"t{n}", header, [body], timeout=10.0)
                for n, (header, body) in enumerate(offers)
            )
        )
    assert {outcome.outcome for outcome in outcomes} == {"accepted"}


async def test_calls_beyond_the_connections_to_a_host_wait_for_one():
    one = ConnectionLimits(per_host=1, timeout=0.05)
    async with serve() as served, served.session(connections=one) as session:
        served.runtime.hold = asyncio.Event()
        host = client(session, served)
        first = asyncio.create_task(host.send("a1", MESSAGE))
        await served.runtime.entered.wait()
        second = asyncio.create_task(host.health())
        with pytest.raises(HostUnreachableError) as caught:
            await host.health(timeout=0.1)
        served.runtime.hold.set()
        await first
        assert (await second).name == "alpha"
    assert caught.value.detail["connected"] is False


async def test_all_bodies_together_are_bounded():
    async with serve(limits=SMALL) as served:
        slots = served.gate._pools.bodies
        slots.used = slots.limit - 100
        body = b'{"kind":"x"}'.ljust(101)
        path = "/agents/a1/messages"
        answer = await raw(served, "POST", path, signed(served, "POST", path, body), body)
        slots.used = 0
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_strangers_cannot_keep_a_peer_out():
    async with serve(limits=HttpLimits(connections=512)) as served, served.session() as session:
        await client(session, served).health()
        served.gate.server._limit = 8
        strangers = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
        assert (await client(session, served).health()).name == "alpha"
        assert len(served.gate.server) <= 8
        async with asyncio.timeout(5):
            closed = [await reader.read() for reader, _ in strangers[:12]]
        for _, writer in strangers:
            writer.close()
    assert closed == [b""] * 12


async def test_where_all_connections_are_busy_a_new_one_is_closed():
    async with serve() as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        waiting = asyncio.create_task(client(session, served).send("a1", MESSAGE))
        await served.runtime.entered.wait()
        served.gate.server._limit = 1
        with pytest.raises((ConnectionError, AssertionError)):
            assert await exchange(served, b"GET /livez HTTP/1.1\r\n\r\n") != b""
        assert served.gate.server.refused == 1
        served.runtime.hold.set()
        assert isinstance(await waiting, bodies.ReplyBody)


def test_what_a_request_holds_is_given_back_at_once():
    slots, held = Slots("things", 2), Held()
    held.take(slots)
    with pytest.raises(UnavailableError):
        held.take(slots, 2)
    held.give_back()
    assert slots.used == 0


@pytest.mark.parametrize("error", [InvalidRequestError("x"), RuntimeError("x")])
async def test_slots_are_given_back_whatever_happens(error, caplog):
    async with serve(limits=SMALL) as served, served.session() as session:
        served.runtime.fail = error
        for _ in range(5):
            with pytest.raises((InvalidRequestError, InternalError)):
                await client(session, served).send("a1", MESSAGE)
        assert served.gate._pools.by_pool[Pool.CALL].used == served.gate._pools.bodies.used == 0


def test_pools_that_promise_more_than_there_are_connections_are_refused():
    with pytest.raises(ValueError, match="connections"):
        Pools(HttpLimits(connections=10))


async def test_a_server_that_stops_does_not_wait_for_a_handler_that_hangs():
    async with serve() as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        waiting = asyncio.create_task(client(session, served).send("a1", MESSAGE))
        await served.runtime.entered.wait()
        async with asyncio.timeout(5):
            await served.server.stop(0.0)
        with pytest.raises(HostUnreachableError):
            await waiting
