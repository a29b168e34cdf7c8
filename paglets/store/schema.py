"""The SQLite file: how it is opened, its tables, and the way from older versions to this one.

The tables hold a few columns that SQL needs and a `body` with everything else (`codec.py`); `crc`
covers what SQLite does not check, the bytes inside a page.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paglets.model.errors import ConflictError

APPLICATION_ID = 0x5061676C
"""Marks the file as ours in its header: "Pagl"."""

WAL_KEPT_BYTES = 16 * 1024 * 1024
"""Size the write-ahead log shrinks to after a burst; below, it is reused as it is."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE manifests (digest TEXT PRIMARY KEY, body BLOB NOT NULL)",
        # state comes last: reading the columns before it never touches its overflow pages
        """CREATE TABLE paglets (
            agent_id TEXT PRIMARY KEY, status TEXT NOT NULL, term INTEGER NOT NULL,
            hops INTEGER NOT NULL, transfer_id TEXT, changed_at REAL NOT NULL,
            manifest TEXT NOT NULL, spools TEXT, body BLOB NOT NULL, crc INTEGER NOT NULL,
            state_crc INTEGER NOT NULL, state BLOB)""",
        """CREATE TABLE transfers (
            transfer_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, role TEXT NOT NULL,
            settled_at REAL, body BLOB NOT NULL, crc INTEGER NOT NULL)""",
        """CREATE TABLE messages (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, agent_id TEXT NOT NULL,
            message_id TEXT NOT NULL, priority INTEGER NOT NULL, body BLOB NOT NULL,
            crc INTEGER NOT NULL, UNIQUE (agent_id, message_id))""",
        """CREATE TABLE outcomes (
            agent_id TEXT NOT NULL, message_id TEXT NOT NULL, expires_at REAL NOT NULL,
            body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (agent_id, message_id))""",
        """CREATE TABLE calls (
            key TEXT PRIMARY KEY, expires_at REAL NOT NULL, body BLOB NOT NULL,
            crc INTEGER NOT NULL)""",
        "CREATE INDEX outcomes_by_expiry ON outcomes (expires_at)",
        "CREATE INDEX calls_by_expiry ON calls (expires_at)",
        "CREATE INDEX transfers_by_settling ON transfers (settled_at)",
        """CREATE TABLE set_aside (
            id INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
            at REAL NOT NULL, content BLOB NOT NULL)""",
        "CREATE INDEX set_aside_by_key ON set_aside (source, key)",
    ),
)
"""Statements that lead from version i to i + 1. Only ever appended to."""


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open the file; transactions are begun and ended by the caller.

    Args:
        path: Of the file; made if it is absent and `writing`.
        writing: False makes every write on this connection an error.

    Raises:
        sqlite3.DatabaseError: It is not a SQLite file, or damaged.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        if writing:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        else:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(
    connection: sqlite3.Connection,
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
    *,
    path: Path,
) -> None:
    """Bring the file to the newest version, all steps in one transaction.

    Raises:
        ConflictError: The file is another program's, or of a newer version of paglets.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application not in {0, APPLICATION_ID}:
        raise ConflictError(f"{path} is not a paglets store: choose another --data folder")
    if version > len(migrations):
        raise ConflictError(
            f"{path} was written by a newer paglets (store version {version}, this one knows "
            f"{len(migrations)}): update paglets, or choose another --data folder",
            version=version,
        )
    if version == len(migrations):
        return
    with transaction(connection):
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
