"""Forgetting: what the protocols allow to be deleted, once its time has passed and never before."""

import sqlite3
from dataclasses import dataclass

from paglets.model.enums import PagletStatus
from paglets.store.apply import SpoolChanges, delete_paglet, split_names
from paglets.store.codec import is_launched

KEEP_SECONDS = 24 * 3600.0
"""How long a settled transfer's record and a tombstone are kept: far beyond any late repeat."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one round of forgetting deleted."""

    agent_ids: tuple[str, ...]
    """Paglets whose tombstones are gone."""
    transfer_ids: tuple[str, ...]
    """Transfers whose records are gone."""
    outcomes: int
    """Remembered outcomes of messages."""
    calls: int
    """Remembered outcomes of create and life-cycle calls."""


def forget(connection: sqlite3.Connection, now: float) -> tuple[Forgotten, SpoolChanges]:
    """Delete what has expired, inside the transaction that is open.

    A tombstone goes 24 h after the move, once its transfer is settled; a transfer's record 24 h
    after both sides had settled; what is remembered by id when it says so itself. The tombstone of
    a paglet that launch.toml names stays: the host would start a second one.
    """
    changes = SpoolChanges()
    tombstones = connection.execute(
        _TOMBSTONES, (PagletStatus.MOVED, now - KEEP_SECONDS)
    ).fetchall()
    gone = [(agent_id, spools) for agent_id, spools, body in tombstones if not is_launched(body)]
    for agent_id, spools in gone:
        delete_paglet(connection, agent_id)
        changes.dropped += split_names(spools)
    settled = (now - KEEP_SECONDS,)
    transfers = connection.execute(
        "SELECT transfer_id FROM transfers WHERE settled_at <= ?", settled
    ).fetchall()
    connection.execute("DELETE FROM transfers WHERE settled_at <= ?", settled)
    outcomes = connection.execute("DELETE FROM outcomes WHERE expires_at <= ?", (now,))
    calls = connection.execute("DELETE FROM calls WHERE expires_at <= ?", (now,))
    forgotten = Forgotten(
        agent_ids=tuple(agent_id for agent_id, _ in gone),
        transfer_ids=tuple(transfer_id for (transfer_id,) in transfers),
        outcomes=outcomes.rowcount,
        calls=calls.rowcount,
    )
    return forgotten, changes


_TOMBSTONES = """SELECT agent_id, spools, body FROM paglets WHERE status = ? AND changed_at <= ?
    AND NOT EXISTS (SELECT 1 FROM transfers
        WHERE transfers.transfer_id = paglets.transfer_id AND settled_at IS NULL)"""
