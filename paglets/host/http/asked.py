"""A request as handlers see it, and what they answer. Nothing here knows of signatures.

Used by every file of this package; the gate (`gate.py`) makes the one and sends the other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from paglets.model.errors import InvalidRequestError
from paglets.model.names import parse_name
from paglets.wire.routes import Route

S = TypeVar("S", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
JSON = "application/json"
PAGE_LIMIT = 1000
"""Largest page of a list."""
PAGE_DEFAULT = 100
_TRUE = {"true": True, "1": True, "false": False, "0": False}


@dataclass(slots=True)
class ApiRequest:
    """One request that was let through."""

    method: str
    entry: Route
    params: Mapping[str, str]
    """Path parameters, percent-decoded."""
    query_string: str
    body: bytes
    """The whole body; empty where the handler reads `chunks`."""
    sender: str
    """Host id of a host, else what kind of client it is."""
    headers: Mapping[str, str]
    budget: float
    """Seconds the caller still waits."""
    digest: str | None = None
    """What the signature says the body's digest is; None where there is no signature."""
    content_length: int | None = None
    chunks: AsyncIterator[bytes] | None = None
    """The body while it arrives, for routes that stream it."""
    gone: Callable[[], "asyncio.Future[None]"] | None = None
    """Gives what is done when the caller's connection is lost; nobody cancels it."""

    @property
    def key(self) -> str | None:
        """The Idempotency-Key, checked as a name.

        Raises:
            InvalidNameError: It has other characters than names have, or is too long.
        """
        key = self.headers.get("Idempotency-Key")
        return None if key is None else parse_name(key, what="Idempotency-Key")

    def id(self, name: str) -> str:
        """Return a path parameter that is an id.

        Raises:
            InvalidNameError: It is none.
        """
        return parse_name(self.params[name], what=name.replace("_", " "))

    def decode(self, body_type: type[S]) -> S:
        """Return the body; an empty one stands for `{}`.

        Raises:
            InvalidRequestError: It is no such body; the text names the field.
        """
        return decode_body(self.body or b"{}", body_type)

    def query(self) -> "Query":
        """Return the query parameters.

        Raises:
            InvalidRequestError: One is unknown to the route, or is there twice.
        """
        return Query.parse(self.query_string, self.entry)


@dataclass(frozen=True, slots=True)
class Query:
    """Query parameters of a request, each typed when it is asked for."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, entry: Route) -> "Query":
        """Return the parameters in `text`.

        Raises:
            InvalidRequestError: One is unknown to the route, or is there twice.
        """
        if not text:
            return cls({})
        known = {name for name, _ in entry.query}
        values: dict[str, str] = {}
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=32)
        except ValueError as error:
            raise InvalidRequestError(f"query: {error}") from error
        for name, value in pairs:
            if name not in known:
                choices = ", ".join(sorted(known)) or "none"
                raise InvalidRequestError(
                    f"query parameter {name[:40]!r} is unknown; this route takes {choices}"
                )
            if name in values:
                raise InvalidRequestError(f"query parameter {name} is there twice")
            values[name] = value
        return cls(values)

    def text(self, name: str) -> str | None:
        """Return a parameter, None where it is left out or empty."""
        return self.values.get(name) or None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the parts of a parameter between commas."""
        return tuple(filter(None, self.values.get(name, "").split(",")))

    def flag(self, name: str) -> bool | None:
        """Return `true` or `false`, None where it is left out.

        Raises:
            InvalidRequestError: It is something else.
        """
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in _TRUE:
            raise InvalidRequestError(f"{name} is {value[:40]!r}; write true or false")
        return _TRUE[value.lower()]

    def number(self, name: str, default: int, *, least: int = 0, most: int = 2**63 - 1) -> int:
        """Return a whole number from `least` to `most`.

        Raises:
            InvalidRequestError: It is something else.
        """
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise InvalidRequestError(f"{name} is {value[:40]!r}, not a whole number")
        if not least <= int(value) <= most:
            raise InvalidRequestError(f"{name} is {value}; it is {least} to {most}")
        return int(value)

    def limit(self) -> int:
        """Return the size of the page that is asked for."""
        return self.number("limit", PAGE_DEFAULT, least=1, most=PAGE_LIMIT)

    def choice(self, name: str, *choices: str) -> str | None:
        """Return one of `choices`, None where it is left out.

        Raises:
            InvalidRequestError: It is something else.
        """
        value = self.text(name)
        if value is not None and value not in choices:
            raise InvalidRequestError(f"{name} is {value[:40]!r}; it is {' or '.join(choices)}")
        return value

    def mesh(self) -> bool:
        """Return whether every online host is asked too."""
        return self.choice("scope", "local", "mesh") == "mesh"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A complete answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """An answer that is sent while it is made."""

    chunks: AsyncIterator[bytes]
    digest: str
    """Of all chunks where it is known before, else `signing.STREAM`."""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = ApiAnswer | StreamAnswer


def json_answer(body: msgspec.Struct, status: int = 200) -> ApiAnswer:
    """Return `body` as an answer."""
    return ApiAnswer(status, _encoder.encode(body))


def decode_body(data: bytes, body_type: type[S]) -> S:
    """Return a JSON body as `body_type`.

    Raises:
        InvalidRequestError: It is none; the text names the field.
    """
    try:
        return msgspec.json.decode(data, type=body_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"body: {error}") from error
    except RecursionError as error:
        raise InvalidRequestError("body: nested too deep") from error
