"""Outcomes of messages that may be repeated: what is remembered, how long, how much."""

import msgspec
import pytest

from paglets.model.errors import DedupFullError, HandlerError, PagletsError
from paglets.runtime import outcomes
from paglets.runtime.outcomes import decode_outcome, encode_outcome, make_room, remember_seconds
from paglets.store.rows import RememberedOutcome
from paglets.wire.bodies import ReplyBody
from paglets.wire.messages import WireMessage
from tests.unit.runtime.samples import make_ref


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (WireMessage(kind="go"), None),
        (WireMessage(kind="go", retry_for_ms=30_000), 90.0),
        (WireMessage(kind="go", attempt=2), 60.0),
        (WireMessage(kind="go", hops=1), 60.0),
        (WireMessage(kind="go", hops=1, retry_for_ms=1_000), 61.0),
    ],
)
def test_what_may_be_repeated_is_remembered_a_minute_longer_than_that(message, seconds):
    assert remember_seconds(message) == seconds


def test_a_reply_survives_being_stored():
    reply = ReplyBody(reply=msgspec.Raw(b'{"a":1}'), address=make_ref(), moved=True)
    again = decode_outcome(encode_outcome(reply))
    assert bytes(again.reply) == b'{"a":1}'
    assert (again.address, again.moved) == (make_ref(), True)


def test_a_failure_survives_being_stored_as_its_own_class():
    error = decode_outcome(encode_outcome(HandlerError("it broke", type="KeyError")))
    assert isinstance(error, HandlerError)
    assert error.message == "it broke"


def test_a_failure_that_is_not_ours_becomes_one():
    assert isinstance(decode_outcome(encode_outcome(ValueError("no"))), PagletsError)


def remembered(count, *, expires_at, size=1):
    return {
        f"m{number}": RememberedOutcome(
            agent_id="tour",
            message_id=f"m{number}",
            outcome=b"x" * size,
            expires_at=expires_at,
        )
        for number in range(count)
    }


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(outcomes, "ID_LIMIT", 10)
    monkeypatch.setattr(outcomes, "BYTES_LIMIT", 100)


@pytest.mark.usefixtures("small")
def test_room_is_made_of_what_has_expired_only():
    known = remembered(9, expires_at=5.0) | {
        "late": RememberedOutcome(agent_id="tour", message_id="late", outcome=b"", expires_at=5.1)
    }
    make_room(known, now=5.0, agent_id="tour")
    assert list(known) == ["late"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("count", "size"), [(10, 1), (2, 50)])
def test_nothing_is_forgotten_early_and_a_full_memory_refuses(count, size):
    known = remembered(count, expires_at=5.0, size=size)
    with pytest.raises(DedupFullError) as caught:
        make_room(known, now=4.0, agent_id="tour")
    assert len(known) == count
    assert caught.value.retryable
    assert caught.value.retry_after == 1.0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("count", "size"), [(9, 1), (1, 99)])
def test_just_below_the_limit_there_is_room(count, size):
    make_room(remembered(count, expires_at=5.0, size=size), now=4.0, agent_id="tour")
