"""Damage on the disk: found when the store is opened, set aside and reported, never skipped.

A row that is not what was written moves to the table `set_aside` with all its bytes, so that the
host can start with the others; `Store.problems` lists it at every start until it is deleted by
hand. A row whose state alone is damaged stays: it is known where the paglet is.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from paglets.model.errors import DamagedError
from paglets.model.manifest import ClassManifest
from paglets.store.apply import decode_transfer
from paglets.store.codec import RowColumns, checksum, decode_manifest, decode_row, encode, verify
from paglets.store.schema import transaction


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the data folder that is not as it was written."""

    source: str
    """Table, or `spool`."""
    key: str
    """Agent id, transfer id or the like."""
    reason: str
    """A sentence for people."""
    at: float
    """Unix seconds when it was found first."""


class _Table(NamedTuple):
    """How the rows of one table are checked."""

    name: str
    key: str
    """Column by which people and `refuse_set_aside` know a row."""
    columns: str
    """Columns that `check` takes."""
    check: Callable[..., object]
    """Raises `DamagedError`, or whatever columns of a wrong type make it raise."""


def load_manifests(connection: sqlite3.Connection) -> dict[str, ClassManifest]:
    """Return the readable class manifests by digest; rows of others are found damaged."""
    manifests = {}
    for digest, body in connection.execute("SELECT digest, body FROM manifests"):
        try:
            manifests[digest] = decode_manifest(digest, body)
        except DamagedError:
            continue  # reported with each row that names it
    return manifests


def set_damaged_aside(
    connection: sqlite3.Connection, manifests: dict[str, ClassManifest], now: float
) -> None:
    """Look at every row of the store and set aside what is damaged.

    Raises:
        sqlite3.DatabaseError: The file's structure is damaged, not only a row.
    """
    for table in _tables(manifests):
        damaged = _find_damaged(connection, table)
        if damaged:
            _set_aside(connection, table, damaged, now)


def list_problems(connection: sqlite3.Connection, now: float) -> list[Problem]:
    """Return what is set aside, and rows whose state is damaged."""
    problems = [
        Problem(*found)
        for found in connection.execute("SELECT source, key, reason, at FROM set_aside ORDER BY id")
    ]
    for agent_id, state, crc in connection.execute(
        "SELECT agent_id, state, state_crc FROM paglets WHERE state IS NOT NULL"
    ):
        if checksum(state) != crc:
            problems.append(Problem("paglets", agent_id, "its state is not what was written", now))
    return problems


def set_aside_contents(connection: sqlite3.Connection) -> list[bytes]:
    """Return the bytes of everything set aside: spool files they name are kept."""
    return [content for (content,) in connection.execute("SELECT content FROM set_aside")]


def _tables(manifests: dict[str, ClassManifest]) -> tuple[_Table, ...]:
    """Return the tables that hold what must not be lost."""

    def check_paglet(*columns: str | int | bytes) -> None:
        found = RowColumns._make(columns)
        if found.manifest not in manifests:
            raise DamagedError(f"class manifest {found.manifest[:12]} is missing or damaged")
        decode_row(found, manifests[found.manifest])

    return (
        _Table("paglets", "agent_id", ", ".join(RowColumns._fields), check_paglet),
        _Table("transfers", "transfer_id", "transfer_id, body, crc", decode_transfer),
        _Table("messages", "message_id", "crc, agent_id, message_id, body", _check_body),
        _Table("outcomes", "message_id", "crc, agent_id, message_id, body", _check_body),
        _Table("calls", "key", "crc, key, body", _check_body),
    )


def _check_body(crc: int, *parts: str | bytes) -> None:
    verify(crc, *parts, what="the row")


def _find_damaged(connection: sqlite3.Connection, table: _Table) -> list[tuple[int, str, str]]:
    """Return (row id, key, reason) of each damaged row."""
    damaged = []
    query = f"SELECT rowid, {table.key}, {table.columns} FROM {table.name}"  # noqa: S608 - our names
    for rowid, key, *columns in connection.execute(query):
        try:
            table.check(*columns)
        except (DamagedError, ValueError, TypeError) as error:
            damaged.append((rowid, _printable(key), str(error)))
    return damaged


def _set_aside(
    connection: sqlite3.Connection, table: _Table, rows: list[tuple[int, str, str]], now: float
) -> None:
    with transaction(connection):
        for rowid, key, reason in rows:
            found = connection.execute(
                f"SELECT * FROM {table.name} WHERE rowid = ?",  # noqa: S608 - our names
                (rowid,),
            ).fetchone()
            content = encode([_printable(c) if isinstance(c, str) else c for c in found])
            connection.execute(
                "INSERT INTO set_aside (source, key, reason, at, content) VALUES (?, ?, ?, ?, ?)",
                (table.name, key, reason, now, content),
            )
            connection.execute(
                f"DELETE FROM {table.name} WHERE rowid = ?",  # noqa: S608 - our names
                (rowid,),
            )


def _printable(value: object) -> str:
    """Return a key as text that SQLite and logs take, whatever bytes it was."""
    return str(value).encode(errors="backslashreplace").decode()


def tolerate_any_text(connection: sqlite3.Connection) -> None:
    """Let text that is no UTF-8 be read, so that it can be found damaged and set aside."""
    connection.text_factory = lambda data: data.decode(errors="surrogateescape")
