"""Commits of a paglet's row: state, memory of message ids and stored queue are one value.

Every driver saves through here, so that what a message did, that it was handled, and its place in
the stored queue are always written in one transaction.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paglets.model.enums import PagletStatus
from paglets.model.errors import LifecycleError
from paglets.runtime.roster import LocalPaglet
from paglets.store.rows import Blob, PagletRow
from paglets.store.spool import Spool
from paglets.store.store import Store
from paglets.store.writes import (
    DeleteMessages,
    Expect,
    PutRow,
    RememberOutcome,
    StaleWriteError,
    Write,
)
from paglets.wire.calls import Snapshot


class Commits:
    """Writes rows of this host's paglets. One per host, used from its loop."""

    def __init__(self, store: Store, spool: Spool) -> None:
        self._store = store
        self.spool = spool

    async def blob(self, snapshot: Snapshot) -> Blob:
        """Return a snapshot as a blob: inline, or synced in the spool and verified.

        Raises:
            StorageFullError: The disk has no room.
        """
        if snapshot.path is None:
            return Blob.inline(snapshot.data or b"")
        path = Path(snapshot.path)
        return await self.spool.seal(path, size=snapshot.size, sha256=snapshot.sha256 or None)

    async def save(
        self,
        paglet: LocalPaglet,
        snapshot: Snapshot | None,
        *,
        changes: Mapping[str, object] | None = None,
        writes: Sequence[Write] = (),
        label: str | None = None,
        only: PagletStatus | None = None,
    ) -> None:
        """Commit the paglet's state with everything that was decided along with it.

        Args:
            paglet: Whose row; updated in memory once the commit is durable.
            snapshot: The new state; None keeps the last one.
            changes: Other fields of the row.
            writes: Further writes of the same transaction.
            label: Failpoint inside the transaction.
            only: Status that the row must still have once it is its turn to be written.

        Raises:
            StorageFullError: The disk has no room; nothing was written.
            LifecycleError: The row has another status than `only`, or is gone.
        """
        async with paglet.committing:
            if only is not None:
                require_status(paglet, only)
            present = paglet.row
            row = replace(present, changed_at=time.time(), **(changes or {}))  # type: ignore[arg-type]  # fields by name
            if snapshot is not None:
                row = replace(row, state=await self.blob(snapshot))
            await self.put(paglet, present, row, writes=writes, label=label)

    async def put(
        self,
        paglet: LocalPaglet,
        present: PagletRow,
        row: PagletRow,
        *,
        writes: Sequence[Write] = (),
        label: str | None = None,
    ) -> None:
        """Replace `present` by `row`, with what the paglet remembers and has handled since.

        Raises:
            StorageFullError: The disk has no room; nothing was written.
            LifecycleError: The row is not what this host thinks it is: disposed meanwhile.
        """
        remembered, handled = paglet.unsaved, paglet.unsaved_done
        paglet.unsaved, paglet.unsaved_done = [], []
        bundle: list[Write] = [PutRow(row, Expect(present.status, present.epoch)), *writes]
        bundle.extend(RememberOutcome(record) for record in remembered)
        if handled:
            bundle.append(DeleteMessages(row.agent_id, tuple(handled)))
        try:
            await self._store.commit(*bundle, label=label)
        except BaseException as error:
            paglet.unsaved[:0] = remembered
            paglet.unsaved_done[:0] = handled
            if isinstance(error, StaleWriteError):
                raise LifecycleError(
                    f"{row.agent_id} changed meanwhile: {error.found}", agent_id=row.agent_id
                ) from error
            raise
        paglet.become(lean(row))

    def load(self, paglet: LocalPaglet) -> Blob:
        """Return the committed state of a paglet: its bytes, or where in the spool they are."""
        state = paglet.row.state
        return state if state.is_loaded else self._store.state(paglet.agent_id)


def lean(row: PagletRow) -> PagletRow:
    """Return `row` as it is kept in memory: an inline state stays on disk."""
    if row.state.data is None:
        return row
    return replace(row, state=Blob(row.state.size, ""))


def require_status(paglet: LocalPaglet, *statuses: PagletStatus) -> None:
    """Raise LifecycleError where a paglet was disposed or its status changed meanwhile."""
    if paglet.is_gone:
        raise LifecycleError(f"{paglet.agent_id} was disposed", agent_id=paglet.agent_id)
    if paglet.row.status not in statuses:
        raise LifecycleError(
            f"{paglet.agent_id} became {paglet.row.status} meanwhile",
            agent_id=paglet.agent_id,
            agent_status=str(paglet.row.status),
        )
