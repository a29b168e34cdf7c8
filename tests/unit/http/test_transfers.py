"""Offers on the wire: streamed, verified, idempotent; and what tells a refusal from silence."""

import asyncio
import hashlib

import msgspec
import pytest

from paglets.failpoints import arm, disarm
from paglets.model.enums import EnvelopeKind
from paglets.model.errors import (
    HostUnreachableError,
    InvalidRequestError,
    MisdirectedError,
    TransferNotFoundError,
)
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.remote.signing import EMPTY_DIGEST, body_digest
from paglets.wire import bodies
from paglets.wire.envelope import EnvelopeFile, EnvelopeHeader, encode_header
from tests.unit.http.fakes import client, raw, serve, signed, transfer_client, transfer_info

MANIFEST = ClassManifest(class_name="m:C", state_class=None, code_version="v")
ALPHA = PeerAddress("h1", "alpha", "http://127.0.0.1:1")


def make_header(transfer_id="t1", state=b"state", files=()):
    return EnvelopeHeader(
        kind=EnvelopeKind.DISPATCH, transfer_id=transfer_id, agent_id="a1", birth_id="b1",
        epoch=Epoch(0, 1), manifest=MANIFEST, source=ALPHA, target=ALPHA,
        ticket=TransferTicket(destination="alpha"), state_bytes=len(state),
        state_sha256=hashlib.sha256(state).hexdigest(), files=tuple(files),
    )  # fmt: skip


def envelope(transfer_id="t1", state=b"state"):
    return encode_header(make_header(transfer_id, state)), state


async def test_an_envelope_arrives_as_it_was_sent(tmp_path):
    state, file = b"s" * 300_000, tmp_path / "file"
    file.write_bytes(b"f" * 700_000)
    header = make_header(state=state, files=[EnvelopeFile(name="f", size=700_000, sha256="x")])
    async with serve() as served, served.session() as session:
        outcome = await transfer_client(session, served).offer(
            "t1", encode_header(header), [state, file], timeout=10.0
        )
    assert outcome.outcome == "accepted"
    assert served.runtime.received == state + file.read_bytes()


async def test_the_signature_of_an_offer_covers_its_header():
    header, state = envelope()
    path = "/transfers/t1"
    async with serve() as served:
        good = signed(served, "PUT", path, digest=body_digest(header))
        bad = signed(served, "PUT", path, digest=EMPTY_DIGEST)
        answers = [
            await raw(served, "PUT", path, headers, header + state) for headers in (bad, good)
        ]
    assert [answer.status for answer in answers] == [400, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PGLT",
        b"NOPE\0\0\0\1x",
        b"PGLT\xff\xff\xff\xff",
        b"PGLT\0\0\0\x05abcde",
        envelope()[0],
        envelope()[0] + b"stat",
        envelope()[0] + b"state more",
        b"".join(envelope("t2")),
    ],
)
async def test_what_is_no_envelope_of_this_transfer_never_reaches_the_runtime(body):
    path = "/transfers/t1"
    async with serve() as served:
        length = int.from_bytes(body[4:8], "big") if len(body) >= 8 else 0
        header = body[: 8 + length]
        headers = signed(served, "PUT", path, digest=body_digest(header))
        answer = await raw(served, "PUT", path, headers, body)
    assert answer.status == 400
    assert served.runtime.calls == []


async def test_an_offer_to_a_refused_port_never_got_a_connection():
    async with serve() as served, served.session() as session:
        await served.server.stop(0.0)
        with pytest.raises(HostUnreachableError) as caught:
            await transfer_client(session, served).offer("t1", *split(envelope()), timeout=5.0)
    assert caught.value.detail["connected"] is False


async def test_an_offer_that_is_not_answered_in_time_had_a_connection():
    async with serve() as served, served.session() as session:
        served.runtime.hold = asyncio.Event()
        with pytest.raises(HostUnreachableError) as caught:
            await transfer_client(session, served).offer("t1", *split(envelope()), timeout=0.2)
        served.runtime.hold.set()
    assert caught.value.detail["connected"] is True


async def test_a_connection_cut_half_way_counts_as_connected():
    async def cut(reader, writer):
        await reader.read(10)
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serve() as served, served.session() as session:
        served.url = f"http://127.0.0.1:{port}"
        with pytest.raises(HostUnreachableError) as caught:
            await transfer_client(session, served).offer("t1", *split(envelope()), timeout=5.0)
    server.close()
    assert caught.value.detail["connected"] is True


async def test_an_offer_to_another_host_id_settles_nothing():
    async with serve() as served, served.session() as session:
        with pytest.raises(MisdirectedError):
            await transfer_client(session, served, "h9").offer(
                "t1", *split(envelope()), timeout=5.0
            )
    assert served.runtime.calls == []


async def test_an_outcome_that_is_known_already_is_answered_before_the_body_has_come():
    state = b"s" * 30_000_000

    async def at_once(transfer_id, header, encoded_header, chunks):
        return bodies.OutcomeBody(transfer_id=transfer_id, host_id="h1", outcome="refused")

    async with serve() as served, served.session() as session:
        served.runtime.offer = at_once
        header, _ = envelope("t1", state)
        outcome = await transfer_client(session, served).offer("t1", header, [state], timeout=10.0)
    assert outcome.outcome == "refused"


async def test_an_offer_can_be_sent_again_after_the_host_was_started_anew():
    async with serve() as served, served.session() as session:
        session._known(served.url).host_id = "h1"
        session._known(served.url).generation = 3
        outcome = await transfer_client(session, served, "h1").offer(
            "t1", *split(envelope()), timeout=5.0
        )
    assert outcome.outcome == "accepted"
    assert served.runtime.received == b"state"


async def test_a_part_that_is_gone_is_found_before_anything_is_sent(tmp_path):
    async with serve() as served, served.session() as session:
        with pytest.raises(FileNotFoundError):
            await transfer_client(session, served).offer(
                "t1", envelope()[0], [tmp_path / "gone"], timeout=5.0
            )
    assert served.runtime.calls == []


async def test_the_failpoints_of_an_offer_are_hit_in_order(tmp_path):
    log = tmp_path / "log"
    arm("", log=log)
    try:
        async with serve() as served, served.session() as session:
            await transfer_client(session, served).offer("t1", *split(envelope()), timeout=5.0)
    finally:
        disarm()
    hits = [line.split()[0] for line in log.read_text().splitlines()]
    assert hits == ["offer.before_send", "offer.half_sent", "offer.after_send"]


async def test_an_error_of_the_target_is_the_same_class_here():
    async with serve() as served, served.session() as session:
        served.runtime.fail = TransferNotFoundError("no transfer t1", transfer_id="t1")
        with pytest.raises(TransferNotFoundError) as caught:
            await transfer_client(session, served).outcome("t1", timeout=5.0)
    assert caught.value.detail["transfer_id"] == "t1"


async def test_check_fence_and_settled_reach_the_runtime():
    async with serve() as served, served.session() as session:
        transfers = transfer_client(session, served)
        body = bodies.CheckBody(
            class_name="m:C", state_class=None, state_bytes=1, source=ALPHA, code_version="v",
            ticket=TransferTicket(destination="alpha"),
        )  # fmt: skip
        claim = bodies.Claim(agent_id="a1", birth_id="b1", epoch=Epoch(1, 2), owner=ALPHA)
        assert (await transfers.check(body, timeout=5.0)).host_id == "h1"
        answer = await transfers.fence(bodies.FenceBody(claims=(claim,)), timeout=5.0)
        await transfers.settled("t1", timeout=5.0)
    assert answer.superseded == (claim,)
    assert [call[0] for call in served.runtime.calls] == ["check", "fence", "settled"]


async def test_transfers_are_listed_in_pages_and_resolved():
    async with serve() as served, served.session() as session:
        served.transfers.infos = [transfer_info(f"t{n}") for n in range(5)]
        host = client(session, served)
        first = await host.transfers({"limit": "3"})
        rest = await host.transfers({"limit": "3", "after": first.next})
        await host.resolve("t1", "drop")
        with pytest.raises(InvalidRequestError, match="resume or drop"):
            await host.resolve("t1", "explode")
    assert [len(first.transfers), len(rest.transfers), rest.next] == [3, 2, None]


def split(parts):
    return parts[0], [parts[1]]


def test_a_header_is_what_the_signature_names():
    other = msgspec.structs.replace(make_header(), state_sha256="0" * 64)
    assert body_digest(encode_header(make_header())) != body_digest(encode_header(other))
