"""JSON values of messages: checked and encoded where they are made, decoded where they are used.

In between they are bytes that hosts pass on. JSON-compatible means None, bool, int, finite float,
str, list (a tuple becomes one) and dict with text keys, nested at most `DEPTH_LIMIT` deep. A reply
may also be one dataclass instance. `model/message.py` has the rule, this module the fast way to
keep it; State, which may hold more, is the business of `wire/codec.py`.
"""

import math
from collections.abc import Hashable
from dataclasses import is_dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar, cast

import msgspec

from paglets.model.errors import InvalidRequestError
from paglets.model.message import DEPTH_LIMIT, JsonValue, require_json
from paglets.wire.paths import decode_path, encode_for_json

T = TypeVar("T")

_LEAVES = frozenset({NoneType, bool, int, str})
_FLOAT = frozenset({float})
_CONTAINERS = frozenset({list, tuple, dict})
_NO_TUPLES = frozenset({list, dict})
_TEXT_KEYS = frozenset({str})

_encoder = msgspec.json.Encoder(enc_hook=encode_for_json)
_decoder = msgspec.json.Decoder()


def is_plain_json(
    values: list[Any], *, finite: bool = True, tuples: bool = True, depth: int = 0
) -> bool:
    """Return whether all `values` are made of exactly the JSON types, at most 64 deep.

    Looks at one level of all values at a time, so a cycle ends at the depth limit and the usual
    small value costs about a microsecond. False also for subclasses: `require_json` decides then.

    Args:
        values: Looked at together.
        finite: Refuse NaN and infinities.
        tuples: Accept tuples, which arrive as lists.
        depth: How deep the values stand already.
    """
    level = values
    while True:
        kinds = {*map(type, level)}
        if kinds <= _LEAVES:
            return True
        if float in kinds and finite and not _all_finite(level):
            return False
        containers = kinds - _LEAVES - _FLOAT
        if not containers:
            return True
        if depth >= DEPTH_LIMIT or not containers <= (_CONTAINERS if tuples else _NO_TUPLES):
            return False
        below = _level_below(level, containers)
        if below is None:
            return False
        level = below
        depth += 1


def _all_finite(level: list[Any]) -> bool:
    return all(math.isfinite(value) for value in level if type(value) is float)


def _level_below(level: list[Any], kinds: set[type]) -> list[Any] | None:
    """Return what the containers hold, or None for a dict with a key that is no text."""
    # One look at each container, however often a level refers to it: else a cycle through two
    # references would double the work at every level.
    containers = {id(value): value for value in level if type(value) in kinds}
    below: list[Any] = []
    for value in containers.values():
        if type(value) is not dict:
            below += value
        elif _TEXT_KEYS.issuperset(map(type, value)):
            below += value.values()
        else:
            return None
    return below


def encode_json_value(value: JsonValue, where: str = "value") -> bytes:
    """Return `value` as JSON, for the args of a message.

    Args:
        value: What to send.
        where: What it is called in an error: "args", "reply".

    Raises:
        TypeError: It is not JSON-compatible; the message names the place, as `args['when']`.
    """
    if not is_plain_json([value]):
        require_json(value, where)
    try:
        return _encoder.encode(value)
    except (ValueError, OverflowError) as error:  # a lone surrogate, an int of 5,000 digits
        raise TypeError(f"{where} has a value that JSON cannot hold: {error}") from error


def decode_json_value(data: bytes | msgspec.Raw, what: str = "body") -> JsonValue:
    """Return the JSON value in `data`.

    Raises:
        InvalidRequestError: It is no JSON, holds an infinite number or is nested too deep.
    """
    data = bytes(data)
    try:
        value = _decoder.decode(data)
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:  # msgspec's errors, bad UTF-8, an int of 5,000 digits
        raise InvalidRequestError(f"the {what} is no JSON: {error}") from error
    if data.count(b"[") + data.count(b"{") > DEPTH_LIMIT and not is_plain_json([value]):
        raise _too_deep(what)
    return value


def _too_deep(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"the {what} is nested deeper than {DEPTH_LIMIT}")


def encode_reply(value: object, where: str = "reply") -> bytes:
    """Return what a handler returned as JSON: a JSON-compatible value or a dataclass instance.

    What is JSON already, as `msgspec.Raw`, is passed on.

    Inside a dataclass everything msgspec writes as JSON is allowed: dates, sets, bytes, paths ….
    The asker gets them back with `reply_type=`.

    Args:
        value: What was returned.
        where: What it is called in an error.

    Raises:
        TypeError: It is neither; the message names the place, as `reply['hits'][3]`.
    """
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    if is_dataclass(value) and not isinstance(value, type):
        try:
            value = msgspec.to_builtins(value, str_keys=True, enc_hook=encode_for_json)
        except RecursionError as error:
            raise TypeError(f"{where} is nested deeper than {DEPTH_LIMIT}, or in itself") from error
    return encode_json_value(value, where)


def decode_reply(data: bytes | msgspec.Raw, reply_type: type[T]) -> T:
    """Return a reply as `reply_type`; fields it does not have are left out.

    Args:
        data: JSON, as `encode_reply` makes it.
        reply_type: A dataclass or any type msgspec reads from JSON, such as `list[Hit]`.

    Raises:
        InvalidRequestError: The reply does not fit; the message names the field.
        TypeError: `reply_type` is nothing that can be read from JSON.
    """
    try:
        return decode_typed(data, reply_type)
    except RecursionError as error:
        raise _too_deep("reply") from error
    except Exception as error:  # __post_init__ of the reply type may raise anything
        name = getattr(reply_type, "__name__", str(reply_type))
        raise InvalidRequestError(f"the reply does not fit {name}: {error}") from error


def decode_typed(data: bytes | msgspec.Raw, expected: type[T]) -> T:
    """Return JSON as `expected`; raises whatever reading it raises."""
    value: T = _decoder_for(cast("Hashable", expected)).decode(data)
    return value


def warm_type(expected: object) -> None:
    """Describe a type that will be read from JSON; raises whatever makes it unfit for that."""
    _decoder_for(expected)


@lru_cache(maxsize=1024)
def _decoder_for(reply_type: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(reply_type, dec_hook=decode_path)
