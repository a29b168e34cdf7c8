"""Emptying a host before it goes: its paglets move to hosts of the same code, or sleep in its data.

`paglets host drain` asks for it. From the first moment on nothing new is taken in, while transfers
that are known are still answered; the host runs on until it is stopped.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from paglets.model.enums import EnvelopeKind, PagletStatus
from paglets.model.errors import BusyError, HostNotFoundError, MoveInDoubtError, PagletsError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import HostRef
from paglets.model.transfer import TransferTicket
from paglets.runtime.admission import Admission
from paglets.runtime.common import Common
from paglets.runtime.departures import Departures
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.lifecycle import PROMISED
from paglets.runtime.ports import PeerHosts
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.transfers import Transfers
from paglets.wire.bodies import DrainAnswer, DrainedAgent

AUTO = "auto"
"""Choose the least loaded hosts."""
_AT_ONCE = 4
"""Paglets that leave at the same time; more would only wait for the same disks."""
_LOOK_EVERY = 0.2
"""Seconds between looks at transfers that are not settled yet."""


class Draining:
    """Drains one host; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        admission: Admission,
        departures: Departures,
        inactivity: Inactivity,
        transfers: Transfers,
        hosts: PeerHosts,
    ) -> None:
        self._roster = common.roster
        self._admission = admission
        self._departures = departures
        self._inactivity = inactivity
        self._transfers = transfers
        self._hosts = hosts
        self._recorder = common.recorder
        self._sent: Counter[str] = Counter()
        self.began: Callable[[], None] = _nothing
        """Told when draining begins: the host shows it."""

    async def drain(self, *, to: str, deadline: float) -> DrainAnswer:
        """Move every paglet away, or put it to sleep here where no host takes it.

        Args:
            to: A host name, or `auto` for the least loaded hosts of the same code.
            deadline: Seconds for all of it; what is left then is reported.

        Raises:
            HostNotFoundError: `to` names no host that can be used.
        """
        if to != AUTO:
            self._require_usable(to)
        self._admission.refuses = "draining"
        self.began()
        self._recorder.record("drain", f"began to drain to {to}")
        slots = asyncio.Semaphore(_AT_ONCE)
        order = sorted(self._roster, key=lambda paglet: paglet.row.created_at)
        leaving = [
            paglet for paglet in order if paglet.row.status in _LEAVES and paglet.resident is None
        ]
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline

        async def one(paglet: LocalPaglet) -> DrainedAgent:
            while True:
                try:
                    async with slots:
                        sent = await self._send_away(paglet, to, end)
                    return _gone(paglet) if paglet.is_gone else sent
                except MoveInDoubtError as error:
                    if not await _is_decided(paglet, end):
                        return _left(paglet, error.message)
                except BusyError as error:
                    if not await _is_idle(paglet, end):
                        return _left(paglet, error.message)

        done = await asyncio.gather(*(one(paglet) for paglet in leaving))
        unsettled = await self._unsettled(end)
        moved = sum(1 for agent in done if agent.outcome == "moved")
        self._recorder.record("drain", f"drained: {moved} of {len(done)} paglets moved")
        return DrainAnswer(
            agents=tuple(done),
            unsettled=unsettled,
            is_empty=not unsettled and all(agent.outcome != "left" for agent in done),
        )

    def _require_usable(self, name: str) -> None:
        if name not in {host.name for host in self._usable()}:
            raise HostNotFoundError(
                f"no usable host is called {name!r}: `paglets mesh hosts` shows why", host=name
            )

    def _usable(self) -> list[HostRef]:
        found = [host for host in self._hosts.hosts() if host.online and host.error is None]
        # Counts of the mesh are a moment old: what was just sent there is added.
        return sorted(found, key=lambda host: host.active_count + self._sent[host.name])

    async def _send_away(self, paglet: LocalPaglet, to: str, end: float) -> DrainedAgent:
        row = paglet.row
        if row.status is PagletStatus.MOVED and row.peer is not None:
            return DrainedAgent(agent_id=row.agent_id, outcome="moved", host=row.peer.name)
        if asyncio.get_running_loop().time() >= end:
            return _left(paglet, "no time was left")
        targets = [to] if to != AUTO else [host.name for host in self._usable()]
        refused = "no host of the same code is online"
        for target in targets:
            ticket = TransferTicket(destination=target)
            try:
                await self._departures.dispatch(
                    paglet.agent_id, ticket, reason=EnvelopeKind.DISPATCH, key=None
                )
            except (MoveInDoubtError, BusyError):
                raise
            except PagletsError as error:
                refused = error.message
            else:
                self._sent[target] += 1
                return DrainedAgent(agent_id=paglet.agent_id, outcome="moved", host=target)
        return await self._sleep(paglet, refused)

    async def _sleep(self, paglet: LocalPaglet, refused: str) -> DrainedAgent:
        if paglet.row.status is PagletStatus.ACTIVE:
            policy = DeactivationPolicy(activate_on_message=False, activate_on_startup=True)
            try:
                await self._inactivity.deactivate(paglet.agent_id, policy, key=None)
            except BusyError:
                raise
            except PagletsError as error:
                return _left(paglet, error.message)
        return DrainedAgent(agent_id=paglet.agent_id, outcome="asleep", text=refused)

    async def _unsettled(self, end: float) -> tuple[str, ...]:
        """Return the transfers that neither side has settled when the time is over."""
        while pending := self._transfers.unsettled():
            if asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(_LOOK_EVERY)
        return pending


async def _is_decided(paglet: LocalPaglet, end: float) -> bool:
    """Wait for the target's word on a move that is in doubt; whether it came before `end`."""
    while paglet.row.status in PROMISED and not paglet.is_gone:
        if asyncio.get_running_loop().time() >= end:
            return False
        await asyncio.sleep(_LOOK_EVERY)
    return True


async def _is_idle(paglet: LocalPaglet, end: float) -> bool:
    """Wait for the end of what somebody else does with a paglet; whether it came before `end`."""
    try:
        await paglet.idle(timeout=end - asyncio.get_running_loop().time())
    except TimeoutError:
        return False
    return True


_LEAVES = {PagletStatus.ACTIVE, PagletStatus.INACTIVE, *PROMISED}


def _gone(paglet: LocalPaglet) -> DrainedAgent:
    return DrainedAgent(agent_id=paglet.agent_id, outcome="gone", text="it ended meanwhile")


def _left(paglet: LocalPaglet, why: str) -> DrainedAgent:
    return DrainedAgent(agent_id=paglet.agent_id, outcome="left", text=why)


def _nothing() -> None:
    """Nobody asked to be told."""
