"""Outcomes of messages that may be repeated: what is remembered, for how long, and how much. Pure.

An outcome is never forgotten before it expires; where there is no room for another one, the
message is not taken at all.
"""

import msgspec

from paglets.model.errors import DedupFullError, PagletsError
from paglets.store.rows import RememberedOutcome
from paglets.wire.bodies import ReplyBody
from paglets.wire.failures import Failure, decode_failure, encode_failure
from paglets.wire.messages import WireMessage

GRACE_SECONDS = 60.0
"""How much longer than `retry_for` an outcome is remembered."""
ID_LIMIT = 10_000
"""Message ids one paglet remembers."""
BYTES_LIMIT = 1024 * 1024
"""Bytes of outcomes one paglet remembers."""


def encode_outcome(result: ReplyBody | BaseException) -> bytes:
    """Return an outcome as it is stored and travels."""
    if isinstance(result, ReplyBody):
        return b"R" + msgspec.json.encode(result)
    return b"F" + msgspec.msgpack.encode(encode_failure(result))


def decode_outcome(data: bytes) -> ReplyBody | PagletsError:
    """Return what `encode_outcome` was given; a failure as its error, to be raised."""
    if data[:1] == b"R":
        return msgspec.json.decode(data[1:], type=ReplyBody)
    return decode_failure(msgspec.msgpack.decode(data[1:], type=Failure))


def remember_seconds(message: WireMessage) -> float | None:
    """Return how long the outcome of `message` must be remembered; None for a plain send."""
    if message.retry_for_ms or message.attempt > 1 or message.hops:
        return message.retry_for_ms / 1000 + GRACE_SECONDS
    return None


def make_room(remembered: dict[str, RememberedOutcome], *, now: float, agent_id: str) -> None:
    """Drop what has expired, and make sure one more outcome may be remembered.

    Raises:
        DedupFullError: The paglet remembers as many as it may; `retry_after` is in seconds.
    """
    if len(remembered) < ID_LIMIT // 2 and _bytes(remembered) < BYTES_LIMIT // 2:
        return
    for message_id in [key for key, kept in remembered.items() if kept.expires_at <= now]:
        del remembered[message_id]
    if len(remembered) >= ID_LIMIT or _bytes(remembered) >= BYTES_LIMIT:
        soonest = min(kept.expires_at for kept in remembered.values())
        raise DedupFullError(
            f"{agent_id} remembers {len(remembered)} outcomes of messages that may be repeated, "
            "as many as it may: send fewer with retry_for, or with a shorter one",
            agent_id=agent_id,
            retry_after=max(0.1, soonest - now),
        )


def _bytes(remembered: dict[str, RememberedOutcome]) -> int:
    return sum(len(kept.outcome) for kept in remembered.values())
