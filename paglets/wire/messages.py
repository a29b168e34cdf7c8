"""A message on the wire: one flat JSON document, the same on every hop.

Between a client and a host, between two hosts, in a stored queue, inside an envelope and on the
pipe to a child, a message is these bytes. Hosts read the header and pass `args` and `arg` on
undecoded; fields they do not know are kept.
"""

import msgspec

from paglets.model.enums import Priority
from paglets.model.errors import InvalidRequestError
from paglets.model.message import Message
from paglets.model.names import parse_name
from paglets.model.refs import Epoch, PagletProxyRef

PROTOCOL = 1
"""Version of everything in `paglets.wire`; hosts settle with peers one version apart."""

RETRY_LIMIT_MS = 600_000
"""Longest time for which a message may be repeated: outcomes are remembered as long."""

_EMPTY = msgspec.Raw(b"{}")
_NULL = msgspec.Raw(b"null")


class WireMessage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Header and undecoded arguments of a message. Durations are relative: clocks differ."""

    kind: str
    args: msgspec.Raw = _EMPTY
    """A JSON object."""
    arg: msgspec.Raw = _NULL
    """Any JSON value."""
    message_id: str = ""
    priority: int = int(Priority.NORMAL)
    sender: PagletProxyRef | None = None
    oneway: bool = False
    """Nobody waits for a reply; acknowledged when queued (durably under MESSAGE)."""
    no_delay: bool = False
    """Never wakes an inactive paglet and never queues for it."""
    budget_ms: int = 30_000
    """What is left of the sender's time when this hop begins."""
    retry_for_ms: int = 0
    """For how long the sender repeats this id; its outcome is remembered that long and 60 s."""
    attempt: int = 1
    path: tuple[str, ...] = ()
    """Agent ids that wait on this call, outermost first."""
    traceparent: str | None = None
    """W3C trace context, passed on."""
    epoch: Epoch | None = None
    """The epoch of the target that the sender knows."""
    birth_id: str = ""
    """The birth that `epoch` belongs to."""
    hops: int = 0
    """How many hosts have forwarded it; above 0 the answer tells the present address."""
    timestamp: float = 0.0
    """Unix seconds on the sender's clock; for people."""
    protocol: int = PROTOCOL


_decoder = msgspec.json.Decoder(WireMessage)
_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_message(body: bytes | memoryview) -> WireMessage:
    """Return the message in `body`; `args` and `arg` stay undecoded.

    Raises:
        InvalidRequestError: It is no message; the text names the field.
    """
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"no message: {error}") from error
    if not Priority.UNQUEUED <= message.priority <= Priority.MAX:
        raise InvalidRequestError(f"priority is {message.priority}; it is 0 to 10")
    if memoryview(message.args)[0] != ord("{"):
        raise InvalidRequestError("args of a message is a JSON object")
    if message.message_id:
        parse_name(message.message_id, what="message id")
    _check_numbers(message)
    return message


def _check_numbers(message: WireMessage) -> None:
    if message.budget_ms < 0:
        raise InvalidRequestError(f"budget_ms is {message.budget_ms}; it is not below 0")
    if not 0 <= message.retry_for_ms <= RETRY_LIMIT_MS:
        raise InvalidRequestError(
            f"retry_for_ms is {message.retry_for_ms}; it is 0 to {RETRY_LIMIT_MS}"
        )
    if abs(message.protocol - PROTOCOL) > 1:
        raise InvalidRequestError(
            f"the message has protocol {message.protocol}, this host speaks {PROTOCOL}"
        )


def encode_message(message: WireMessage) -> bytes:
    """Return `message` as it travels."""
    return _encoder.encode(message)


def patch_message(body: bytes, **changes: object) -> bytes:
    """Return `body` with some header fields replaced and all others, known or not, kept."""
    fields = _fields.decode(body)
    for name, value in changes.items():
        fields[name] = msgspec.Raw(_encoder.encode(value))
    return _encoder.encode(fields)


def wire_message(  # noqa: PLR0913 - a message's delivery options are this many
    message: Message,
    *,
    oneway: bool = False,
    no_delay: bool = False,
    timeout: float = 30.0,
    retry_for: float = 0.0,
    path: tuple[str, ...] = (),
    epoch: Epoch | None = None,
) -> WireMessage:
    """Return `message` with its delivery options, ready to be encoded.

    Args:
        message: What an author made.
        oneway: Whether nobody waits for the reply.
        no_delay: Never wake, never queue.
        timeout: Seconds the sender waits.
        retry_for: Seconds the sender repeats it under the same id.
        path: Agent ids that wait on this call.
        epoch: The epoch of the target that the sender knows.
    """
    return WireMessage(
        kind=message.kind,
        args=msgspec.Raw(_encoder.encode(message.args)),
        arg=msgspec.Raw(_encoder.encode(message.arg)),
        message_id=message.message_id,
        priority=int(message.priority),
        sender=message.sender,
        oneway=oneway,
        no_delay=no_delay,
        budget_ms=int(timeout * 1000),
        retry_for_ms=int(retry_for * 1000),
        path=path,
        epoch=epoch,
        timestamp=message.timestamp,
    )
