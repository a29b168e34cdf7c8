"""The host's durable memory: commits that are on disk when they return, and reads of what is.

Opened once when the host starts, before anything else of it. All decisions are made elsewhere
(`runtime/lifecycle.py`) and come as `Write` values; this applies them or none of them. Neighbours:
`writer.py` groups commits, `apply.py` is their SQL, `spool.py` holds large bodies.
"""

import asyncio
import functools
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

from paglets.model.enums import TransferRole
from paglets.model.errors import DamagedError, PagletNotFoundError
from paglets.store.apply import (
    Applier,
    SpoolChanges,
    decode_transfer,
    message_checksum,
    refuse_set_aside,
    require_writable,
)
from paglets.store.ballast import Ballast
from paglets.store.codec import RowColumns, decode_manifest, decode_row, decode_state_blob, verify
from paglets.store.damage import Problem
from paglets.store.expiry import Forgotten, forget
from paglets.store.folder import FolderLock, make_folder, sync_folder
from paglets.store.opening import BALLAST, DATABASE, SPOOL, Findings, prepare
from paglets.store.rows import (
    Blob,
    PagletRow,
    QueuedMessage,
    RememberedCall,
    RememberedOutcome,
    TransferRow,
)
from paglets.store.schema import connect
from paglets.store.spool import Spool
from paglets.store.writer import GroupWriter, Job
from paglets.store.writes import Write

_CLOSE_TIMEOUT = 30.0
"""Seconds a slow disk has for the last commits."""

_ROW = "SELECT " + ", ".join(RowColumns._fields) + " FROM paglets"  # noqa: S608 - our names
_MESSAGE = "SELECT agent_id, message_id, priority, body, sequence, crc FROM messages"


class Store:
    """One host's store. Reads and commits are called on the host's event loop.

    Reads see every commit that has returned. Those that are not async read a few pages and block
    the loop no longer than that; states over 256 KiB are in `spool`, whose reads are async.
    """

    def __init__(
        self, folder: Path, lock: FolderLock, spool: Spool, ballast: Ballast, found: Findings
    ) -> None:
        self.folder = folder
        self.spool = spool
        """Bodies that rows name; its part files are for arriving ones."""
        self.host_id = found.identity.host_id
        """Made with the folder; what other hosts know it by."""
        self.name = found.identity.name
        self.boots = found.identity.boots
        """How many times the folder was opened, this time included."""
        self.generation = found.identity.generation
        """Grows with every start, also of a new folder of the same name."""
        self.problems: tuple[Problem, ...] = found.problems
        """Damage found at this start, and what is still set aside from former ones."""
        self._lock = lock
        self._manifests = dict(found.manifests)
        path = folder / DATABASE
        self._sql = connect(path, writing=False)
        self._bulk_sql = connect(path, writing=False)
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        connection = connect(path, writing=True)
        self._connection = connection
        self._applier = Applier(connection, spool.has)
        self._writer = GroupWriter(connection, ballast, spool.apply_changes)

    @classmethod
    def open(cls, folder: Path, *, name: str, now: Callable[[], float]) -> Self:
        """Open a data folder, making it if it is absent; called first when a host starts.

        Sets damaged rows aside (`problems`), sweeps the spool and counts the start.

        Args:
            folder: `<data>`, for this user only.
            name: Of the host; the folder keeps the one it was made with.
            now: Returns Unix seconds.

        Raises:
            UnavailableError: Another host uses the folder; `pid` names its process.
            ConflictError: The folder belongs to a host of another name, or to a newer version.
            DamagedError: The file as a whole is damaged; nothing was changed.
            StorageFullError: The disk has no room even for the start.
        """
        make_folder(folder)
        lock = FolderLock.take(folder)
        try:
            spool = Spool(folder / SPOOL)
            ballast = Ballast(folder / BALLAST)
            found = prepare(folder, name, ballast, spool, now())
            ballast.ensure()
            sync_folder(folder)
            return cls(folder, lock, spool, ballast, found)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Write what is queued, then let another host open the folder. May be called again.

        Blocks for as long as the last commits take, at most 30 s; what is asked for afterwards
        fails as unavailable.

        Raises:
            UnavailableError: The disk did not answer in time.
        """
        self._writer.close(timeout=_CLOSE_TIMEOUT)
        self._bulk.shutdown(wait=True)
        self.spool.close()
        for connection in (self._sql, self._bulk_sql, self._connection):
            connection.close()
        self._lock.release()

    @property
    def transactions(self) -> int:
        """Transactions synced since the start: one serves many commits."""
        return self._writer.transactions

    @property
    def commits(self) -> int:
        """Commits that are on disk since the start."""
        return self._writer.commits

    @property
    def failure(self) -> str | None:
        """Why nothing can be written any more until a restart; None while all is well."""
        return self._writer.failure

    async def commit(
        self,
        *writes: Write,
        essential: bool = False,
        label: str | None = None,
        patient: bool = False,
    ) -> None:
        """Apply all of `writes`, in their order, or none; on disk when this returns.

        Cancelling the caller does not undo or stop it.

        Args:
            writes: What to do; see `writes.py` for what each expects.
            essential: The write settles a move: it may take the room kept for that (ballast).
            label: A failpoint to pass inside the transaction, just before it is committed.
            patient: Nobody waits for the end: it may wait a moment for another to share its sync.

        Raises:
            StaleWriteError: An expectation does not hold; nothing was done.
            StorageFullError: The disk is full; nothing was done.
            DamagedError: A row is damaged or a spool file missing, and nothing was done; or the
                disk failed (`failure`): whether it was done is known after a restart.
            UnavailableError: The store is closed, or another program holds it.
            ValueError: A write is one that no store could do; a defect of the caller.
        """
        for write in writes:
            require_writable(write)
        if writes:
            work = functools.partial(self._applier.apply_all, writes)
            await self._submit(work, essential, label, patient=patient)

    async def forget_expired(self, now: float) -> Forgotten:
        """Delete what the protocols no longer need; called every few minutes.

        Args:
            now: Unix seconds.

        Raises:
            StorageFullError: The disk is full; nothing was deleted.
        """
        done: list[Forgotten] = []

        def work() -> SpoolChanges:
            forgotten, changes = forget(self._connection, now)
            done.append(forgotten)
            return changes

        await self._submit(work, essential=False, label=None)
        return done[-1]

    async def _submit(
        self,
        work: Callable[[], SpoolChanges],
        essential: bool,
        label: str | None,
        *,
        patient: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._writer.submit(Job(work, essential, label, future, loop, patient))
        await future

    def all_rows(self, *, with_state: bool = False) -> list[PagletRow]:
        """Return every paglet's row, oldest agent id first; called when a host starts.

        Args:
            with_state: Load inline states too; else see `Blob.is_loaded`.

        Raises:
            DamagedError: A row became damaged since the start.
        """
        rows = [self._row(RowColumns(*found)) for found in self._sql.execute(f"{_ROW} ORDER BY 1")]
        if not with_state:
            return rows
        return [replace(row, state=self.state(row.agent_id)) for row in rows]

    def row(self, agent_id: str) -> PagletRow | None:
        """Return a paglet's row without its inline state (`Blob.is_loaded`), None if there is none.

        Raises:
            DamagedError: It is not what was written.
        """
        found = self._sql.execute(f"{_ROW} WHERE agent_id = ?", (agent_id,)).fetchone()
        return None if found is None else self._row(RowColumns(*found))

    def _row(self, columns: RowColumns) -> PagletRow:
        manifest = self._manifests.get(columns.manifest)
        if manifest is None:
            (body,) = self._sql.execute(
                "SELECT body FROM manifests WHERE digest = ?", (columns.manifest,)
            ).fetchone()
            manifest = decode_manifest(columns.manifest, body)
            self._manifests[columns.manifest] = manifest
        return decode_row(columns, manifest)

    def state(self, agent_id: str) -> Blob:
        """Return a paglet's state: inline bytes, verified, or a blob that `spool` reads.

        Raises:
            PagletNotFoundError: There is no row.
            DamagedError: The bytes are not what was written.
        """
        found = self._sql.execute(
            "SELECT body, state, state_crc FROM paglets WHERE agent_id = ?", (agent_id,)
        ).fetchone()
        if found is None:
            raise PagletNotFoundError(f"no paglet {agent_id} is stored on host {self.name}")
        body, state, crc = found
        if state is None:
            return decode_state_blob(body, what=f"row of paglet {agent_id}")
        verify(crc, state, what=f"state of paglet {agent_id}")
        return Blob.inline(state)

    def transfers(
        self, *, agent_id: str | None = None, role: TransferRole | None = None
    ) -> list[TransferRow]:
        """Return transfer records, those of one paglet or one side if asked for.

        Raises:
            DamagedError: A record became damaged since the start.
        """
        rows = self._sql.execute(
            "SELECT transfer_id, body, crc FROM transfers"
            " WHERE (?1 IS NULL OR agent_id = ?1) AND (?2 IS NULL OR role = ?2)",
            (agent_id, role),
        )
        return [decode_transfer(*found) for found in rows]

    def transfer(self, transfer_id: str) -> TransferRow | None:
        """Return the record of a transfer, None if there never was one here.

        Raises:
            DamagedError: The record is damaged or set aside; its outcome is not known.
        """
        found = self._sql.execute(
            "SELECT transfer_id, body, crc FROM transfers WHERE transfer_id = ?", (transfer_id,)
        ).fetchone()
        if found is None:
            refuse_set_aside(self._sql, transfer_id)
            return None
        return decode_transfer(*found)

    async def messages(self, agent_id: str) -> list[QueuedMessage]:
        """Return a paglet's stored messages in the order they are to be delivered.

        Raises:
            DamagedError: One is not what was written.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._bulk, lambda: list(self._messages(self._bulk_sql, agent_id))
        )

    def queue_size(self, agent_id: str) -> tuple[int, int]:
        """Return how many messages are stored for a paglet, and their bytes."""
        found = self._sql.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM messages WHERE agent_id = ?",
            (agent_id,),
        )
        count, size = found.fetchone()
        return int(count), int(size)

    def messages_of_all(self) -> dict[str, list[QueuedMessage]]:
        """Return all stored messages by agent id; called when a host starts.

        Raises:
            DamagedError: One became damaged since the start.
        """
        by_agent: dict[str, list[QueuedMessage]] = {}
        for message in self._messages(self._sql, None):
            by_agent.setdefault(message.agent_id, []).append(message)
        return by_agent

    @staticmethod
    def _messages(connection: sqlite3.Connection, agent_id: str | None) -> Iterator[QueuedMessage]:
        where, values = ("", ()) if agent_id is None else (" WHERE agent_id = ?", (agent_id,))
        rows = connection.execute(f"{_MESSAGE}{where} ORDER BY sequence", values)
        for *columns, crc in rows:
            message = _message(*columns)
            if message_checksum(message) != crc:
                raise DamagedError(f"stored message {message.message_id} is not what was written")
            yield message

    def outcomes(self, agent_id: str) -> list[RememberedOutcome]:
        """Return the message outcomes remembered for a paglet, the first to expire first.

        Raises:
            DamagedError: One is not what was written.
        """
        outcomes = []
        for message_id, expires_at, body, crc in self._sql.execute(
            "SELECT message_id, expires_at, body, crc FROM outcomes WHERE agent_id = ?"
            " ORDER BY expires_at, message_id",
            (agent_id,),
        ):
            verify(crc, agent_id, message_id, body, what=f"outcome of message {message_id}")
            outcomes.append(
                RememberedOutcome(
                    agent_id=agent_id, message_id=message_id, outcome=body, expires_at=expires_at
                )
            )
        return outcomes

    def call(self, key: str) -> RememberedCall | None:
        """Return the outcome of the call with this Idempotency-Key, None if it is not known.

        Raises:
            DamagedError: It is not what was written.
        """
        found = self._sql.execute(
            "SELECT expires_at, body, crc FROM calls WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        expires_at, body, crc = found
        verify(crc, key, body, what=f"outcome of call {key}")
        return RememberedCall(key=key, outcome=body, expires_at=expires_at)


def _message(
    agent_id: str, message_id: str, priority: int, body: bytes, sequence: int
) -> QueuedMessage:
    return QueuedMessage(
        agent_id=agent_id, message_id=message_id, priority=priority, body=body, sequence=sequence
    )
