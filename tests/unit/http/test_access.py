"""Who may ask: default-deny over every route, signatures, tokens, Host and Origin."""

import pytest

from paglets.config.keys import Keyring, new_key
from paglets.model.errors import (
    ClockSkewError,
    HostUnreachableError,
    MisdirectedError,
    UnauthorizedError,
)
from paglets.remote.signing import Target
from paglets.wire.routes import ROUTES, Pool
from tests.unit.http.fakes import client, error_code, exchange, raw, serve, signed

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OPEN = {("GET", entry.path) for entry in ROUTES if entry.pool is Pool.OPEN}
PATHS = sorted({entry.path for entry in ROUTES} | {"/hosts/beta/agents", "/", "/none", "/agents/"})
CASES = [
    (method, path.format(agent_id="a1", transfer_id="t1", name="beta", service="s"))
    for path in PATHS
    for method in METHODS
    if (method, path) not in OPEN
]


async def test_every_route_and_method_is_401_without_credentials():
    async with serve() as served:
        answers = {case: (await raw(served, *case)).status for case in CASES}
    assert {case for case, status in answers.items() if status != 401} == set()
    assert served.runtime.calls == []


@pytest.mark.parametrize("path", ["/livez", "/health", "/none"])
async def test_a_page_of_a_browser_learns_nothing_even_without_credentials(path):
    async with serve() as served:
        assert (await raw(served, "GET", path, {"Host": "evil.test"})).status == 421
        assert (await raw(served, "GET", path, {"Origin": "http://evil.test"})).status == 403


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_strangers_are_told_whether_it_lives_and_the_key_id_and_no_more(path):
    async with serve() as served:
        answer = await raw(served, "GET", path)
    expected = f'{{"ok":true,"key_id":"{served.keyring.primary.id}"}}'
    assert (answer.status, answer.body.decode()) == (200, expected)


async def test_a_host_that_is_not_ready_says_so():
    async with serve() as served:
        served.runtime.ready = False
        assert (await raw(served, "GET", "/readyz")).status == 503
        assert (await raw(served, "GET", "/livez")).status == 200


async def test_a_401_names_the_key_that_is_needed():
    async with serve() as served, served.session(Keyring((new_key(),))) as session:
        with pytest.raises(UnauthorizedError) as caught:
            await client(session, served).health()
    assert caught.value.detail["key_id"] == served.keyring.primary.id
    assert caught.value.detail["signed"] is False


async def test_a_bearer_token_of_the_key_is_enough():
    async with serve() as served:
        token = served.keyring.primary.bearer_token()
        answer = await raw(served, "GET", "/health", {"Authorization": f"Bearer {token}"})
    assert answer.status == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer wrong", "Basic YTpi", "bearer \xe9", "Paglets 1 a b"]
)
async def test_other_credentials_are_none(header):
    async with serve() as served:
        answer = await raw(served, "GET", "/health", {"Authorization": header})
    assert (answer.status, error_code(answer)) == (401, "unauthorized")


async def test_a_request_is_admitted_once():
    async with serve() as served:
        headers = signed(served, "POST", "/agents/a1/activate")
        first = await raw(served, "POST", "/agents/a1/activate", headers)
        second = await raw(served, "POST", "/agents/a1/activate", headers)
    assert (first.status, second.status) == (200, 401)
    assert b"replayed" in second.body
    assert len(served.runtime.calls) == 1


async def test_an_altered_body_is_refused():
    async with serve() as served:
        headers = signed(served, "POST", "/agents/a1/dispose", b'{"force":false}')
        answer = await raw(served, "POST", "/agents/a1/dispose", headers, b'{"force":true}')
    assert answer.status == 400
    assert served.runtime.calls == []


async def test_a_body_where_none_was_signed_is_refused():
    async with serve() as served:
        headers = signed(served, "POST", "/agents/a1/dispose")
        answer = await raw(served, "POST", "/agents/a1/dispose", headers, b'{"force":true}')
    assert (answer.status, served.runtime.calls) == (400, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/agents/a2/activate"), ("POST", "/agents/a1/dispose"), ("GET", "/health?x")],
)
async def test_a_signature_holds_for_its_method_and_path_only(method, path):
    async with serve() as served:
        headers = signed(served, "POST", "/agents/a1/activate")
        answer = await raw(served, method, path, headers)
    assert (answer.status, error_code(answer)) == (401, "unauthorized")
    assert "Paglets-Answer" not in answer.headers


@pytest.mark.parametrize("seconds", [-59, 0, 59])
async def test_within_60_seconds_of_our_clock_a_request_is_taken(seconds):
    async with serve() as served:
        time_ms = int((served.clock() + seconds) * 1000)
        answer = await raw(
            served, "GET", "/health", signed(served, "GET", "/health", time_ms=time_ms)
        )
    assert answer.status == 200


@pytest.mark.parametrize("seconds", [-61, 61])
async def test_outside_60_seconds_there_is_a_signed_401_with_our_clock(seconds):
    async with serve() as served:
        time_ms = int((served.clock() + seconds) * 1000)
        answer = await raw(
            served, "GET", "/health", signed(served, "GET", "/health", time_ms=time_ms)
        )
    assert (answer.status, error_code(answer)) == (401, "clock_skew")
    assert "Paglets-Answer" in answer.headers
    assert b"server_time" in answer.body


@pytest.mark.parametrize("seconds", [-3600, -61, 61, 3600])
async def test_a_client_with_a_wrong_clock_gets_through_at_its_second_try(seconds):
    async with serve() as served:
        served.clock.offset = seconds
        async with served.session() as session:
            assert (await client(session, served, "h1").health()).name == "alpha"
            assert (await client(session, served, "h1").health()).name == "alpha"


async def test_a_clock_that_cannot_be_learnt_is_an_error_not_a_loop():
    async with serve() as served, served.session() as session:
        served.clock.base = iter(range(0, 10**9, 10_000)).__next__
        with pytest.raises(ClockSkewError):
            await client(session, served).health()


async def test_a_first_request_from_before_our_start_may_be_a_repeat_and_is_refused():
    async with serve() as served:
        port = served.port
        target = Target(authority=f"127.0.0.1:{port}")
        time_ms = int((served.clock() - 30) * 1000)
        headers = signed(served, "GET", "/health", time_ms=time_ms, target=target)
        answer = await raw(served, "GET", "/health", headers)
    assert error_code(answer) == "clock_skew"


@pytest.mark.parametrize(
    "target", [Target("h2", 7), Target("h1", 6), Target(authority="other.test:1")]
)
async def test_what_is_addressed_to_another_host_or_start_gets_a_signed_421(target):
    async with serve() as served:
        headers = signed(served, "GET", "/health", target=target)
        answer = await raw(served, "GET", "/health", headers)
    assert (answer.status, error_code(answer)) == (421, "misdirected")
    assert "Paglets-Answer" in answer.headers


async def test_a_client_follows_a_host_to_its_next_start():
    ring = Keyring((new_key(),))
    async with serve(keyring=ring) as served, served.session() as session:
        await client(session, served, "h1").health()
        port = served.port
        await served.server.stop(0.0)
        async with serve(keyring=ring, port=port, generation=8) as again:
            assert (await client(session, again, "h1").health()).name == "alpha"


async def test_a_client_that_means_one_host_never_talks_to_another():
    async with serve() as served, served.session() as session:
        with pytest.raises(MisdirectedError) as caught:
            await client(session, served, "h9").lifecycle("a1", "dispose")
    assert caught.value.detail["host_id"] == "h1"
    assert served.runtime.calls == []


async def test_a_client_that_means_whoever_is_there_learns_who_that_is_now():
    ring = Keyring((new_key(),))
    async with serve(keyring=ring) as served, served.session() as session:
        await client(session, served).health()
        port = served.port
        await served.server.stop(0.0)
        async with serve(keyring=ring, port=port, host_id="h2") as other:
            await client(session, other).lifecycle("a1", "activate")
            assert other.runtime.calls[0][:2] == ("activate", "a1")


async def test_both_keys_are_taken_while_they_are_rotated():
    old, new = new_key(), new_key()
    async with serve(keyring=Keyring((new, old))) as served:
        for key in (old, new):
            async with served.session(Keyring((key,))) as session:
                assert (await client(session, served).health()).name == "alpha"


async def test_the_old_key_is_refused_after_its_rotation():
    old, new = new_key(), new_key()
    async with serve(keyring=Keyring((new,))) as served, served.session(Keyring((old,))) as session:
        with pytest.raises(UnauthorizedError):
            await client(session, served).health()


async def test_a_host_that_signs_with_the_new_key_falls_back_to_the_old_one():
    old, new = new_key(), new_key()
    async with (
        serve(keyring=Keyring((old,))) as served,
        served.session(Keyring((new, old))) as session,
    ):
        assert (await client(session, served).health()).name == "alpha"


async def test_an_answer_with_another_key_is_none():
    ours, theirs = new_key(), new_key()
    async with serve(keyring=Keyring((theirs,))) as served:
        served.gate._access._keyring = Keyring((ours,))
        served.gate._access.sign = lambda caller, *, status, digest: "1 x h1 7 d m"
        async with served.session(Keyring((ours,))) as session:
            with pytest.raises(HostUnreachableError) as caught:
                await client(session, served).health()
    assert caught.value.detail["connected"] is True


@pytest.mark.parametrize(
    "host",
    ["evil.test", "evil.test:8765", "alpha.evil.test", "", "127.0.0.1@evil.test", "localhost.evil"],
)
async def test_a_host_header_of_another_name_is_421(host):
    async with serve() as served:
        headers = signed(served, "GET", "/health") | {"Host": host}
        assert (await raw(served, "GET", "/health", headers)).status == 421


async def test_a_caller_with_the_key_is_told_which_name_to_allow():
    async with serve() as served:
        headers = signed(served, "GET", "/health") | {"Host": "new.test"}
        answer = await raw(served, "GET", "/health", headers)
    assert b"--allowed-host" in answer.body
    assert "Paglets-Answer" in answer.headers


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9", "10.1.2.3", "alpha", "advertised.test:5",
     "extra.test"],
)  # fmt: skip
async def test_addresses_and_our_own_names_are_taken_whatever_the_port(host):
    async with serve(identity={"allowed_hosts": ("extra.test",)}) as served:
        headers = signed(served, "GET", "/health") | {"Host": host}
        assert (await raw(served, "GET", "/health", headers)).status == 200


@pytest.mark.parametrize("method", METHODS)
async def test_an_origin_is_refused_on_every_method(method):
    async with serve() as served:
        headers = signed(served, method, "/agents/a1") | {"Origin": "http://page.test"}
        answer = await raw(served, method, "/agents/a1", headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_an_origin_that_is_configured_is_taken():
    async with serve(identity={"allowed_origins": ("http://page.test",)}) as served:
        headers = signed(served, "GET", "/health") | {"Origin": "http://page.test"}
        assert (await raw(served, "GET", "/health", headers)).status == 200


async def test_an_insecure_host_takes_everybody_but_still_checks_host_and_target():
    async with serve(insecure=True) as served, served.session(None) as session:
        assert (await raw(served, "GET", "/health")).status == 200
        assert (await raw(served, "GET", "/health", {"Host": "evil.test"})).status == 421
        assert (await client(session, served).health()).name == "alpha"
        with pytest.raises(MisdirectedError):
            await client(session, served, "h9").health()


async def test_a_client_without_a_key_cannot_talk_to_a_host_with_one():
    async with serve() as served, served.session(None) as session:
        with pytest.raises(UnauthorizedError):
            await client(session, served).health()


async def test_bytes_that_are_no_text_in_a_header_are_wrong_credentials_not_a_defect():
    async with serve() as served:
        port = str(served.port).encode()
        head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:" + port + b"\r\nConnection: close\r\n"
        answers = [
            await exchange(served, head + b"Authorization: " + value + b"\r\n\r\n")
            for value in (b"Bearer \xff\xfe", b"Paglets 1 \xff 1 n d h:1 s \xff")
        ]
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 401"] * 2
