"""One write after the other, as SQL inside the writer's transaction.

Expectations are checked here, against the rows as the transaction sees them. Not here: when a
transaction begins and ends, and what becomes of its failure (`writer.py`).
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from paglets.model.enums import PagletStatus, TransferOutcome
from paglets.model.errors import DamagedError
from paglets.model.refs import Epoch
from paglets.store.codec import (
    ManifestEncoder,
    blobs_of,
    checksum,
    decode,
    decode_state_blob,
    encode,
    encode_row,
    verify,
)
from paglets.store.rows import INLINE_LIMIT, Blob, PagletRow, QueuedMessage, TransferRow
from paglets.store.writes import (
    DeleteMessages,
    DeleteRow,
    Expect,
    PutMessages,
    PutRow,
    PutTransfer,
    RememberCall,
    RememberOutcome,
    SettleTransfer,
    StaleWriteError,
    Write,
)


@dataclass(slots=True)
class SpoolChanges:
    """Spool files that the rows of one transaction name, and those they no longer name."""

    named: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Present:
    """What the transaction found under an agent id."""

    expect: Expect
    spools: str | None
    body: bytes


def require_writable(write: Write) -> None:
    """Check what no store could write, before anything is queued.

    Raises:
        ValueError: An inline blob is over `INLINE_LIMIT`, a new row has a state that is not
            loaded, or a settlement decides nothing. A defect of the caller.
    """
    if isinstance(write, PutRow):
        if any(len(blob.data or b"") > INLINE_LIMIT for blob in blobs_of(write.row)):
            raise ValueError(f"an inline blob holds at most {INLINE_LIMIT} bytes: spool it")
        if write.expect is None and not write.row.state.is_loaded:
            raise ValueError("a new row needs its state; this one's is not loaded")
        if not all(blob.is_loaded for _, blob in write.row.files):
            raise ValueError("a file of the row has neither bytes nor a spool file")
    elif isinstance(write, SettleTransfer) and write.outcome is TransferOutcome.UNDECIDED:
        raise ValueError("a transfer is settled as accepted or refused")


class Applier:
    """Applies writes to one connection; used by the writer thread only."""

    def __init__(self, connection: sqlite3.Connection, is_spooled: Callable[[Blob], bool]) -> None:
        self._sql = connection
        self._is_spooled = is_spooled
        self._manifests = ManifestEncoder()

    def apply_all(self, writes: Sequence[Write]) -> SpoolChanges:
        """Apply `writes` in order, inside the transaction that is open.

        Raises:
            StaleWriteError: An expectation does not hold; the caller rolls back.
            DamagedError: A row to be changed is damaged, or a spool file to be named is missing.
        """
        changes = SpoolChanges()
        for write in writes:
            self._apply(write, changes)
        return changes

    def _apply(self, write: Write, changes: SpoolChanges) -> None:
        match write:
            case PutRow():
                self._put_row(write, changes)
            case DeleteRow():
                present = self._require(write, write.agent_id, write.expect)
                delete_paglet(self._sql, write.agent_id)
                changes.dropped += split_names(present.spools)
            case PutTransfer():
                self._put_transfer(write)
            case SettleTransfer():
                self._settle(write)
            case PutMessages():
                self._put_messages(write)
            case DeleteMessages():
                self._delete_messages(write)
            case RememberOutcome(record):
                self._sql.execute(
                    "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?)",
                    (
                        record.agent_id,
                        record.message_id,
                        record.expires_at,
                        record.outcome,
                        checksum(record.agent_id, record.message_id, record.outcome),
                    ),
                )
            case RememberCall(call, replaces):
                self._sql.execute(
                    _REPLACE_CALL if replaces else _INSERT_CALL,
                    (call.key, call.expires_at, call.outcome, checksum(call.key, call.outcome)),
                )
            case _:
                assert_never(write)

    def _find(self, agent_id: str) -> _Present | None:
        found = self._sql.execute(
            "SELECT status, term, hops, spools, body FROM paglets WHERE agent_id = ?", (agent_id,)
        ).fetchone()
        if found is None:
            return None
        status, term, hops, spools, body = found
        return _Present(Expect(PagletStatus(status), Epoch(term, hops)), spools, body)

    def _require(self, write: Write, agent_id: str, expect: Expect) -> _Present:
        present = self._find(agent_id)
        if present is None:
            raise StaleWriteError(write, "no row")
        if present.expect != expect:
            raise StaleWriteError(write, f"{present.expect.status} at {present.expect.epoch}")
        return present

    def _put_row(self, write: PutRow, changes: SpoolChanges) -> None:
        row = write.row
        if write.expect is None:
            present = self._find(row.agent_id)
            if present is not None:
                raise StaleWriteError(write, f"{present.expect.status} at {present.expect.epoch}")
            old_names: list[str] = []
        else:
            present = self._require(write, row.agent_id, write.expect)
            old_names = split_names(present.spools)
        keeps_state = present is not None and not row.state.is_loaded
        if present is not None and keeps_state:
            kept = decode_state_blob(present.body, what=f"row of paglet {row.agent_id}")
            row = replace(row, state=kept)
        names = [blob.spool for blob in blobs_of(row) if blob.spool is not None]
        self._require_spooled(row, known=set(old_names))
        self._write_row(row, names, is_new=present is None, keeps_state=keeps_state)
        changes.named += names
        changes.dropped += old_names

    def _require_spooled(self, row: PagletRow, known: set[str]) -> None:
        for blob in blobs_of(row):
            if blob.spool is not None and blob.spool not in known and not self._is_spooled(blob):
                raise DamagedError(
                    f"spool file {blob.spool} of paglet {row.agent_id} is missing or cut short"
                )

    def _write_row(
        self, row: PagletRow, names: list[str], *, is_new: bool, keeps_state: bool
    ) -> None:
        manifest = self._manifests.encode(row.manifest)
        self._sql.execute("INSERT OR IGNORE INTO manifests VALUES (?, ?)", manifest)
        body = encode_row(row)
        values = {
            "agent_id": row.agent_id,
            "status": row.status,
            "term": row.epoch.term,
            "hops": row.epoch.hops,
            "transfer_id": row.transfer_id,
            "changed_at": row.changed_at,
            "manifest": manifest.digest,
            "spools": "\n".join(names) or None,
            "body": body,
            "crc": checksum(row.agent_id, manifest.digest, body),
            "state": row.state.data,
            "state_crc": checksum(row.state.data or b""),
        }
        update = _UPDATE_ROW if keeps_state else _UPDATE_ROW_AND_STATE
        self._sql.execute(_INSERT_ROW if is_new else update, values)

    def _put_transfer(self, write: PutTransfer) -> None:
        record = write.record
        refuse_set_aside(self._sql, record.transfer_id)
        body = encode(record)
        added = self._sql.execute(
            "INSERT OR IGNORE INTO transfers VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.transfer_id,
                record.agent_id,
                record.role,
                record.settled_at,
                body,
                checksum(record.transfer_id, body),
            ),
        )
        if added.rowcount != 1:
            raise StaleWriteError(write, "a record of this transfer")

    def _settle(self, write: SettleTransfer) -> None:
        found = self._sql.execute(
            "SELECT body, crc FROM transfers WHERE transfer_id = ?", (write.transfer_id,)
        ).fetchone()
        if found is None:
            refuse_set_aside(self._sql, write.transfer_id)
            raise StaleWriteError(write, "no record")
        record = decode_transfer(write.transfer_id, *found)
        settled = _settled(record, write)
        if settled is not record:
            body = encode(settled)
            self._sql.execute(
                "UPDATE transfers SET settled_at = ?, body = ?, crc = ? WHERE transfer_id = ?",
                (settled.settled_at, body, checksum(write.transfer_id, body), write.transfer_id),
            )

    def _put_messages(self, write: PutMessages) -> None:
        for agent_id in {message.agent_id for message in write.messages}:
            if self._find(agent_id) is None:
                raise StaleWriteError(write, f"no row of paglet {agent_id}")
        self._sql.executemany(
            "INSERT OR IGNORE INTO messages (agent_id, message_id, priority, body, crc)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (m.agent_id, m.message_id, m.priority, m.body, message_checksum(m))
                for m in write.messages
            ],
        )

    def _delete_messages(self, write: DeleteMessages) -> None:
        if write.message_ids is None:
            self._sql.execute("DELETE FROM messages WHERE agent_id = ?", (write.agent_id,))
            return
        self._sql.executemany(
            "DELETE FROM messages WHERE agent_id = ? AND message_id = ?",
            [(write.agent_id, message_id) for message_id in write.message_ids],
        )


def delete_paglet(connection: sqlite3.Connection, agent_id: str) -> None:
    """Delete a paglet's row with its stored queue and memory of message ids."""
    for table in ("paglets", "messages", "outcomes"):
        connection.execute(f"DELETE FROM {table} WHERE agent_id = ?", (agent_id,))  # noqa: S608 - fixed names


def message_checksum(message: QueuedMessage) -> int:
    """Return the checksum stored beside a queued message."""
    return checksum(message.agent_id, message.message_id, message.body)


def decode_transfer(transfer_id: str, body: bytes, crc: int) -> TransferRow:
    """Return a transfer record from its columns.

    Raises:
        DamagedError: It is not what was written.
    """
    what = f"record of transfer {transfer_id}"
    verify(crc, transfer_id, body, what=what)
    return decode(body, TransferRow, what=what)


def refuse_set_aside(connection: sqlite3.Connection, transfer_id: str) -> None:
    """Refuse to know nothing of a transfer whose record was damaged and set aside.

    Saying "unknown" would let the source resume a paglet that may live here.

    Raises:
        DamagedError: There was a record of this id.
    """
    found = connection.execute(
        "SELECT reason FROM set_aside WHERE source = 'transfers' AND key = ?", (transfer_id,)
    ).fetchone()
    if found is not None:
        raise DamagedError(
            f"record of transfer {transfer_id} was damaged and set aside ({found[0]}): its outcome "
            "is not known; settle it with `paglets transfer resolve`",
            transfer_id=transfer_id,
        )


def split_names(spools: str | None) -> list[str]:
    """Return the names in the column `spools`."""
    return spools.split("\n") if spools else []


def _settled(record: TransferRow, write: SettleTransfer) -> TransferRow:
    """Return `record` after `write`, the same object where nothing changes."""
    if record.outcome is TransferOutcome.UNDECIDED:
        record = replace(record, outcome=write.outcome, reason=write.reason)
    elif record.outcome is not write.outcome:
        raise StaleWriteError(write, record.outcome)
    if write.settled and record.settled_at is None:
        record = replace(record, settled_at=write.at)
    return record


_INSERT_CALL = "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?)"
_REPLACE_CALL = "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)"
_INSERT_ROW = """INSERT INTO paglets
    (agent_id, status, term, hops, transfer_id, changed_at, manifest, spools, body, crc,
     state_crc, state)
    VALUES (:agent_id, :status, :term, :hops, :transfer_id, :changed_at, :manifest, :spools,
     :body, :crc, :state_crc, :state)"""
_UPDATE_ROW = """UPDATE paglets SET status = :status, term = :term, hops = :hops,
    transfer_id = :transfer_id, changed_at = :changed_at, manifest = :manifest, spools = :spools,
    body = :body, crc = :crc WHERE agent_id = :agent_id"""
_UPDATE_ROW_AND_STATE = _UPDATE_ROW.replace(
    "crc = :crc", "crc = :crc, state_crc = :state_crc, state = :state"
)
