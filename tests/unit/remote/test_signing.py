"""What a signature covers, and which nonces are let through."""

import base64
import hashlib

import pytest

from paglets.model.errors import UnauthorizedError
from paglets.remote import signing
from paglets.remote.signing import (
    AnswerMark,
    Asked,
    Credentials,
    NonceMemory,
    NonceSource,
    RequestLine,
    Target,
    answer_mac,
    body_digest,
    parse_answer,
    parse_credentials,
    request_mac,
)

SECRET = bytes(32)
LINE = RequestLine("POST", "/agents?x=1")
CREDENTIALS = Credentials("k" * 8, 1_700_000_000_000, "ab.1", "d" * 43, Target("h1", 3), "h2", "-")
MARK = AnswerMark("k" * 8, "h1", 3, "d" * 43, "-")
ASKED = Asked("k" * 8, "h1", 3)


def changed(**fields):
    from dataclasses import replace

    return replace(CREDENTIALS, **fields)


def test_credentials_survive_the_header():
    assert parse_credentials(CREDENTIALS.header()) == CREDENTIALS


def test_an_unknown_target_is_written_as_the_authority():
    target = Target(authority="10.0.0.1:8765")
    assert parse_credentials(changed(target=target).header()).target == target


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Paglets",
        "Bearer token",
        "Paglets 2 k 1 n d h:1 s m",
        "Paglets 1 k x n d h:1 s m",
        "Paglets 1 k 1 n d h s m",
        "Paglets 1 k 1 n d :1 s m",
        "Paglets 1 k 1 n d h:1 s m more",
        "Paglets 1 k 99999999999999999 n d h:1 s m",
        "Paglets 1 k ² n d h:1 s m",
    ],
)
def test_other_headers_are_no_credentials(header):
    with pytest.raises(UnauthorizedError):
        parse_credentials(header)


@pytest.mark.parametrize(
    ("line", "credentials"),
    [
        (RequestLine("PUT", LINE.path), CREDENTIALS),
        (RequestLine("POST", "/agents?x=2"), CREDENTIALS),
        (LINE, changed(time_ms=1_700_000_000_001)),
        (LINE, changed(nonce="ab.2")),
        (LINE, changed(digest="e" * 43)),
        (LINE, changed(target=Target("h3", 3))),
        (LINE, changed(target=Target("h1", 4))),
        (LINE, changed(target=Target(authority="h1:3"))),
        (LINE, changed(sender="h3")),
    ],
)
def test_every_part_of_a_request_is_covered(line, credentials):
    assert request_mac(SECRET, line, credentials) != request_mac(SECRET, LINE, CREDENTIALS)


@pytest.mark.parametrize("change", [{"host_id": "h9"}, {"generation": 4}, {"digest": "e" * 43}])
def test_every_part_of_an_answer_is_covered(change):
    other = answer_mac(SECRET, MARK._replace(**change), status=200, nonce="ab.1")
    assert other != answer_mac(SECRET, MARK, status=200, nonce="ab.1")


def test_an_answer_is_bound_to_its_status_and_its_request():
    macs = {
        answer_mac(SECRET, MARK, status=status, nonce=nonce)
        for status in (200, 201)
        for nonce in ("ab.1", "ab.2")
    }
    assert len(macs) == 4


def test_a_request_mac_is_no_answer_mac():
    assert request_mac(SECRET, LINE, CREDENTIALS) != answer_mac(
        SECRET, MARK, status=200, nonce="ab.1"
    )


@pytest.mark.parametrize(
    "asked", [Asked("l" * 8, "h1", 3), Asked("k" * 8, "h2", 3), Asked("k" * 8, "h1", 0), ASKED]
)
def test_an_answer_mark_survives_the_header(asked):
    assert parse_answer(MARK.header(asked), asked) == MARK


def test_an_answer_from_whom_the_request_named_does_not_repeat_it():
    assert MARK.header(ASKED) == f"1 {MARK.digest} {MARK.mac}"
    assert CREDENTIALS.asked == ASKED


def test_a_short_answer_to_another_host_is_not_taken_for_its_own():
    mark = MARK._replace(mac=answer_mac(SECRET, MARK, status=200, nonce="ab.1"))
    taken = parse_answer(mark.header(ASKED), ASKED._replace(host_id="h2"))
    assert taken.mac != answer_mac(SECRET, taken, status=200, nonce="ab.1")


@pytest.mark.parametrize(
    "header", ["", "1", "1 d", "2 d m", "1 k h x d m", "1 k h ² d m", "2 k h 3 d m", "1 k h 3 d",
               "1 k h 3 d m x"],
)  # fmt: skip
def test_other_headers_are_no_mark(header):
    assert parse_answer(header, ASKED) is None


def test_a_mac_has_128_bits_and_a_digest_256():
    macs = [request_mac(SECRET, LINE, CREDENTIALS), answer_mac(SECRET, MARK, status=200, nonce="n")]
    assert [len(base64.urlsafe_b64decode(mac + "==")) for mac in macs] == [16, 16]
    assert base64.urlsafe_b64decode(body_digest(b"x") + "=") == hashlib.sha256(b"x").digest()
    assert body_digest(b"") == signing.EMPTY_DIGEST


def test_texts_of_a_signature_have_no_space_and_a_nonce_one_point():
    for _ in range(200):
        name, _, count = NonceSource().next().partition(".")
        assert (" " in name, "." in name, count) == (False, False, "1")


def test_macs_are_compared_in_constant_time(monkeypatch):
    seen = []
    monkeypatch.setattr(signing.hmac, "compare_digest", lambda a, b: seen.append((a, b)) or True)
    assert signing.same("left", "right")
    assert seen == [(b"left", b"right")]


def test_a_nonce_is_admitted_once():
    memory = NonceMemory()
    assert [memory.admit("ab.1", 0.0), memory.admit("ab.1", 0.0)] == [True, False]


def test_nonces_of_one_session_may_arrive_out_of_order():
    memory = NonceMemory()
    assert all(memory.admit(f"ab.{count}", 0.0) for count in (3, 1, 2, 5, 4))
    assert not any(memory.admit(f"ab.{count}", 0.0) for count in range(1, 6))


def test_what_is_older_than_the_reorder_window_counts_as_used():
    memory = NonceMemory(reorder=2)
    for count in (2, 4, 6):
        assert memory.admit(f"ab.{count}", 0.0)
    assert not memory.admit("ab.1", 0.0)
    assert memory.admit("ab.3", 0.0)


def test_memory_of_a_session_in_order_does_not_grow():
    memory = NonceMemory()
    assert all(memory.admit(f"ab.{count}", 0.0) for count in range(1, 10_000))
    assert len(memory) == 1


def test_a_session_is_forgotten_only_when_all_it_signed_is_outside_the_window():
    memory = NonceMemory(lifetime=120.0)
    memory.admit("old.1", 0.0)
    memory.admit("new.1", 120.0)
    assert not memory.admit("old.1", 120.0)
    memory.admit("newer.1", 500.0)
    assert len(memory) == 1


def test_a_full_memory_admits_nobody_new_and_forgets_nobody_early():
    memory = NonceMemory(sessions=2)
    assert memory.admit("a.1", 0.0)
    assert memory.admit("b.1", 0.0)
    assert not memory.admit("c.1", 1.0)
    assert memory.admit("a.2", 1.0)
    assert not memory.admit("a.1", 1.0)


@pytest.mark.parametrize("nonce", ["", "ab", "ab.", "ab.x", "ab.-1", "ab.²", "ab." + "1" * 30])
def test_a_malformed_nonce_is_not_admitted(nonce):
    assert not NonceMemory().admit(nonce, 0.0)


def test_nonces_of_a_source_never_repeat():
    sources = [NonceSource(), NonceSource()]
    assert len({source.next() for source in sources for _ in range(100)}) == 200
