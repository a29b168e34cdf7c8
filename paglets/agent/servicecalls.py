"""Requests and replies of service operations: checked and encoded by each side before they leave.

Pure. The caller checks the request it sends and the reply it gets, the provider the request it gets
and the reply it sends, all against the operation; an error names the operation, the field and whose
fault it is. Neither trusts the other, whose code may be older.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_origin

import msgspec

from paglets.agent.contracts import ServiceOperation
from paglets.model.errors import (
    InvalidRequestError,
    PagletInactiveError,
    PagletsError,
    ServiceReplyError,
)
from paglets.model.message import Message
from paglets.wire.hostcalls import SendReply
from paglets.wire.jsonvalues import decode_typed, warm_type
from paglets.wire.paths import decode_path, encode_for_json

Q = TypeVar("Q")
R = TypeVar("R")

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<field>[^`]*)`)?", re.DOTALL)


def encode_request(operation: ServiceOperation[Q, R], request: Q) -> Message:
    """Return the message that carries a request; the caller's side.

    Raises:
        TypeError: `request` is not of the operation's type.
        InvalidRequestError: A field of it does not fit its annotation.
    """
    expected = _class_of(operation.request)
    if not isinstance(request, expected):
        raise TypeError(
            f"{operation.name} takes a {expected.__name__}, not a {type(request).__name__}"
        )
    with _blaming(lambda problem: _bad_request(operation, problem)):
        args = msgspec.to_builtins(request, str_keys=True, enc_hook=encode_for_json)
    decode_request(operation, args)
    return Message(operation.name, args)


def decode_request(operation: ServiceOperation[Q, R], args: Mapping[str, object]) -> Q:
    """Return a request as its type; the provider's side.

    Raises:
        InvalidRequestError: It does not fit; `operation` and `field` name the place.
    """
    with _blaming(lambda problem: _bad_request(operation, problem)):
        return msgspec.convert(
            args, operation.request, strict=True, str_keys=True, dec_hook=decode_path
        )


def encode_result(operation: ServiceOperation[Q, R], result: object, provider: str) -> msgspec.Raw:
    """Return what a provider's method returned as JSON, read once as its caller will.

    Args:
        operation: Which.
        result: What the method returned.
        provider: Class and method, for the error.

    Raises:
        ServiceReplyError: It is not what the contract says.
    """
    expected = _class_of(operation.reply)
    if is_dataclass(expected) and not isinstance(result, expected):
        problem = f"it is a {type(result).__name__} instead of a {expected.__name__}"
        raise _bad_reply(operation, problem, provider)
    with _blaming(lambda problem: _bad_reply(operation, problem, provider)):
        data = msgspec.json.encode(result, enc_hook=encode_for_json)
        decode_typed(data, operation.reply)
    return msgspec.Raw(data)


def decode_result(operation: ServiceOperation[Q, R], data: bytes, provider: str) -> R:
    """Return a provider's reply as its type; the caller's side.

    Args:
        operation: Which.
        data: JSON.
        provider: Agent id and host, for the error.

    Raises:
        ServiceReplyError: It does not fit.
    """
    with _blaming(lambda problem: _bad_reply(operation, problem, provider)):
        return decode_typed(data, operation.reply)


def result_of(operation: ServiceOperation[Q, R], reply: SendReply, provider: str) -> R:
    """Return what a provider answered; arguments and errors as `decode_result`.

    Raises:
        PagletInactiveError: The provider sleeps on; its message is stored until it wakes.
    """
    if reply.moved:
        raise _bad_reply(operation, "it moved to another host instead of answering", provider)
    if reply.stored:
        raise PagletInactiveError(
            f"{provider} is asleep and a call does not wake it: {operation.name} is stored and "
            "will be handled when it wakes, but nobody will hear its reply",
            operation=operation.name,
            provider=provider,
        )
    return decode_result(operation, reply.reply, provider)


def warm_operation(operation: ServiceOperation[Q, R]) -> None:
    """Describe what an operation takes and replies; raises whatever makes it unfit."""
    warm_type(operation.request)
    warm_type(operation.reply)


@contextmanager
def _blaming(error_of: Callable[[str], PagletsError]) -> Iterator[None]:
    """Turn whatever encoding or decoding raises into an error that says whose fault it is."""
    try:
        yield
    except RecursionError as error:
        raise error_of("it is nested too deep, or in itself") from error
    except Exception as error:  # __post_init__ of an author's type may raise anything
        raise error_of(str(error)) from error


def _class_of(annotation: Any) -> type:
    """Return the class behind a generic such as `Page[Hit]`."""
    cls: type = get_origin(annotation) or annotation
    return cls


def _bad_request(operation: ServiceOperation[Q, R], problem: str) -> InvalidRequestError:
    what, place = _parted(problem)
    where = f"field {place}: " if place else ""
    return InvalidRequestError(
        f"the request of operation {operation.name} does not fit: {where}{what}",
        operation=operation.name,
        field=place,
    )


def _bad_reply(operation: ServiceOperation[Q, R], problem: str, provider: str) -> ServiceReplyError:
    what, place = _parted(problem)
    where = f"field {place}: " if place else ""
    return ServiceReplyError(
        f"{provider} broke the contract of operation {operation.name} with its reply: "
        f"{where}{what}",
        operation=operation.name,
        field=place,
        provider=provider,
    )


def _parted(problem: str) -> tuple[str, str]:
    """Return what is wrong and, where msgspec says so, in which field."""
    match = _PLACE.fullmatch(problem)
    assert match is not None  # the pattern matches any text
    what, place = match["what"], match["field"] or ""
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing is not None:
        name = missing[1]
        return "it is missing", f"{place}.{name}" if place else name
    return what, place
