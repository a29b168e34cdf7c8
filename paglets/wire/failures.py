"""Exceptions as values: how an error crosses the pipe and the network and is itself again.

Our own errors cross by their `code`, never by class name, with `message` and `detail`; what an
author's code raised crosses as `HandlerError` with type, message and traceback as text. Nothing on
this way imports a class or runs received text. `model/errors.py` has the tree of classes.
"""

import traceback

import msgspec

from paglets.model.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    FullError,
    HandlerError,
    HookError,
    InvalidRequestError,
    MisdirectedError,
    NotFoundError,
    PagletsError,
    StorageFullError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    error_classes,
)
from paglets.model.message import JsonValue
from paglets.wire.jsonvalues import decode_json_value, encode_json_value

TRACEBACK_LIMIT_BYTES = 16 * 1024
"""Longest traceback that travels, in bytes of UTF-8; its end is kept, where the cause is."""

TEXT_LIMIT = 8 * 1024
"""Longest message, and longest `exception_message`, in characters."""

REPR_LIMIT = 200
"""Longest repr that stands for a detail JSON cannot carry, in characters."""

_CLASSES = error_classes()
_KINDS: dict[int, type[PagletsError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    421: MisdirectedError,
    422: InvalidRequestError,
    429: FullError,
    503: UnavailableError,
    504: DeadlineError,
    507: StorageFullError,
}
"""What an error of an unknown code is taken for, by HTTP status."""


class Failure(msgspec.Struct, frozen=True):
    """An error on the wire."""

    code: str
    """Stable name of its class."""
    message: str
    """One sentence for people."""
    detail: dict[str, JsonValue] = {}
    """Facts, JSON-compatible; attributes of the error on the other side."""


class _ErrorBody(msgspec.Struct, frozen=True):
    error: Failure


_body_decoder = msgspec.json.Decoder(_ErrorBody)
_encoder = msgspec.json.Encoder()


def encode_failure(exc: BaseException) -> Failure:
    """Return `exc` as it crosses a process or a network.

    A `PagletsError` keeps code, message and detail; a detail that JSON cannot carry becomes its
    repr, cut to `REPR_LIMIT`. Every other exception is taken for one of the author's code and
    becomes a `HandlerError`; a host wraps defects of its own in `InternalError` before.
    """
    error = exc if isinstance(exc, PagletsError) else handler_error(exc)
    detail = {str(key): _as_json(value) for key, value in error.detail.items()}
    return Failure(error.code, _as_text(error.message), detail)


def handler_error(exc: BaseException, hook: str | None = None) -> HandlerError:
    """Return the error that tells the sender what the author's code raised.

    Called in the Paglet Process, where the traceback is. Makes a `HookError` when `hook` names a
    life-cycle hook.
    """
    kind = type(exc)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    try:
        text = _as_text(str(exc))
    except Exception:  # noqa: BLE001 - an author's __str__ may raise anything; the report must arrive
        text = f"<{kind.__qualname__}.__str__ raised>"
    facts: dict[str, object] = {
        "exception_type": name,
        "exception_message": text,
        "traceback_text": _traceback_tail(exc),
    }
    summary = f"{name}: {text}" if text else name
    if hook is None:
        return HandlerError(f"the handler raised {summary}", **facts)
    return HookError(f"{hook} raised {summary}", hook=hook, **facts)


def decode_failure(failure: Failure, status: int | None = None) -> PagletsError:
    """Return the error that `failure` describes, ready to be raised.

    A code of a newer version becomes the nearest class this one knows, with the code kept in
    `detail["code"]`.

    Args:
        failure: As received.
        status: The HTTP status it came with, if any: finds the nearest class.
    """
    cls = _CLASSES.get(failure.code)
    detail: dict[str, object] = dict(failure.detail)
    if cls is None:
        cls = _class_of_status(status)
        detail["code"] = failure.code
    # Not through __init__: subclasses have constructors of their own, and a received detail may
    # be called "message".
    error = cls.__new__(cls)
    error.args = (failure.message,)
    error.message = failure.message
    error.detail = detail
    return error


def error_body(exc: BaseException) -> bytes:
    """Return the HTTP body for `exc`: `{"error": {"code", "message", "detail"}}`."""
    return _encoder.encode(_ErrorBody(encode_failure(exc)))


def parse_error_body(data: bytes, status: int) -> PagletsError:
    """Return the error of an HTTP answer; never raises, whatever the body is.

    Args:
        data: The body.
        status: HTTP status of the answer, which decides when the body is none of ours, as from a
            proxy in between.
    """
    try:
        failure = _body_decoder.decode(data).error
    except (ValueError, RecursionError):
        text = data[:REPR_LIMIT].decode(errors="replace").strip()
        message = f"HTTP {status} without an error body of ours: {text or 'empty'}"
        return _class_of_status(status)(message, http_status=status)
    return decode_failure(failure, status)


def _class_of_status(status: int | None) -> type[PagletsError]:
    return PagletsError if status is None else _KINDS.get(status, PagletsError)


def _as_json(value: object) -> JsonValue:
    """Return `value` as it arrives on the other side."""
    try:
        return decode_json_value(encode_json_value(value))
    except TypeError:
        pass
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an author's __repr__ may raise anything; as above
        text = f"<a {type(value).__qualname__} whose __repr__ raised>"
    return _as_text(text, REPR_LIMIT)


def _as_text(text: str, limit: int = TEXT_LIMIT) -> str:
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.encode(errors="backslashreplace").decode()


def _traceback_tail(exc: BaseException) -> str:
    data = "".join(traceback.format_exception(exc)).encode(errors="backslashreplace")
    if len(data) <= TRACEBACK_LIMIT_BYTES:
        return data.decode()
    mark = "[… beginning cut]\n"
    tail = data[len(mark.encode()) - TRACEBACK_LIMIT_BYTES :]
    return mark + tail.decode(errors="ignore")
