"""Writes to the store, as values: decided by pure code, applied in one transaction.

Every write to a row names the (status, epoch) it expects, or that the row must be absent; where
that does not hold nothing of the whole transaction is done, and `StaleWriteError` names the write.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from paglets.model.enums import PagletStatus, TransferOutcome
from paglets.model.refs import Epoch
from paglets.store.rows import (
    PagletRow,
    QueuedMessage,
    RememberedCall,
    RememberedOutcome,
    TransferRow,
)


class Expect(NamedTuple):
    """What a row must be for a write to happen."""

    status: PagletStatus
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class PutRow:
    """Insert or replace a paglet's row."""

    row: PagletRow
    expect: Expect | None
    """None: there must be no row of this agent id."""


@dataclass(frozen=True, slots=True)
class DeleteRow:
    """Remove a paglet's row, its queued messages and remembered outcomes."""

    agent_id: str
    expect: Expect


@dataclass(frozen=True, slots=True)
class PutTransfer:
    """Insert a transfer record, which must be absent."""

    record: TransferRow


@dataclass(frozen=True, slots=True)
class SettleTransfer:
    """Set the outcome of a record that is still undecided, or mark it settled.

    A record that already has this outcome is left alone; one with the other outcome is stale.
    """

    transfer_id: str
    outcome: TransferOutcome
    at: float
    settled: bool
    """Whether both sides have settled: starts the 24 h after which it may be forgotten."""
    reason: bytes | None = None


@dataclass(frozen=True, slots=True)
class PutMessages:
    """Append messages to the stored queues of their paglets; known message ids are left alone."""

    messages: tuple[QueuedMessage, ...]


@dataclass(frozen=True, slots=True)
class DeleteMessages:
    """Remove stored messages of a paglet: those named, or all."""

    agent_id: str
    message_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RememberOutcome:
    """Insert or replace a remembered outcome."""

    record: RememberedOutcome


@dataclass(frozen=True, slots=True)
class RememberCall:
    """Insert the outcome of an idempotent call; a known key is left alone unless replaced."""

    record: RememberedCall
    replace: bool = False


Write: TypeAlias = (
    PutRow
    | DeleteRow
    | PutTransfer
    | SettleTransfer
    | PutMessages
    | DeleteMessages
    | RememberOutcome
    | RememberCall
)


class StaleWriteError(Exception):
    """An expectation of a transaction did not hold; nothing of the whole transaction was done.

    Internal to the host: whoever decided the write decides again from the present row.
    """

    def __init__(self, write: Write, found: str) -> None:
        super().__init__(f"{type(write).__name__} is stale: found {found}")
        self.write = write
        """The write whose expectation failed."""
        self.found = found
        """What was there instead, for the log."""
