"""Messages: passed undecoded, dropped with their caller, tried again when a mailbox is full."""

import asyncio

import msgspec
import pytest

from paglets.model.errors import (
    DeadlineError,
    HandlerError,
    InternalError,
    MailboxFullError,
    MessageExpiredError,
)
from paglets.wire.bodies import ReplyBody
from paglets.wire.messages import WireMessage, encode_message
from tests.unit.http.fakes import client, error_code, exchange, raw, serve, signed

PATH = "/agents/a1/messages"


def message(args=b'{"n":1}', **fields):
    return encode_message(WireMessage(kind="x", args=msgspec.Raw(args), **fields))


async def test_a_reply_comes_back_as_the_very_bytes_the_paglet_gave():
    odd = b'{"n": 1.0e0, "s":"\\u00e9", "z":[ ]}'
    async with serve() as served, served.session() as session:
        reply = await client(session, served).send("a1", message(odd))
    assert bytes(memoryview(reply.reply)) == odd


async def test_a_caller_that_goes_away_is_told_to_the_runtime():
    async with serve() as served:
        served.runtime.hold = asyncio.Event()
        body = message()
        headers = signed(served, "POST", PATH, body)
        _reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Authorization: {headers['Authorization']}\r\n\r\n".encode() + body)
        await served.runtime.entered.wait()
        gone = served.runtime.caller_gone
        assert not gone.done()
        writer.close()
        async with asyncio.timeout(5):
            await gone
        served.runtime.hold.set()


async def test_a_create_goes_on_when_its_caller_goes_away():
    async with serve() as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        done = asyncio.Event()
        held = served.runtime.wait_if_held

        async def finish():
            await held()
            done.set()

        served.runtime.wait_if_held = finish
        call = asyncio.create_task(
            client(session, served).endpoint.raw("POST", "/agents", b'{"class":"m:C"}')
        )
        await served.runtime.entered.wait()
        call.cancel()
        await asyncio.wait([call])
        served.runtime.hold.set()
        async with asyncio.timeout(5):
            await done.wait()


async def test_a_full_mailbox_is_tried_again_after_its_retry_after():
    async with serve() as served, served.session() as session:
        attempts = []

        async def deliver(agent_id, body, *, caller_gone=None):
            attempts.append(msgspec.json.decode(body, type=WireMessage).budget_ms)
            if len(attempts) < 3:
                raise MailboxFullError("full", retry_after=0.01)
            return ReplyBody()

        served.runtime.deliver = deliver
        await client(session, served).send("a1", message(budget_ms=5000), timeout=5.0)
    assert len(attempts) == 3
    assert attempts[2] < 5000


async def test_a_full_mailbox_is_not_waited_for_beyond_the_budget():
    async with serve() as served, served.session() as session:
        served.runtime.fail = MailboxFullError("full", retry_after=60.0)
        with pytest.raises(MailboxFullError):
            await client(session, served).send("a1", message(), timeout=1.0)
    assert len(served.runtime.calls) == 1


async def test_a_full_mailbox_is_a_429_with_retry_after():
    async with serve() as served:
        served.runtime.fail = MailboxFullError("full", retry_after=2.4)
        body = message()
        answer = await raw(served, "POST", PATH, signed(served, "POST", PATH, body), body)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")


@pytest.mark.parametrize(
    "error", [MessageExpiredError("too late"), DeadlineError("over"), TimeoutError("odd")]
)
async def test_a_deadline_of_the_paglet_is_not_taken_for_a_silent_host(error):
    async with serve() as served, served.session() as session:
        served.runtime.fail = error
        expected = type(error) if isinstance(error, DeadlineError) else InternalError
        with pytest.raises(expected):
            await client(session, served).send("a1", message())


async def test_what_a_handler_raised_reaches_the_sender():
    async with serve() as served, served.session() as session:
        served.runtime.fail = HandlerError("raised", exception_type="KeyError", traceback_text="t")
        with pytest.raises(HandlerError) as caught:
            await client(session, served).send("a1", message())
    assert caught.value.exception_type == "KeyError"


async def test_a_defect_is_an_incident_whose_traceback_is_in_the_log_only(caplog):
    async with serve() as served, served.session() as session:
        served.runtime.fail = RuntimeError("secret detail")
        with pytest.raises(InternalError) as caught:
            await client(session, served).send("a1", message())
    assert "secret detail" not in str(caught.value)
    assert caught.value.incident in caplog.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/agents", b"{", "bad_request"),
        ("/agents", b'{"klass":"m:C"}', "bad_request"),
        ("/agents", b'{"class":1}', "bad_request"),
        ("/agents", b"\xff", "bad_request"),
        ("/agents/a1/dispatch", b"{}", "bad_request"),
        ("/agents/a1/dispatch", b'{"target":"b","reason":"fun"}', "bad_request"),
        ("/agents/a1/dispatch", b'{"target":"b","agent_id":"c"}', "bad_request"),
        ("/agents/a1/dispatch", b'{"target":"b","ticket":{"destination":"b"}}', "bad_request"),
        ("/agents/a1/dispatch", b'{"ticket":{"destination":"b","timeout":-1}}', "bad_request"),
        ("/agents/a1/clone", b'{"agent_id":"../x"}', "invalid_name"),
        ("/agents/a1/deactivate", b'{"policy":{"activate_at":1e300}}', "bad_request"),
        ("/agents/a1/deactivate", b'{"policy":{"activate_at":"soon"}}', "bad_request"),
        ("/agents/a1/activate", b"[]", "bad_request"),
        ("/agents/a1/activate", b'{"now":true}', "bad_request"),
        ("/transfers/t1/resolve", b'{"action":"x"}', "bad_request"),
    ],
)
async def test_bad_bodies_are_400_and_say_why(path, body, code):
    async with serve() as served:
        answer = await raw(served, "POST", path, signed(served, "POST", path, body), body)
    assert (answer.status, error_code(answer)) == (400, code)
    assert served.runtime.calls == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=%C2%B2", "status=odd", "scope=galaxy", "colour=red",
     "limit=1&limit=2"],
)  # fmt: skip
async def test_bad_queries_are_400(query):
    async with serve() as served:
        path = f"/agents?{query}"
        answer = await raw(served, "GET", path, signed(served, "GET", path))
    assert (answer.status, error_code(answer)) == (400, "bad_request")


async def test_verbs_reach_the_runtime_with_their_key():
    async with serve() as served, served.session() as session:
        host = client(session, served)
        await host.lifecycle("a1", "dispatch", b'{"target":"beta"}', key="k1")
        await host.lifecycle("a1", "clone", b"{}", key="k2")
        await host.lifecycle("a1", "retract", b"{}", key="k3")
        await host.lifecycle("a1", "deactivate", b'{"policy":{"activate_at":5}}', key="k4")
        await host.lifecycle("a1", "activate", key="k5")
        assert await host.lifecycle("a1", "dispose", b'{"force":true}', key="k6") is None
    calls = served.runtime.calls
    assert [call[0] for call in calls] == [
        "dispatch", "clone", "retract", "deactivate", "activate", "dispose",
    ]  # fmt: skip
    assert [call[-1] for call in calls] == ["k1", "k2", "k3", "k4", "k5", "k6"]


async def test_a_client_makes_up_a_key_where_none_is_given():
    async with serve() as served, served.session() as session:
        await client(session, served).lifecycle("a1", "activate")
    assert len(served.runtime.calls[0][-1]) == 32


async def test_unknown_paths_are_404_and_wrong_methods_405_once_the_caller_is_known():
    async with serve() as served:
        token = {"Authorization": f"Bearer {served.keyring.primary.bearer_token()}"}
        unknown = await raw(served, "GET", "/agents/a1/secrets", token)
        wrong = await raw(served, "DELETE", "/agents/a1", token)
    assert (unknown.status, error_code(unknown)) == (404, "not_found")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")


async def test_expect_100_continue_is_answered_once_the_body_is_wanted():
    async with serve() as served:
        body = b"{}"
        path = "/agents/a1/activate"
        headers = signed(served, "POST", path, body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n"
            "Expect: 100-continue\r\n"
        )
        refused = await exchange(served, f"{head}\r\n".encode() + body)
        taken = await exchange(
            served, f"{head}Authorization: {headers['Authorization']}\r\n\r\n".encode() + body
        )
    assert refused.startswith(b"HTTP/1.1 401")
    assert taken.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
