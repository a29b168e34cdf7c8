"""Fencing: of one birth the higher epoch wins, wherever that is noticed.

A host compares what it owns with its peers when it starts and when a host appears, and tells them
what an operator's resolve decided. A copy with a lower epoch stops, and a tombstone says where the
paglet is. This is what makes a restored data folder and a resolved transfer harmless.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from paglets.model.enums import PagletStatus
from paglets.model.errors import PagletsError
from paglets.model.refs import Epoch, HostRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.lifecycle import LIVING
from paglets.runtime.ownership import Claimed, decide_claim
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.store.store import Store
from paglets.wire.bodies import Claim, FenceAnswer, FenceBody

_BATCH = 500
"""Claims in one request."""
_TIMEOUT = 5.0
"""Seconds a peer has to compare one batch."""


class Fencing:
    """Compares ownership between one host and its peers; used from its loop."""

    def __init__(
        self,
        roster: Roster,
        store: Store,
        hosts: PeerHosts,
        calls: PeerCalls,
        recorder: Recorder,
    ) -> None:
        self._roster = roster
        self._store = store
        self._hosts = hosts
        self._calls = calls
        self._recorder = recorder
        self.superseded: Callable[[LocalPaglet], None] = _nothing
        """Told of a paglet that has become a tombstone: hands its messages over."""

    async def fence(self, body: FenceBody) -> FenceAnswer:
        """Compare a peer's claims with this host's rows: lower copies here stop."""
        superseded = []
        for claim in body.claims:
            paglet = self._roster.find(claim.agent_id)
            if paglet is None or paglet.row.birth_id != claim.birth_id:
                continue
            if claim.epoch > paglet.row.epoch:
                await self.yield_to(paglet, claim)
            elif paglet.row.epoch > claim.epoch:
                superseded.append(self._claim(paglet))
        return FenceAnswer(superseded=tuple(superseded))

    async def compare(self, peer: HostRef, *, only: Iterable[LocalPaglet] | None = None) -> None:
        """Compare what this host owns with what `peer` knows.

        Raises:
            PagletsError: The peer did not answer.
        """
        address = PeerAddress(peer.host_id, peer.name, peer.url)
        mine = [p for p in (only or self._roster) if p.row.status in LIVING]
        for start in range(0, len(mine), _BATCH):
            claims = tuple(self._claim(paglet) for paglet in mine[start : start + _BATCH])
            answer = await self._calls.fence(address, FenceBody(claims=claims), timeout=_TIMEOUT)
            for claim in answer.superseded:
                paglet = self._roster.find(claim.agent_id)
                if paglet is not None and paglet.row.birth_id == claim.birth_id:
                    await self.yield_to(paglet, claim)

    async def compare_all(self, *, timeout: float) -> None:
        """Compare with every host that is online now; those that are silent are asked later."""
        online = [host for host in self._hosts.hosts() if host.online]
        if online:
            tasks = [asyncio.create_task(self._try(host)) for host in online]
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()

    async def meet(self, host: HostRef) -> None:
        """Compare with a host that has appeared; what goes wrong is tried when it appears again."""
        await self._try(host)

    async def _try(self, host: HostRef) -> None:
        try:
            await self.compare(host)
        except PagletsError as error:
            self._recorder.record(
                "fence", f"could not compare with {host.name}: {error.message}", level="debug"
            )

    async def yield_to(self, paglet: LocalPaglet, claim: Claim) -> None:
        """Stop this host's copy of a paglet that is owned elsewhere at a higher epoch."""
        # Not to be cut between its commit and the row in memory, whoever waited for it.
        await asyncio.shield(asyncio.ensure_future(self._yield(paglet, claim)))

    async def _yield(self, paglet: LocalPaglet, claim: Claim) -> None:
        async with paglet.committing:
            row = paglet.row
            fenced = decide_claim(
                row,
                None if row.transfer_id is None else self._store.transfer(row.transfer_id),
                Claimed(claim.birth_id, Epoch(*claim.epoch), claim.owner),
                me=self._roster.me.host_id,
                now=time.time(),
            )
            if fenced is None:
                return
            link, paglet.link, paglet.gate_open = paglet.link, None, False
            if link is not None:
                # Stopped before it is written: at no time do two copies run knowingly.
                await link.end(grace=0)
            await self._store.commit(*fenced.writes, essential=True)
            paglet.become(fenced.row)
        is_held = paglet.row.status is PagletStatus.HELD
        place = "nobody else has it" if is_held else f"{claim.owner.name} has the paglet"
        self._recorder.record(
            "fenced",
            f"this copy was out of date and was stopped: {place}",
            agent_id=paglet.agent_id,
            level="warning",
            epoch=list(claim.epoch),
        )
        if not is_held:
            self.superseded(paglet)

    def _claim(self, paglet: LocalPaglet) -> Claim:
        row = paglet.row
        owner = self._roster.me
        if row.status in {PagletStatus.MOVED, PagletStatus.MOVING} and row.peer is not None:
            owner = row.peer
        return Claim(agent_id=row.agent_id, birth_id=row.birth_id, epoch=row.epoch, owner=owner)


def _nothing(_paglet: LocalPaglet) -> None:
    """Nobody asked to be told."""
