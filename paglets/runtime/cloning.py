"""Copying a paglet, on this host or to another one: a clone is promised and carried like a move.

The clone's id is chosen, and its row committed, before anything is sent, so that a repeat cannot
make two. No queue, no remembered ids and no leases travel; the original goes on.
"""

import time
from dataclasses import replace

from paglets.failpoints import failpoint_async
from paglets.model.enums import (
    ArrivalMode,
    EnvelopeKind,
    Hook,
    PagletStatus,
    Verb,
)
from paglets.model.errors import (
    PagletsError,
)
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.idempotency import CallOutcome, Keeper, Resolver, require_address
from paglets.runtime.lifecycle import MOVABLE, source_record
from paglets.runtime.owed import run_hook
from paglets.runtime.packing import Packer, clone_event
from paglets.runtime.quiescing import Taken
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.targets import Targets
from paglets.runtime.unpacking import Unpacker
from paglets.store.rows import Due, PagletRow
from paglets.store.writes import PutRow, PutTransfer


class Clones:
    """Clones paglets of one host; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        courier: Courier,
        targets: Targets,
        packer: Packer,
        unpacker: Unpacker,
        settled: Resolver,
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._commits = common.commits
        self._activity = common.activity
        self._quiescer = common.quiescer
        self._courier = courier
        self._targets = targets
        self._packer = packer
        self._unpacker = unpacker
        self._recorder = common.recorder
        self._once = common.once
        self._settled = settled
        self._timeouts = common.timeouts

    async def clone(
        self,
        agent_id: str,
        ticket: TransferTicket | None,
        *,
        clone_agent_id: str | None,
        key: str | None,
    ) -> PagletProxyRef:
        """Copy a paglet, here (no ticket) or to another host, under a new id.

        Raises:
            TransferError: The target refused it or cannot be reached; there is no clone.
            MoveInDoubtError: Not known yet whether there is one; carries its `agent_id`.
        """

        async def work(keep: Keeper) -> PagletProxyRef:
            paglet = self._roster.get(agent_id)
            paglet.require_movable(Verb.CLONE)
            await paglet.ready(timeout=self._timeouts.hook)
            paglet.require(Verb.CLONE, *MOVABLE, story=self._recorder.story(agent_id))
            clone_id = clone_agent_id or new_id()
            self._roster.require_free(clone_id)
            if ticket is None:
                target = self._roster.me
            else:
                target = await self._targets.check(paglet.row, ticket)
            return await self._copy(paglet, clone_id, target, ticket, keep)

        return require_address(await self._once.run(key, work, self._settled))

    async def _copy(
        self,
        paglet: LocalPaglet,
        clone_id: str,
        target: PeerAddress,
        ticket: TransferTicket | None,
        keep: Keeper,
    ) -> PagletProxyRef:
        source = self._roster.ref(paglet)
        event = clone_event(source, clone_id, self._roster.me, target)
        if paglet.link is not None:
            taken = await self._quiescer.clone_state(paglet, event)
        else:
            taken = Taken(self._commits.load(paglet))
        state = taken.state or self._commits.load(paglet)
        row = PagletRow(
            agent_id=clone_id,
            birth_id=new_id(),
            manifest=paglet.row.manifest,
            status=PagletStatus.ACTIVE,
            state=state,
            files=taken.files,
            created_at=time.time(),
            changed_at=time.time(),
        )
        if target.host_id == self._roster.me.host_id:
            with self._roster.alone(row.manifest, clone_id):
                ref = await self._clone_here(row, event, ticket, keep)
        else:
            ref = await self._clone_there(row, source, target, ticket, keep)
        await self._cloned(paglet, event)
        return ref

    async def _clone_here(
        self, row: PagletRow, event: bytes, ticket: TransferTicket | None, keep: Keeper
    ) -> PagletProxyRef:
        inactive = ticket is not None and ticket.arrival_mode is ArrivalMode.INACTIVE
        row = replace(
            row,
            due=Due(Hook.ON_CLONE.value, event),
            status=PagletStatus.INACTIVE if inactive else PagletStatus.ACTIVE,
        )
        ref = self._roster.here(row)
        await self._unpacker.place(row.agent_id, row.files)
        row = replace(row, files=())
        await self._store.commit(PutRow(row, None), *keep.writes(CallOutcome(ref=ref)))
        clone = self._roster.put(row)
        await failpoint_async("create.after_commit")
        if not inactive:
            self._activity.start_later(clone, "clone")
        self._recorder.record("clone", "cloned here", agent_id=row.agent_id)
        return ref

    async def _clone_there(
        self,
        row: PagletRow,
        source: PagletProxyRef,
        target: PeerAddress,
        ticket: TransferTicket | None,
        keep: Keeper,
    ) -> PagletProxyRef:
        transfer_id = new_id()
        row = replace(row, status=PagletStatus.CLONING, transfer_id=transfer_id, peer=target)
        row = self._packer.pack_clone(
            row, ticket or TransferTicket(destination=target.name), source
        )
        now = time.time()
        record = source_record(
            row,
            target,
            transfer_id,
            kind=EnvelopeKind.CLONE,
            not_after=now + self._timeouts.not_after,
            now=now,
        )
        kept = keep.writes(CallOutcome(transfer_id=transfer_id))
        await self._store.commit(PutRow(row, None), PutTransfer(record), *kept)
        clone = self._roster.put(row)
        await failpoint_async("clone.after_cloning")
        errand = self._courier.carry(clone, record, is_fresh=True)
        return await self._courier.wait(errand, timeout=self._timeouts.outcome)

    async def _cloned(self, paglet: LocalPaglet, event: bytes) -> None:
        link = paglet.link
        if link is None or Hook.ON_CLONED.value not in paglet.row.manifest.hooks:
            return
        try:
            await run_hook(link, Hook.ON_CLONED, event, timeout=self._timeouts.hook)
        except PagletsError as error:
            self._recorder.record(
                "hook", f"on_cloned failed: {error}", agent_id=paglet.agent_id, level="error"
            )
