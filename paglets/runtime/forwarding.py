"""Messages for paglets that are elsewhere: forward, hand over after a move, find.

Forwarding follows tombstones, whose epochs rise, at most `HOP_LIMIT` hops; where a tombstone is
gone the first host asks all others, and the highest epoch wins. Every answer carries the present
address, so the next message goes direct.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from paglets.model.enums import PagletStatus
from paglets.model.errors import (
    MessageExpiredError,
    MisdirectedError,
    PagletCrashedError,
    PagletMovedError,
    PagletNotFoundError,
    PagletsError,
)
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress
from paglets.runtime.lifecycle import LIVING
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.roster import LocalPaglet, Queued, Roster
from paglets.runtime.storedqueue import load_stored, readmit
from paglets.store.store import Store
from paglets.store.writes import DeleteMessages
from paglets.wire.bodies import AgentInfo, ReplyBody
from paglets.wire.messages import WireMessage, patch_message

HOP_LIMIT = 8
"""Hosts a message is forwarded through."""
_LOOKS = 3
"""Rounds of questions while only tombstones of a paglet are found: it is moving about."""
_LOCATE_TIMEOUT = 2.0
"""Seconds each host has to say whether it knows a paglet."""
_LATECOMERS = 0.25
"""Seconds that hosts have once another has said that it has the paglet: one of them may have it at
a higher epoch, but a silent one must not hold up every look-up."""
_ALL = ""
"""Stands for all senders, until it is known whose messages are to be handed over."""
_HAND_OVER_PAUSE = 0.2
"""Seconds between attempts to hand over a message that was acknowledged here."""


class Forwarding:
    """Sends messages from one host to where their paglets are; used from its loop."""

    def __init__(self, roster: Roster, store: Store, hosts: PeerHosts, calls: PeerCalls) -> None:
        self._roster = roster
        self._store = store
        self._hosts = hosts
        self._calls = calls
        self._in_hand: set[tuple[str, str]] = set()
        """Agent and message ids of what is being handed over, not to be read again meanwhile."""
        self.returned: Callable[[LocalPaglet], None] = _nothing
        """Told of a paglet that came back while messages were handed over: they wait for it."""

    async def forward(
        self,
        agent_id: str,
        tombstone: LocalPaglet | None,
        message: WireMessage,
        body: bytes,
        *,
        deadline: float,
    ) -> ReplyBody:
        """Send a message on to where its paglet is.

        Args:
            agent_id: Whose.
            tombstone: What this host knows of it; None for nothing.
            message: Its header.
            body: The whole, passed on undecoded.
            deadline: On the loop's clock.

        Raises:
            PagletMovedError: Further than `HOP_LIMIT` hosts, or round in a circle.
            PagletNotFoundError: Nobody knows it.
            PagletsError: What the other host answered.
        """
        if message.hops >= HOP_LIMIT:
            raise PagletMovedError(
                f"{agent_id} moved on over more than {HOP_LIMIT} hosts: send again, or use "
                "context.proxies.find to learn where it is",
                agent_id=agent_id,
            )
        if tombstone is None or tombstone.row.peer is None:
            return await self._search_and_send(
                agent_id, message, body, deadline, birth_id=message.birth_id
            )
        row = tombstone.row
        assert row.peer is not None
        try:
            reply = await self._send(
                row.peer, agent_id, message, body, deadline, known=(row.epoch, row.birth_id)
            )
        except PagletNotFoundError:
            if message.hops:
                raise
            return await self._search_and_send(
                agent_id, message, body, deadline, birth_id=row.birth_id
            )
        self._shorten(tombstone, reply.address)
        return reply

    async def in_turn(
        self, tombstone: LocalPaglet, message: WireMessage, *, deadline: float
    ) -> None:
        """Wait while earlier messages of this sender are handed over: it must not overtake them.

        The paglet may have come back when this returns.
        """
        sender = message.sender.agent_id if message.sender else ""
        for whose in (_ALL, sender):
            earlier = tombstone.handing.get(whose) if sender else None
            if earlier is not None:
                await asyncio.wait([earlier], timeout=max(0.0, deadline - _now()))

    async def send_to(
        self, ref: PagletProxyRef, message: WireMessage, body: bytes, *, deadline: float
    ) -> ReplyBody:
        """Send a paglet's message to a paglet that this host knows nothing of.

        Raises:
            PagletsError: As `forward`.
        """
        peer = PeerAddress(ref.host_id, ref.host_name, ref.host_url)
        try:
            return await self._send(
                peer, ref.agent_id, message, body, deadline, known=(ref.epoch, ref.birth_id)
            )
        except PagletNotFoundError:
            return await self._search_and_send(
                ref.agent_id, message, body, deadline, birth_id=ref.birth_id
            )

    async def _send(
        self,
        peer: PeerAddress,
        agent_id: str,
        message: WireMessage,
        body: bytes,
        deadline: float,
        *,
        known: tuple[Epoch, str],
    ) -> ReplyBody:
        left = deadline - _now()
        if left <= 0:
            raise MessageExpiredError(
                f"no time is left to send {message.kind!r} on to {peer.name or peer.url}",
                agent_id=agent_id,
            )
        onward = patch_message(
            body,
            hops=message.hops + 1,
            budget_ms=max(1, int(left * 1000)),
            epoch=known[0],
            birth_id=known[1],
        )
        return await self._calls.send(peer, agent_id, onward, timeout=left)

    async def _search_and_send(
        self,
        agent_id: str,
        message: WireMessage,
        body: bytes,
        deadline: float,
        *,
        birth_id: str,
    ) -> ReplyBody:
        if message.hops:
            raise PagletNotFoundError(
                f"{self._roster.me.name} knows no paglet {agent_id}", agent_id=agent_id
            )
        found = await self.locate(agent_id, birth_id=birth_id)
        peer = PeerAddress("", found.host_name, found.host_url)
        return await self._send(
            peer, agent_id, message, body, deadline, known=(found.epoch, found.birth_id)
        )

    async def locate(self, agent_id: str, *, birth_id: str = "") -> AgentInfo:
        """Ask the online hosts where a paglet is; the highest epoch wins.

        One that is between two hosts is at the one that has promised it: messages wait there.

        Args:
            agent_id: Its id.
            birth_id: Leave out others of this id, such as the residents of other hosts; empty:
                any will do.

        Raises:
            PagletNotFoundError: No host that answered has it; the message names the silent ones.
        """
        hosts = [host for host in self._hosts.hosts() if host.online]
        answers: list[AgentInfo | BaseException | None] = [None] * len(hosts)
        for _ in range(_LOOKS):
            answers = await self._ask_all(hosts, agent_id, birth_id)
            known = [a for a in answers if isinstance(a, AgentInfo)]
            having = [info for info in known if _has_it(info)]
            if having:
                return max(having, key=_standing)
            if not known:
                break
            # Only tombstones: it arrived somewhere after that host had been asked.
        silent = [h.name for h, a in zip(hosts, answers, strict=True) if isinstance(a, Exception)]
        raise PagletNotFoundError(
            f"no host of the mesh has a paglet {agent_id}"
            + (f"; no answer from {', '.join(silent)}" if silent else ""),
            agent_id=agent_id,
            silent=silent,
        )

    async def _ask_all(
        self, hosts: Sequence[HostRef], agent_id: str, birth_id: str
    ) -> list[AgentInfo | BaseException | None]:
        """Ask all at once; once one has it, the silent hold the answer up for a moment only."""
        tasks = [asyncio.create_task(self._ask(host, agent_id, birth_id)) for host in hosts]
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if waiting and any(_has_found(task) for task in done):
                    _, waiting = await asyncio.wait(waiting, timeout=_LATECOMERS)
                    break
        finally:
            for task in waiting:
                task.cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    async def _ask(self, host: HostRef, agent_id: str, birth_id: str) -> AgentInfo | None:
        peer = PeerAddress(host.host_id, host.name, host.url)
        found = await self._calls.locate(peer, agent_id, timeout=_LOCATE_TIMEOUT)
        is_other = found is not None and birth_id not in {"", found.birth_id}
        return None if is_other else found

    def _shorten(self, tombstone: LocalPaglet, address: PagletProxyRef | None) -> None:
        """Point a tombstone at the present address: the next message goes direct."""
        row = tombstone.row
        if address is None or address.host_id == self._roster.me.host_id or not address.host_id:
            return
        if row.status is PagletStatus.MOVED and address.epoch > row.epoch:
            peer = PeerAddress(address.host_id, address.host_name, address.host_url)
            tombstone.row = replace(row, peer=peer)

    async def hand_over(self, paglet: LocalPaglet) -> None:
        """Hand the messages that came during a move to the target, in order per sender.

        Those that travelled in the envelope are sent again under their ids: the target joins them,
        and so their callers here get the outcome. Acknowledged one-way ones that travelled are
        the target's already.
        """
        with _handing(paglet, _ALL):
            groups = await self._to_hand(paglet)
            work = [
                asyncio.create_task(self._hand_group(paglet, sender, entries))
                for sender, entries in groups.items()
            ]
            # Each has taken its sender's turn before anybody who waits for all of them goes on.
            await asyncio.sleep(0)
        await asyncio.gather(*work)

    async def _to_hand(self, paglet: LocalPaglet) -> dict[str, list[Queued]]:
        """Take out what is to be handed over, by sender."""
        groups: dict[str, list[Queued]] = defaultdict(list)
        gone: list[str] = []
        await load_stored(self._store, paglet)
        for entry in paglet.mailbox.drain():
            if entry.message_id in paglet.travelled:
                # It is the target's now; only who still waits here for its outcome sends it again.
                entry.stored = False
                gone.append(entry.message_id)
                if entry.oneway or not entry.work.waiters:
                    continue
            if entry.work.waiters or (paglet.agent_id, entry.message_id) not in self._in_hand:
                groups[entry.sender or entry.message_id].append(entry)
        if gone:
            await self._store.commit(DeleteMessages(paglet.agent_id, tuple(gone)))
        return groups

    async def _hand_group(
        self, paglet: LocalPaglet, sender: str, entries: Sequence[Queued]
    ) -> None:
        ids = {(paglet.agent_id, entry.message_id) for entry in entries}
        self._in_hand |= ids
        try:
            await self._hand_in_turn(paglet, sender, entries)
        finally:
            self._in_hand -= ids

    async def _hand_in_turn(
        self, paglet: LocalPaglet, sender: str, entries: Sequence[Queued]
    ) -> None:
        with _handing(paglet, sender):
            for number, entry in enumerate(entries):
                is_last = number + 1 == len(entries)
                if not await self._hand(paglet, entry, tell_address=is_last):
                    readmit(paglet, entries[number:])
                    self.returned(paglet)
                    return

    async def _hand(self, paglet: LocalPaglet, entry: Queued, *, tell_address: bool) -> bool:
        """Hand over one message; False where the paglet has come back and takes it here."""
        outcome = entry.work.outcome
        while True:
            if _is_back(paglet):
                return False
            try:
                reply = await self._hand_once(paglet, entry)
            except PagletsError as error:
                if _is_to_repeat(entry, error):
                    await asyncio.sleep(_HAND_OVER_PAUSE)
                    continue
                result: ReplyBody | PagletsError = error
            else:
                result = reply if tell_address else msgspec.structs.replace(reply, address=None)
            break
        if entry.stored:
            if _is_back(paglet):
                # It may have come back with this very message: then ours is the one to keep.
                return False
            await self._store.commit(DeleteMessages(paglet.agent_id, (entry.message_id,)))
        if outcome.done():
            return True
        if isinstance(result, ReplyBody):
            outcome.set_result(result)
        else:
            outcome.set_exception(result)
        return True

    async def _hand_once(self, paglet: LocalPaglet, entry: Queued) -> ReplyBody:
        row = paglet.row
        if row.peer is None:
            raise PagletMovedError(f"{paglet.agent_id} was given up", agent_id=paglet.agent_id)
        left = min(entry.deadline - _now(), 30.0)
        if left <= 0:
            raise MessageExpiredError(f"no time is left for {entry.work.kind!r}")
        body = patch_message(
            entry.body, hops=1, attempt=2, budget_ms=int(left * 1000), timestamp=time.time()
        )
        return await self._calls.send(row.peer, paglet.agent_id, body, timeout=left)


def _is_back(paglet: LocalPaglet) -> bool:
    return paglet.row.status is not PagletStatus.MOVED


def _has_it(info: AgentInfo) -> bool:
    return PagletStatus(info.status) is not PagletStatus.MOVED


def _standing(info: AgentInfo) -> tuple[Epoch, bool]:
    """Return what decides between hosts that claim one paglet."""
    return Epoch(*info.epoch), PagletStatus(info.status) in LIVING


def _has_found(task: "asyncio.Task[AgentInfo | None]") -> bool:
    """Return whether a finished question was answered by a host that has the paglet."""
    info = task.result() if task.exception() is None else None
    return info is not None and _has_it(info)


def _is_to_repeat(entry: Queued, error: PagletsError) -> bool:
    """Whether an acknowledged message is offered again: its sender cannot do it."""
    is_passing = error.retryable or isinstance(error, MisdirectedError)
    if entry.stored:
        # Also to a paglet that has crashed there: whoever activates it finds the message.
        is_passing = is_passing or isinstance(error, PagletCrashedError)
    return is_passing and (entry.stored or entry.oneway) and _now() < entry.deadline


@contextmanager
def _handing(paglet: LocalPaglet, sender: str) -> Iterator[None]:
    """Let later messages of `sender` wait while earlier ones are handed over."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    paglet.handing[sender] = ended
    try:
        yield
    finally:
        # Another hand-over may have begun for messages that came since.
        if paglet.handing.get(sender) is ended:
            del paglet.handing[sender]
        ended.set_result(None)


def _nothing(_paglet: LocalPaglet) -> None:
    """Nobody asked to be told."""


def _now() -> float:
    return asyncio.get_running_loop().time()
