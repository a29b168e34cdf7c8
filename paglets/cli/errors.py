"""Errors as one line with a hint, and exit codes: 1 failed, 2 usage (click), 3 unreachable."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

import click

from paglets.cli.options import Common
from paglets.model.errors import (
    ClassNotAllowedError,
    HostNotFoundError,
    HostUnreachableError,
    MoveInDoubtError,
    PagletCrashedError,
    PagletNotFoundError,
    PagletsError,
    ServiceNotFoundError,
    UnauthorizedError,
)

_HINTS: Mapping[type[PagletsError], str] = {
    HostUnreachableError: "start one with `paglets host`, or choose one with --url",
    PagletNotFoundError: "`paglets agent list` shows what there is",
    HostNotFoundError: "`paglets mesh hosts` shows what there is",
    ServiceNotFoundError: "`paglets service list` shows what there is",
    ClassNotAllowedError: "start the host with --agents DIR or --allow PREFIX",
    MoveInDoubtError: "`paglets transfer list --in-doubt` shows it",
    PagletCrashedError: "`paglets agent logs ID` shows what it printed last",
}


class CommandError(click.ClickException):
    """A command failed; shown as one line, or as JSON with `--json`."""

    exit_code = 1

    def __init__(self, error: Exception, *, as_json: bool, hint: str = "") -> None:
        super().__init__(_one_line(str(error)))
        self._error = error
        self._as_json = as_json
        self._hint = hint or hint_for(error)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error to stderr; called by click."""
        if self._as_json:
            text = json.dumps({"error": self._facts()}, default=str)
        else:
            text = f"Error: {self.message}" + (f" ({self._hint})" if self._hint else "")
        click.echo(text, file=file, err=file is None)

    def _facts(self) -> dict[str, object]:
        error = self._error
        code, detail = "error", {}
        if isinstance(error, PagletsError):
            code, detail = error.code, error.detail
        return {"code": code, "message": self.message, "detail": detail, "hint": self._hint}


class UnreachableError(CommandError):
    """A host did not answer."""

    exit_code = 3


@contextmanager
def shown(common: Common) -> Iterator[None]:
    """Turn what goes wrong in the block into an error for people."""
    try:
        yield
    except HostUnreachableError as error:
        raise UnreachableError(error, as_json=common.json) from error
    except (PagletsError, OSError) as error:
        raise CommandError(error, as_json=common.json) from error


def failed(common: Common, message: str, hint: str) -> CommandError:
    """Return the error for something a command itself found out."""
    return CommandError(ValueError(message), as_json=common.json, hint=hint)


def hint_for(error: Exception) -> str:
    """Return the next step after `error`, empty where its message says it."""
    if isinstance(error, UnauthorizedError):
        return _key_hint(error)
    if "`paglets " in str(error):
        return ""
    for cls, hint in _HINTS.items():
        if isinstance(error, cls):
            return hint
    return ""


def _key_hint(error: UnauthorizedError) -> str:
    key_id = error.detail.get("key_id")
    if not key_id:
        return ""
    where = urlsplit(str(error.detail.get("url", ""))).hostname or "localhost"
    is_local = where == "localhost" or where.startswith("127.") or where == "::1"
    there = "docker compose exec -T alpha" if is_local else f"ssh {where}"
    return f"bring key {key_id} here: {there} paglets key export | paglets key import"


def _one_line(text: str) -> str:
    return " ".join(text.split())
