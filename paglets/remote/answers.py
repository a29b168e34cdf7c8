"""Answers of another host as values, and what makes bytes an answer at all.

An answer without the HMAC of a key we share is no answer: whoever sent it, it is treated as if
the host had not been reached. Used by `remote/session.py`.
"""

import os
from dataclasses import dataclass

import aiohttp

from paglets.config.keys import Key
from paglets.model.errors import HostUnreachableError
from paglets.remote.signing import (
    UNSIGNED,
    AnswerMark,
    Asked,
    answer_mac,
    body_digest,
    parse_answer,
    same,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete, verified answer."""

    status: int
    body: bytes
    host_id: str
    """Who answered, from the signed header."""
    generation: int
    retry_after: float | None = None
    """Seconds of a Retry-After header."""


def unreachable(url: str, reason: str, *, connected: bool, host: str = "") -> HostUnreachableError:
    """Return the error for an attempt that brought no answer.

    Args:
        url: Of the host.
        reason: What happened, for people.
        connected: Whether any byte may have reached a host.
        host: Its name, where that is known.
    """
    who = f"{host} ({url})" if host else url
    named = {"host": host} if host else {}
    return HostUnreachableError(
        f"no answer from {who}: {reason}", url=url, reason=reason, connected=connected, **named
    )


def why_silent(error: Exception, *, timeout: float) -> str:
    """Return for people why an attempt brought no answer.

    Args:
        error: What ended it: of the HTTP client, of a socket, or that its time was over.
        timeout: Seconds it had.
    """
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "it did not take a connection in time"
        case aiohttp.ClientConnectorError():
            return _told_by_system(error.os_error)
        case aiohttp.ClientError():
            return str(error) or type(error).__name__
        case TimeoutError():
            return f"nothing came within {timeout:g} s"
        case _:
            return str(error) or type(error).__name__


def _told_by_system(error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno and text.startswith("Connect call failed"):  # asyncio's, which hides the reason
        return os.strerror(error.errno).lower()
    return text


def verify_mark(
    header: str | None, *, key: Key | None, asked: Asked, status: int, nonce: str
) -> AnswerMark | None:
    """Return the mark of an answer if it is genuine, else None.

    Args:
        header: The answer header, if there was one.
        key: What signed the request; None with `--insecure`, where only the shape is checked.
        asked: What the request named.
        status: HTTP status of the answer.
        nonce: Of the request: an answer to another request is none to this one.
    """
    mark = parse_answer(header, asked) if header is not None else None
    if mark is None:
        return None
    if key is None:
        return mark if mark.key_id == UNSIGNED else None
    if mark.key_id != key.id:
        return None
    expected = answer_mac(key.secret, mark, status=status, nonce=nonce)
    return mark if same(expected, mark.mac) else None


def verify_body(mark: AnswerMark, body: bytes) -> bool:
    """Return whether `body` is the one the mark was made for."""
    return same(mark.digest, body_digest(body))
