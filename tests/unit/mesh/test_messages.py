import msgspec
import pytest

from paglets.mesh.marks import MARK_LIMIT, mark_of
from paglets.mesh.messages import (
    PROTOCOL,
    Ack,
    Alive,
    Dead,
    Frame,
    Gossip,
    Identity,
    Join,
    Left,
    Ping,
    PingRequest,
    PushPull,
    Record,
    Row,
    Suspect,
    check_url,
    decode_frame,
    encode_frame,
)
from paglets.model.enums import MemberStatus
from paglets.model.errors import InvalidRequestError

ME = Identity("a" * 32, "alpha", "http://alpha:8765", 1_700_000_000_000, tags=("gpu",))


def frame(body, rumours=(), protocol=PROTOCOL):
    return Frame(protocol, "a" * 32, 1_700_000_000_000, MARK_LIMIT, MARK_LIMIT, body, rumours)


RUMOURS = (
    Alive("b", 2, 3, ME),
    Alive("b", 2, 3),
    Suspect("b", 2, 3, "c"),
    Dead("b", 2, 3, "c"),
    Left("b", 2, 3),
    Record("b", 2, "service", "key with spaces", 7, b"\0\1"),
    Record("b", 2, "service", "k", 8, None, True),
)


@pytest.mark.parametrize(
    "body",
    [
        Ping(),
        PingRequest("b", "http://b:8765", 500),
        PushPull((Row("b", 1, 2, MemberStatus.DEAD, 3),)),
        Join(ME),
    ],
)
def test_a_frame_is_the_same_after_the_wire(body):
    sent = frame(body, RUMOURS)
    assert decode_frame(encode_frame(sent)) == sent


def test_a_ping_and_its_answer_are_small():
    assert len(encode_frame(frame(Ping()))) + len(encode_frame(frame(Ack()))) <= 140


@pytest.mark.parametrize("data", [b"", b"\xc1", b"{}", b"\x90", b"\x93\x01\x02\x03"])
def test_bytes_that_are_no_frame_are_refused(data):
    with pytest.raises(InvalidRequestError):
        decode_frame(data)


@pytest.mark.parametrize(
    "bad",
    [
        Dead("../etc", 1, 0, "c"),
        Dead("b\n", 1, 0, "c"),
        Dead("b", -1, 0, "c"),
        Record("b", 1, "k", "k", 1, b"x" * 4097),
        Record("b", 1, "k", "k" * 257, 1, b""),
    ],
)
def test_a_frame_with_values_beyond_their_bounds_is_refused(bad):
    with pytest.raises(InvalidRequestError):
        decode_frame(encode_frame(frame(Gossip(), (bad,))))


def test_a_payload_at_the_limit_is_taken():
    full = Record("b", 1, "k", "k" * 256, 1, b"x" * 4096)
    assert decode_frame(encode_frame(frame(Gossip(), (full,)))).rumours == (full,)


def test_a_protocol_one_version_away_is_understood_and_two_is_not():
    assert decode_frame(encode_frame(frame(Ping(), protocol=PROTOCOL + 1)))
    with pytest.raises(InvalidRequestError, match="protocol"):
        decode_frame(encode_frame(frame(Ping(), protocol=PROTOCOL + 2)))


def test_fields_added_by_a_later_version_are_ignored():
    raw = msgspec.msgpack.decode(encode_frame(frame(Ping())))
    assert decode_frame(msgspec.msgpack.encode([*raw, "something new"])) == frame(Ping())


@pytest.mark.parametrize(
    "url",
    [
        "http://alpha:8765",
        "https://alpha.example.org",
        "http://10.0.0.7:80/",
        "http://[2001:db8::1]:8765",
        "http://127.0.0.1:8765",
    ],
)
def test_urls_that_hosts_advertise_are_taken(url):
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://alpha:1",
        "http://",
        "alpha:8765",
        "http://user@alpha:8765",
        "http://alpha:8765/path",
        "http://alpha:8765?x=1",
        "http://alpha:99999",
        "http://169.254.169.254",
        "http://[fe80::1]:8765",
        "http://[::ffff:169.254.169.254]",
        "http://0.0.0.0:8765",
        "http://224.0.0.1:8765",
    ],
)
def test_urls_that_nobody_advertises_in_good_faith_are_refused(url):
    with pytest.raises(ValueError, match=r".+"):
        check_url(url)


def test_a_mark_is_the_same_for_the_same_parts_and_fits_the_wire():
    assert mark_of("b", 1) == mark_of("b", 1) != mark_of("b", 2)
    assert 0 < mark_of("b") <= MARK_LIMIT
