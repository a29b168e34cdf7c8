"""What a client takes for an answer, and what it never does on the way."""

import asyncio
import socket
import ssl
import subprocess

import pytest
from aiohttp import web

from paglets.config.keys import Keyring, new_key
from paglets.host.http.server import TlsFiles
from paglets.model.errors import (
    HostUnreachableError,
    InvalidRequestError,
    TooLargeError,
    UnauthorizedError,
)
from paglets.model.refs import HostRef
from paglets.model.transfer import PeerAddress
from paglets.remote.client import HostClient
from paglets.remote.endpoint import Endpoint, limited
from paglets.remote.mesh_transport import HttpMeshTransport
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.remote.signing import body_digest
from paglets.remote.sockets import ConnectionLimits
from paglets.remote.sse import encode_events
from paglets.remote.urls import UrlPolicy
from paglets.wire import bodies, hostbodies
from tests.unit.http.fakes import client, serve
from tests.unit.http.test_transfers import envelope, split

KEYRING = Keyring((new_key(),))
HEALTH = b'{"name":"evil"}'


@pytest.fixture
async def impostor():
    """A server that answers what the test wants, without knowing the key."""
    answers = {}

    async def handle(request):
        answers["request"] = request
        return answers["answer"]()

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    answers["url"] = f"http://127.0.0.1:{site.port}"
    yield answers
    await runner.cleanup()


def answering(**options):
    return lambda: web.Response(**options)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Paglets-Answer": ""},
        {"Paglets-Answer": f"1 {KEYRING.primary.id} h1 7 {body_digest(HEALTH)} {'0' * 22}"},
        {"Paglets-Answer": f"1 {body_digest(HEALTH)} {'0' * 22}"},
        {"Paglets-Answer": f"1 {body_digest(HEALTH)} -"},
        {"Paglets-Answer": f"1 - h1 7 {body_digest(HEALTH)} -"},
        {"Paglets-Answer": f"1 {KEYRING.primary.id} h1 7 stream {'0' * 22}"},
    ],
)
@pytest.mark.parametrize("status", [200, 404, 409, 421, 500])
async def test_an_answer_without_the_hmac_of_our_key_is_no_answer(impostor, headers, status):
    impostor["answer"] = answering(status=status, body=HEALTH, headers=headers)
    async with PeerSession(KEYRING, sender="t") as session:
        with pytest.raises(HostUnreachableError) as caught:
            await HostClient.at(session, impostor["url"]).health()
    assert caught.value.detail["connected"] is True


async def test_an_answer_to_another_request_is_no_answer(impostor):
    recorded = {}

    async def keep(served):
        async with served.session() as session:
            call = Endpoint(session, served.url).call("health", timeout=5.0)
            async with session.open(call) as opened:
                recorded["headers"] = {"Paglets-Answer": opened.headers["Paglets-Answer"]}
                recorded["body"] = await opened.content.read()

    async with serve(keyring=KEYRING) as served:
        await keep(served)
    impostor["answer"] = answering(**recorded)
    async with PeerSession(KEYRING, sender="t") as session:
        with pytest.raises(HostUnreachableError):
            await HostClient.at(session, impostor["url"]).health()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(impostor, status):
    async with serve(keyring=KEYRING) as served:
        impostor["answer"] = answering(status=status, headers={"Location": f"{served.url}/health"})
        async with PeerSession(KEYRING, sender="t") as session:
            with pytest.raises(HostUnreachableError):
                await HostClient.at(session, impostor["url"]).health()


async def test_an_unsigned_401_never_counts_as_a_word_of_the_host(impostor):
    impostor["answer"] = answering(
        status=401, body=b'{"error":{"code":"clock_skew","message":"m"}}'
    )
    async with PeerSession(KEYRING, sender="t") as session:
        with pytest.raises(UnauthorizedError) as caught:
            await HostClient.at(session, impostor["url"]).health()
    assert caught.value.detail["signed"] is False


async def test_proxies_of_the_environment_are_not_used(monkeypatch, impostor):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, impostor["url"])
    async with serve() as served, served.session() as session:
        await client(session, served).health()
    assert "request" not in impostor


async def test_the_key_never_travels(impostor):
    impostor["answer"] = answering(status=200)
    async with PeerSession(KEYRING, sender="t") as session:
        with pytest.raises(HostUnreachableError):
            await HostClient.at(session, impostor["url"]).health()
    sent = repr(impostor["request"].raw_headers)
    key = KEYRING.primary
    for secret in (key.secret.hex(), key.text().rpartition(":")[2], key.bearer_token()):
        assert secret not in sent


async def test_a_refused_connection_was_none():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with PeerSession(KEYRING, sender="t") as session:
            with pytest.raises(HostUnreachableError) as caught:
                await HostClient.at(session, url).health()
    assert caught.value.detail["connected"] is False


async def test_a_name_that_is_refused_when_resolved_was_no_connection():
    async with PeerSession(KEYRING, sender="t", policy=UrlPolicy(allow_loopback=False)) as session:
        with pytest.raises(HostUnreachableError, match="loopback") as caught:
            await HostClient.at(session, "http://localhost:1").health()
    assert caught.value.detail["connected"] is False


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1"])
async def test_a_host_that_is_not_on_loopback_calls_nobody_there(url):
    policy = UrlPolicy(allow_loopback=False)
    async with PeerSession(KEYRING, sender="t", policy=policy) as session:
        with pytest.raises(InvalidRequestError, match="loopback"):
            await HostClient.at(session, url).health()
        with pytest.raises(InvalidRequestError, match="loopback"):
            await session.key_id(url)


async def test_a_host_that_is_silent_is_given_up_in_time(impostor):
    async with serve() as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        body = bodies.CreateBody(class_name="m:C")
        with pytest.raises(HostUnreachableError) as caught:
            await client(session, served).create(body, timeout=0.1)
        served.runtime.hold.set()
    assert caught.value.detail["connected"] is True


@pytest.fixture
def closed_port():
    """A port of which it is known that nobody listens there."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def test_a_host_that_refuses_connections_is_named_and_nothing_was_sent(closed_port):
    async with serve() as served, served.session() as session:
        url = f"http://127.0.0.1:{closed_port}"
        served.hosts.add(HostRef("beta", url, host_id="h2"))
        calls = HttpPeerCalls(served.hosts, calls=session, control=session)
        body = bodies.CreateBody(class_name="m:C")
        direct = calls.create(PeerAddress("h2", "beta", url), body, key="k", timeout=30.0)
        forwarded = client(session, served).on_host("beta").create(body)
        for creating in (direct, forwarded):
            with pytest.raises(HostUnreachableError) as caught:
                await creating
            assert caught.value.message == f"no answer from beta ({url}): connection refused"
            assert (caught.value.detail["host"], caught.value.detail["connected"]) == (
                "beta",
                False,
            )


async def test_a_host_that_takes_no_connection_is_given_up_long_before_the_call_is():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        # One connection fills the queue of a server that takes none; the next gets no answer.
        with socket.create_connection(address):
            limits = ConnectionLimits(timeout=0.05)
            async with PeerSession(KEYRING, sender="t", connections=limits) as session:
                host = HostClient.at(session, f"http://127.0.0.1:{address[1]}")
                with pytest.raises(HostUnreachableError, match="take a connection") as caught:
                    await host.health(timeout=3600.0)
    assert caught.value.detail["connected"] is False


async def test_connections_end_when_the_other_kernel_is_silent_unless_bodies_may_pause():
    async with serve() as served:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", served.port))
        for silence, is_watched in ((6.0, True), (None, False)):
            limits = ConnectionLimits(silence=silence)
            with limits.make_socket(address) as made:
                assert bool(made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is is_watched
                if hasattr(socket, "TCP_USER_TIMEOUT"):
                    told = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                    assert told == (6000 if is_watched else 0)
            async with served.session(connections=limits) as session:
                assert (await client(session, served).health()).name == "alpha"


async def test_an_answer_over_its_limit_is_not_read():
    async with serve() as served, served.session() as session:
        endpoint = Endpoint(session, served.url)
        with pytest.raises(TooLargeError):
            await endpoint.send(limited(endpoint.call("health", timeout=5.0), 10))


async def test_a_host_tells_everybody_which_key_it_uses():
    async with serve() as served, served.session(None) as session:
        assert await session.key_id(served.url) == served.keyring.primary.id
    async with serve(insecure=True) as served, served.session(None) as session:
        assert await session.key_id(served.url) is None


async def test_what_is_no_host_has_no_key(impostor):
    impostor["answer"] = answering(body=b"<html>")
    async with PeerSession(None, sender="t") as session:
        with pytest.raises(HostUnreachableError):
            await session.key_id(impostor["url"])


async def test_connections_are_kept_and_used_again():
    async with serve() as served, served.session() as session:
        for _ in range(5):
            await client(session, served).health()
        assert len(served.gate.server) == 1


async def test_peers_are_found_by_id_wherever_they_are_now():
    async with serve() as served, served.session() as session:
        calls = HttpPeerCalls(served.hosts, calls=session, control=session)
        moved = PeerAddress("h1", "alpha", "http://127.0.0.1:9")
        assert (await calls.outcome(moved, "t1", timeout=5.0)).outcome == "accepted"
        assert (await calls.offer(moved, "t1", *split(envelope()), timeout=5.0)).host_id == "h1"
        assert await calls.locate(moved, "a1", timeout=5.0) is None


async def test_a_peer_known_by_name_or_url_only_is_asked_who_it_is():
    async with serve() as served, served.session() as session:
        calls = HttpPeerCalls(served.hosts, calls=session, control=session)
        for peer in (PeerAddress("", "alpha", ""), PeerAddress("", "", served.url)):
            await calls.settled(peer, "t1", timeout=5.0)
        with pytest.raises(HostUnreachableError) as caught:
            await calls.settled(PeerAddress("", "gamma", ""), "t1", timeout=5.0)
    assert caught.value.detail["connected"] is False


async def test_the_mesh_transport_takes_whoever_answers():
    async with serve() as served, served.session(sender="h2") as session:
        transport = HttpMeshTransport(session)
        assert await transport.request(served.url, "/mesh/join", b"x", 5.0) == b"answer to x"
        with pytest.raises(InvalidRequestError):
            await transport.request("http://169.254.169.254", "/mesh/join", b"x", 5.0)


async def test_clients_of_all_hosts_can_be_made():
    async with serve() as served, served.session() as session:
        calls = HttpPeerCalls(served.hosts, calls=session, control=session)
        ref = HostRef("alpha", served.url, host_id="h1")
        assert (await calls.client(ref).health()).name == "alpha"


def test_event_kinds_cannot_break_out_of_their_line():
    event = hostbodies.EventBody(sequence=1, time=0.0, kind="a\ndata: x\r\n", host_name="alpha")
    assert (
        encode_events(hostbodies.EventList(events=(event,))).split(b"\n")[1]
        == b"event: a data: x  "
    )


@pytest.fixture
def certificate(tmp_path):
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "1", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", files.key, "-out", files.certificate],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs the openssl program")
    return files


async def test_tls_is_verified_against_the_authority_that_is_given(certificate):
    async with serve(tls=certificate) as served:
        url = served.url.replace("http:", "https:")
        trusting = ssl.create_default_context(cafile=str(certificate.certificate))
        async with PeerSession(served.keyring, sender="t", ssl_context=trusting) as session:
            assert (await HostClient.at(session, url).health()).name == "alpha"
        async with PeerSession(served.keyring, sender="t") as session:
            with pytest.raises(HostUnreachableError) as caught:
                await HostClient.at(session, url).health()
    assert caught.value.detail["connected"] is False


async def test_mutual_tls_needs_a_certificate_of_the_client(certificate):
    mutual = TlsFiles(certificate.certificate, certificate.key, certificate.certificate)
    async with serve(tls=mutual) as served:
        url = served.url.replace("http:", "https:")
        with_one = ssl.create_default_context(cafile=str(certificate.certificate))
        with_one.load_cert_chain(certificate.certificate, certificate.key)
        async with PeerSession(served.keyring, sender="t", ssl_context=with_one) as session:
            assert (await HostClient.at(session, url).health()).name == "alpha"
        without = ssl.create_default_context(cafile=str(certificate.certificate))
        async with PeerSession(served.keyring, sender="t", ssl_context=without) as session:
            with pytest.raises(HostUnreachableError):
                await HostClient.at(session, url).health()
