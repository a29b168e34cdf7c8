"""Opening a data folder: lock, schema, identity, damage, in that order and before anything else."""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from paglets.model.errors import ConflictError, DamagedError, StorageFullError
from paglets.model.manifest import ClassManifest
from paglets.model.names import new_host_id
from paglets.store.ballast import Ballast
from paglets.store.damage import (
    Problem,
    list_problems,
    load_manifests,
    set_aside_contents,
    set_damaged_aside,
    tolerate_any_text,
)
from paglets.store.schema import connect, migrate, transaction
from paglets.store.spool import Spool

T = TypeVar("T")

logger = logging.getLogger(__name__)

DATABASE = "host.db"
BALLAST = "ballast"
SPOOL = "spool"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a data folder is, kept in it; see `Store`."""

    host_id: str
    name: str
    boots: int
    generation: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in the folder."""

    identity: Identity
    manifests: dict[str, ClassManifest]
    """By digest."""
    problems: tuple[Problem, ...]


def stored_name(folder: Path) -> str | None:
    """Return the name of the host that a data folder belongs to; None if it is nobody's yet.

    For a host that is started without a name: a container keeps the one its volume has. What is
    wrong with the folder is told when it is opened, not here.
    """
    path = folder / DATABASE
    if not path.is_file():
        return None
    try:
        connection = connect(path, writing=False)
        try:
            found = connection.execute("SELECT value FROM meta WHERE key = 'name'").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return None
    return str(found[0]) if found else None


def prepare(folder: Path, name: str, ballast: Ballast, spool: Spool, now: float) -> Findings:
    """Bring a locked data folder into order and count this start.

    Raises:
        ConflictError: The folder belongs to a host of another name or to a newer version.
        DamagedError: The file as a whole is damaged; nothing was changed.
        StorageFullError: No room for anything, the ballast given up.
    """
    path = folder / DATABASE
    try:
        connection = connect(path, writing=True)
        try:
            migrate(connection, path=path)
            identity = _without_ballast(ballast, lambda: _boot(connection, folder, name, now))
            manifests, problems = _without_ballast(ballast, lambda: _check(connection, spool, now))
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFullError(f"no room on the disk of {folder}: free some") from error
        raise DamagedError(
            f"{path} is damaged ({error}): nothing was changed; restore the folder from a copy, "
            "or move it away to start as a new host",
        ) from error
    for problem in problems:
        logger.error(
            "damage found in the data folder source=%s key=%s reason=%s",
            problem.source,
            problem.key,
            problem.reason,
        )
    return Findings(identity, manifests, problems)


def _without_ballast(ballast: Ballast, step: Callable[[], T]) -> T:
    """Run a step that must work on a full disk too: moves are settled after it."""
    try:
        return step()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL or not ballast.give_up():
            raise
        return step()


def _boot(connection: sqlite3.Connection, folder: Path, name: str, now: float) -> Identity:
    """Count this start, making the host's id and name with the first one."""
    found = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    if found and found.get("name") != name:
        raise ConflictError(
            f"data folder {folder} belongs to host {found.get('name')!r}, not {name!r}: start it "
            f"with --name {found.get('name')}, or choose another --data folder",
            name=found.get("name"),
        )
    identity = Identity(
        host_id=found.get("host_id") or new_host_id(),
        name=name,
        boots=int(found.get("boots", 0)) + 1,
        generation=max(int(found.get("generation", 0)) + 1, int(now * 1000)),
    )
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [
                ("host_id", identity.host_id),
                ("name", identity.name),
                ("boots", str(identity.boots)),
                ("generation", str(identity.generation)),
            ],
        )
    return identity


def _check(
    connection: sqlite3.Connection, spool: Spool, now: float
) -> tuple[dict[str, ClassManifest], tuple[Problem, ...]]:
    """Set damaged rows aside, drop manifests of no row, sweep the spool; return what is left."""
    tolerate_any_text(connection)
    manifests = load_manifests(connection)
    set_damaged_aside(connection, manifests, now)
    # a damaged manifest stays beside the rows that were set aside for it
    unused = "digest NOT IN (SELECT manifest FROM paglets)"
    if not connection.execute("SELECT 1 FROM set_aside LIMIT 1").fetchone():
        connection.execute(f"DELETE FROM manifests WHERE {unused}")  # noqa: S608 - our own text
    problems = list_problems(connection, now)
    problems += _sweep(connection, spool, now)
    return manifests, tuple(problems)


def _sweep(connection: sqlite3.Connection, spool: Spool, now: float) -> list[Problem]:
    owners: dict[str, str] = {}
    named: Counter[str] = Counter()
    rows = "SELECT agent_id, spools FROM paglets WHERE spools IS NOT NULL"
    for agent_id, spools in connection.execute(rows):
        for spool_name in spools.split("\n"):
            named[spool_name] += 1
            owners[spool_name] = agent_id
    kept = set_aside_contents(connection)
    missing = spool.sweep(
        named, is_kept=lambda file_name: any(file_name.encode() in content for content in kept)
    )
    return [
        Problem(
            "spool", file_name, f"the file is missing; paglet {owners[file_name]} needs it", now
        )
        for file_name in missing
    ]
