"""Transfers as people see them: listing, and settling by an operator's word."""

import asyncio
import time

from paglets.model.enums import PagletStatus, TransferOutcome, TransferRole
from paglets.model.errors import (
    InvalidRequestError,
    LifecycleError,
    PagletsError,
    TransferNotFoundError,
)
from paglets.model.refs import HostRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.commits import lean
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.fencing import Fencing
from paglets.runtime.ownership import decide_resolve
from paglets.runtime.roster import LocalPaglet
from paglets.store.rows import TransferRow
from paglets.wire.bodies import TransferInfo, TransferList

_TELL_PAUSE = 2.0
"""Seconds between attempts to tell the other side of a resolve."""
_ACTIONS = ("resume", "drop")


class Transfers:
    """Lists and resolves the transfers of one host; used from its loop."""

    def __init__(self, common: Common, *, courier: Courier, fencing: Fencing) -> None:
        self._roster = common.roster
        self._store = common.store
        self._activity = common.activity
        self._courier = courier
        self._fencing = fencing
        self._recorder = common.recorder
        self._tasks = common.tasks

    async def list(
        self,
        *,
        in_doubt: bool = False,
        role: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> TransferList:
        """Return a page of transfers by id, those in doubt only if asked.

        Raises:
            InvalidRequestError: `role` is neither `source` nor `target`.
        """
        try:
            side = None if role is None else TransferRole(role)
        except ValueError as error:
            raise InvalidRequestError(f"role is source or target, not {role!r}") from error
        found = [self._info(record) for record in self._store.transfers(role=side)]
        if in_doubt:
            found = [info for info in found if info.in_doubt]
        found.sort(key=lambda info: info.transfer_id)
        if after is not None:
            found = [info for info in found if info.transfer_id > after]
        page = tuple(found[:limit])
        following = page[-1].transfer_id if len(found) > limit else None
        return TransferList(transfers=page, next=following)

    def _info(self, record: TransferRow) -> TransferInfo:
        errand = self._courier.errands.get(record.transfer_id)
        undecided = record.outcome is TransferOutcome.UNDECIDED
        return TransferInfo(
            transfer_id=record.transfer_id,
            role=record.role.value,
            kind=record.kind.value,
            agent_id=record.agent_id,
            peer=record.peer,
            outcome=record.outcome.value,
            epoch=record.epoch,
            in_doubt=undecided and record.role is TransferRole.SOURCE,
            created_at=record.created_at,
            settled_at=record.settled_at,
            attempts=0 if errand is None else errand.attempts,
            last_error=None if errand is None else errand.last_error,
        )

    def unsettled(self) -> tuple[str, ...]:
        """Return the ids of transfers that are not settled on both sides, in either direction."""
        return tuple(
            record.transfer_id
            for record in self._store.transfers()
            if record.settled_at is None
            and (
                record.outcome is TransferOutcome.ACCEPTED
                or (
                    record.outcome is TransferOutcome.UNDECIDED
                    and record.role is TransferRole.SOURCE
                )
            )
        )

    async def resolve(self, transfer_id: str, action: str) -> TransferInfo:
        """Settle by an operator's word what the other side never will.

        Args:
            transfer_id: Of a transfer in doubt, or the agent id of a paglet held or in doubt.
            action: `resume`: the paglet lives on here, in a new term. `drop`: it is given up here.

        Raises:
            TransferNotFoundError: No such transfer or held paglet.
            LifecycleError: It is settled already.
        """
        if action not in _ACTIONS:
            raise InvalidRequestError(f"resolve takes resume or drop, not {action!r}")
        record = self._store.transfer(transfer_id)
        paglet = self._roster.find(transfer_id if record is None else record.agent_id)
        if paglet is None:
            raise TransferNotFoundError(
                f"{self._roster.me.name} has no transfer and no held paglet {transfer_id}",
                transfer_id=transfer_id,
            )
        if record is not None and record.transfer_id != paglet.row.transfer_id:
            # An earlier one of a paglet that may be in doubt again, with somebody else.
            raise LifecycleError(
                f"transfer {transfer_id} is settled ({record.outcome}); if {paglet.agent_id} is "
                f"held or in doubt now, `paglets transfer resolve {paglet.agent_id}` settles that",
                agent_id=paglet.agent_id,
                transfer_id=transfer_id,
            )
        if record is None and paglet.row.transfer_id is not None:
            record = self._store.transfer(paglet.row.transfer_id)
        await self._apply(paglet, record, resume=action == "resume")
        if record is None:
            return self._held_info(paglet)
        return self._info(self._store.transfer(transfer_id) or record)

    async def _apply(
        self, paglet: LocalPaglet, record: TransferRow | None, *, resume: bool
    ) -> None:
        async with paglet.committing:
            resolution = decide_resolve(paglet.row, resume=resume, record=record, now=time.time())
            if resolution is None:
                raise LifecycleError(
                    f"{paglet.agent_id} is {paglet.row.status}: there is nothing to resolve",
                    agent_id=paglet.agent_id,
                )
            await self._store.commit(*resolution.writes, essential=True)
            paglet.become(lean(resolution.row))
        word = "resumed here in a new term" if resume else "given up here"
        self._recorder.record(
            "resolve", f"{word} by an operator", agent_id=paglet.agent_id, level="warning"
        )
        self._courier.nudge()
        if resolution.claims and record is not None:
            peer = record.peer
            self._tasks.start(self._tell(paglet, peer), f"claim of {paglet.agent_id}")
        if resolution.resumes:
            self._activity.start_later(paglet, "recovered")

    async def _tell(self, paglet: LocalPaglet, peer: PeerAddress) -> None:
        """Tell the other side, when it appears, that its copy is superseded."""
        host = HostRef(name=peer.name, url=peer.url, host_id=peer.host_id)
        while paglet.row.status is not PagletStatus.MOVED:
            try:
                await self._fencing.compare(host, only=[paglet])
            except PagletsError:
                # Not there yet: it is asked for as long as this copy lives here.
                await asyncio.sleep(_TELL_PAUSE)
            else:
                return

    def _held_info(self, paglet: LocalPaglet) -> TransferInfo:
        return TransferInfo(
            transfer_id="",
            role=TransferRole.SOURCE.value,
            kind="dispatch",
            agent_id=paglet.agent_id,
            peer=self._roster.me,
            outcome=paglet.row.status.value,
            epoch=paglet.row.epoch,
        )
