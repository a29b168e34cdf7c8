"""What a starting host does with the rows it finds: start, carry on, or leave alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from paglets.model.enums import Launched, PagletStatus, TransferOutcome, TransferRole
from paglets.model.errors import PagletsError
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.fencing import Fencing
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.leftovers import find_leftovers, remove
from paglets.runtime.lifecycle import PROMISED
from paglets.runtime.ownership import Recovery, decide_recovery
from paglets.runtime.roster import LocalPaglet
from paglets.store.rows import PagletRow

_FENCE_TIMEOUT = 2.0
"""Seconds that peers have, before rows start, to say that they own one at a higher epoch."""


class Restorer:
    """Brings the rows of one host back to life when it starts; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        inactivity: Inactivity,
        courier: Courier,
        fencing: Fencing,
        rolled_back: Callable[[], bool],
        work: Path,
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._activity = common.activity
        self._inactivity = inactivity
        self._courier = courier
        self._fencing = fencing
        self._recorder = common.recorder
        self._rolled_back = rolled_back
        self._work = work
        self._leftovers: list[Path] = []

    def load(self) -> None:
        """Take every row into memory; messages for them wait from now on."""
        for row in self._store.all_rows():
            paglet = self._roster.put(row)
            paglet.remembered.update(
                {kept.message_id: kept for kept in self._store.outcomes(row.agent_id)}
            )
            if not _is_resident(row) and decide_recovery(row, rolled_back=False) == Recovery.START:
                paglet.restart_pending = row.status is PagletStatus.CRASHED
                paglet.starting = asyncio.get_running_loop().create_future()
        for problem in self._store.problems:
            self._recorder.record(
                "damage", f"{problem.source} {problem.key}: {problem.reason}", level="error"
            )
        here = {p.agent_id for p in self._roster if p.row.status is not PagletStatus.MOVED}
        self._leftovers = find_leftovers(self._work, here)

    async def run(self) -> None:
        """Settle what is in doubt and start what is to run, after asking peers who owns it."""
        self._resume_transfers()
        self._hand_over()
        paglets = [
            paglet
            for paglet in self._roster
            if paglet.resident is None and not _is_resident(paglet.row)
        ]
        await self._fencing.compare_all(timeout=_FENCE_TIMEOUT)
        rolled_back = self._rolled_back()
        await asyncio.gather(*(self._restore(paglet, rolled_back) for paglet in paglets))
        await asyncio.to_thread(remove, self._leftovers)

    def _resume_transfers(self) -> None:
        for record in self._store.transfers(role=TransferRole.SOURCE):
            if record.outcome is TransferOutcome.UNDECIDED:
                paglet = self._roster.find(record.agent_id)
                if paglet is not None and paglet.row.transfer_id == record.transfer_id:
                    self._courier.carry(paglet, record, is_fresh=False)
            elif record.settled_at is None:
                self._courier.confirm(record)

    def _hand_over(self) -> None:
        """Go on with messages that were to be handed over when the host went."""
        for agent_id in self._store.messages_of_all():
            paglet = self._roster.find(agent_id)
            if paglet is not None and paglet.row.status is PagletStatus.MOVED:
                self._fencing.superseded(paglet)

    async def _restore(self, paglet: LocalPaglet, rolled_back: bool) -> None:
        try:
            await self._start_or_hold(paglet, rolled_back)
        except PagletsError as error:
            if not paglet.crashes:
                # Not started at all, so nothing has planned another restart.
                paglet.restart_pending = False
            self._recorder.record(
                "recover",
                f"did not start: {error.message}",
                agent_id=paglet.agent_id,
                level="error",
            )
        finally:
            if paglet.starting is not None and not paglet.starting.done():
                paglet.starting.set_result(None)
                paglet.starting = None

    async def _start_or_hold(self, paglet: LocalPaglet, rolled_back: bool) -> None:
        plan = decide_recovery(paglet.row, rolled_back=rolled_back)
        if plan == Recovery.START:
            is_asleep = paglet.row.status is PagletStatus.INACTIVE
            reason = "startup" if is_asleep else "recovered"
            await self._activity.revive(paglet, reason)
        elif plan == Recovery.HOLD:
            await self._activity.hold(
                paglet,
                "the data folder was restored from an older copy: `paglets transfer "
                f"resolve {paglet.agent_id} --resume --yes` starts it, if nobody else has it",
            )
        elif plan == Recovery.LEAVE:
            self._inactivity.set_timer(paglet)


def _is_resident(row: PagletRow) -> bool:
    """Whether `residents.py` decides about a row: residents never move, so no peer is asked."""
    return row.launched is Launched.RESIDENT and row.status not in PROMISED
