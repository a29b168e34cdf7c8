"""Delivery of messages to the paglets of this host: who is asked, what is admitted, who waits.

`lane.py` takes admitted messages to the child; messages for paglets that are elsewhere go by
`forwarding.py`; inactive paglets are woken by `inactivity.py`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

import msgspec

from paglets.model.enums import PagletStatus, Priority
from paglets.model.errors import (
    CallCycleError,
    HandlerError,
    LifecycleError,
    MessageExpiredError,
    MoveInDoubtError,
    NotHandledError,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
    PagletsError,
    UnavailableError,
)
from paglets.model.names import new_id
from paglets.runtime.lane import FIRST, Lane
from paglets.runtime.lifecycle import LIVING, PROMISED
from paglets.runtime.outcomes import decode_outcome, make_room, remember_seconds
from paglets.runtime.roster import LocalPaglet, Queued, Roster, Work
from paglets.runtime.storedqueue import stored_entry
from paglets.store.rows import QueuedMessage
from paglets.store.store import Store
from paglets.store.writes import PutMessages, StaleWriteError
from paglets.wire.bodies import ReplyBody
from paglets.wire.calls import Cancel
from paglets.wire.calls import Queued as QueuedNews
from paglets.wire.messages import WireMessage, decode_message, patch_message


class Elsewhere(Protocol):
    """Where messages for paglets go that are not here."""

    async def forward(
        self,
        agent_id: str,
        tombstone: LocalPaglet | None,
        message: WireMessage,
        body: bytes,
        *,
        deadline: float,
    ) -> ReplyBody:
        """Send a message on to where its paglet is; `deadline` on the loop's clock."""

    async def in_turn(
        self, tombstone: LocalPaglet, message: WireMessage, *, deadline: float
    ) -> None:
        """Wait until earlier messages of this sender have been handed over."""


class Delivery:
    """Delivers messages on one host; used from its loop."""

    def __init__(
        self,
        roster: Roster,
        store: Store,
        lane: Lane,
        elsewhere: Elsewhere,
    ) -> None:
        self._roster = roster
        self._store = store
        self._lane = lane
        self._elsewhere = elsewhere
        self.is_stopping = False
        """Set at shutdown: nothing new is taken in."""
        self.suspect: Callable[[LocalPaglet], None] = _unbound
        """Told that a sender knows a higher epoch than this host's copy has."""
        self.wake: Callable[[LocalPaglet], None] = _unbound
        """Starts to wake an inactive paglet for a message; set by the composition root."""
        self.moved_on: Callable[[LocalPaglet], None] = _unbound
        """Starts to hand over the messages of a tombstone; set by the composition root."""

    async def deliver(
        self, agent_id: str, body: bytes, *, caller_gone: "asyncio.Future[None] | None" = None
    ) -> ReplyBody:
        """Deliver an encoded message and return its answer.

        A one-way message is answered when it is queued, durably where durability is MESSAGE. When
        `caller_gone` is done or the awaiting task is cancelled, a message still queued is taken
        along.

        Raises:
            PagletsError: What the handler raised, or why the message was not handled.
        """
        message = decode_message(body)
        if not message.message_id:
            body = patch_message(body, message_id=new_id())
            message = decode_message(body)
        deadline = asyncio.get_running_loop().time() + message.budget_ms / 1000
        paglet = self._roster.find(agent_id)
        if paglet is not None and paglet.row.status is PagletStatus.MOVED:
            await self._elsewhere.in_turn(paglet, message, deadline=deadline)
            paglet = self._roster.find(agent_id)
        if paglet is None or paglet.row.status is PagletStatus.MOVED:
            return await self._elsewhere.forward(agent_id, paglet, message, body, deadline=deadline)
        known = message.epoch
        row = paglet.row
        if known is not None and known > row.epoch and message.birth_id == row.birth_id:
            self.suspect(paglet)
        kept = paglet.remembered.get(message.message_id)
        if kept is not None:
            return _reply_or_raise(decode_outcome(kept.outcome))
        entry = paglet.in_flight(message.message_id)
        if entry is None:
            admitted = await self._admit(paglet, message, body, deadline)
            if isinstance(admitted, ReplyBody):
                return admitted
            entry = admitted
        if message.oneway:
            await self._leave_behind(paglet, entry, deadline, caller_gone)
            return self._addressed(paglet, message, ReplyBody())
        reply = await self._outcome(paglet, entry, deadline, caller_gone)
        return self._addressed(paglet, message, reply)

    async def _leave_behind(
        self,
        paglet: LocalPaglet,
        entry: Queued,
        deadline: float,
        caller_gone: asyncio.Future[None] | None,
    ) -> None:
        """Wait until a one-way message that came during a move is where the paglet is.

        Its sender may reach the target by another way: told sooner that this message is taken, its
        next one would overtake it.
        """
        is_at_home = paglet.row.status in LIVING and not paglet.is_packed
        if is_at_home or entry.message_id in paglet.travelled:
            return
        with contextlib.suppress(HandlerError, NotHandledError):  # told to nobody: it is one-way
            await self._outcome(paglet, entry, deadline, caller_gone)

    def _addressed(self, paglet: LocalPaglet, message: WireMessage, reply: ReplyBody) -> ReplyBody:
        if not message.hops or reply.address is not None:
            return reply
        return msgspec.structs.replace(reply, address=self._roster.ref(paglet))

    async def _outcome(
        self,
        paglet: LocalPaglet,
        entry: Queued,
        deadline: float,
        caller_gone: "asyncio.Future[None] | None",
    ) -> ReplyBody:
        work = entry.work
        work.waiters += 1
        try:
            await _first(work.outcome, caller_gone, deadline)
            if work.outcome.done():
                return work.outcome.result()
            raise self._late(paglet, entry)
        finally:
            work.waiters -= 1
            if not work.waiters and not work.outcome.done():
                self._abandon(paglet, entry)

    def _late(self, paglet: LocalPaglet, entry: Queued) -> PagletsError:
        """Return what a caller hears whose time ran out."""
        if paglet.row.status in PROMISED:
            return MoveInDoubtError(
                f"{paglet.agent_id} is promised to {paglet.peer_name}, which has not answered yet",
                transfer_id=paglet.row.transfer_id,
                agent_id=paglet.agent_id,
            )
        if entry.message_id in paglet.mailbox:
            return MessageExpiredError(
                f"message {entry.work.kind!r} waited in the mailbox of {paglet.agent_id} until "
                "its time ran out; it was not handled",
                agent_id=paglet.agent_id,
                message_id=entry.message_id,
            )
        return MessageExpiredError(
            f"{paglet.agent_id} did not answer {entry.work.kind!r} in time and may still handle it",
            agent_id=paglet.agent_id,
            message_id=entry.message_id,
            handled=None,
        )

    def _abandon(self, paglet: LocalPaglet, entry: Queued) -> None:
        """Take a queued message along, or tell a running handler, when nobody waits any more."""
        if entry.oneway or entry.stored or entry.work.remember_s is not None:
            return
        if paglet.row.status not in PROMISED and paglet.mailbox.drop(entry.message_id):
            entry.work.outcome.cancel()
            self._tell_queued(paglet)
        elif paglet.link is not None and entry in (paglet.running, *paglet.unqueued.values()):
            paglet.link.tell(Cancel(message_id=entry.message_id))

    async def _admit(
        self, paglet: LocalPaglet, message: WireMessage, body: bytes, deadline: float
    ) -> Queued | ReplyBody:
        """Queue a message that is new here; a reply where it was stored instead."""
        if self.is_stopping:
            raise UnavailableError(
                f"{self._roster.me.name} is stopping: the message was not taken",
                retry_after=1.0,
                handled=False,
            )
        if paglet.agent_id in message.path and message.priority != Priority.UNQUEUED:
            raise CallCycleError(
                f"{paglet.agent_id} waits for this very call: " + " > ".join(message.path),
                agent_id=paglet.agent_id,
                path=list(message.path),
            )
        match paglet.row.status:
            case PagletStatus.INACTIVE:
                stored = await self._admit_inactive(paglet, message, body)
                if stored is not None:
                    return stored
            case PagletStatus.CRASHED if not paglet.restart_pending:
                raise PagletCrashedError(
                    f"{paglet.agent_id} has crashed: {paglet.row.error}; `paglets agent "
                    f"activate {paglet.agent_id[:8]}` starts it from its last commit",
                    agent_id=paglet.agent_id,
                    handled=False,
                )
            case PagletStatus.UNREADABLE | PagletStatus.HELD:
                raise LifecycleError(
                    f"{paglet.agent_id} is {paglet.row.status}: {paglet.row.error}",
                    agent_id=paglet.agent_id,
                    agent_status=str(paglet.row.status),
                    handled=False,
                )
            case _:
                pass
        return await self._queue(paglet, message, body, deadline)

    async def _admit_inactive(
        self, paglet: LocalPaglet, message: WireMessage, body: bytes
    ) -> ReplyBody | None:
        """Store the message of an inactive paglet; None to queue it and wake the paglet."""
        policy = paglet.row.policy
        if message.no_delay or policy is None:
            raise PagletInactiveError(
                f"{paglet.agent_id} is asleep and the call says not to wait for it",
                agent_id=paglet.agent_id,
                handled=False,
            )
        if policy.activate_on_message:
            return None
        if not policy.queue_messages:
            raise PagletInactiveError(
                f"{paglet.agent_id} is asleep and takes no messages: "
                f"`paglets agent activate {paglet.agent_id[:8]}` wakes it",
                agent_id=paglet.agent_id,
                handled=False,
            )
        waiting = self._store.queue_size(paglet.agent_id)
        paglet.mailbox.require_room(len(body), agent_id=paglet.agent_id, beside=waiting)
        stored = _stored(paglet.agent_id, message, body)
        await self._commit(stored)
        if (
            paglet.row.status is not PagletStatus.INACTIVE
            and paglet.in_flight(message.message_id) is None
        ):
            # Woken or moved meanwhile: whoever did has not seen this message.
            self._enqueue(paglet, stored_entry(stored))
        return ReplyBody(stored=True, address=self._roster.ref(paglet))

    async def _queue(
        self, paglet: LocalPaglet, message: WireMessage, body: bytes, deadline: float
    ) -> Queued:
        remember = remember_seconds(message)
        if remember is not None:
            make_room(paglet.remembered, now=time.time(), agent_id=paglet.agent_id)
        durable = message.oneway and paglet.is_message_durable
        entry: Queued = Queued(
            message_id=message.message_id,
            priority=message.priority or FIRST,
            body=body,
            deadline=1e12 if message.oneway else deadline,
            sender=message.sender.agent_id if message.sender else "",
            oneway=message.oneway,
            work=Work(asyncio.get_running_loop().create_future(), remember, message.kind),
            stored=durable,
        )
        entry.work.outcome.add_done_callback(_look)
        if durable:
            paglet.mailbox.require_room(len(body), agent_id=paglet.agent_id)
            # In the mailbox only once it is durable; the order of commits is the order of arrival.
            await self._commit(_stored(paglet.agent_id, message, body))
            present = paglet.in_flight(message.message_id)
            if present is not None:
                return present
        if message.priority == Priority.UNQUEUED and paglet.gate_open:
            self._lane.hand(paglet, entry, unqueued=True)
            return entry
        self._enqueue(paglet, entry)
        return entry

    async def _commit(self, message: QueuedMessage) -> None:
        try:
            await self._store.commit(PutMessages((message,)))
        except StaleWriteError as error:
            raise PagletNotFoundError(
                f"{message.agent_id} was disposed", agent_id=message.agent_id
            ) from error

    def _enqueue(self, paglet: LocalPaglet, entry: Queued) -> None:
        paglet.mailbox.put(entry, agent_id=paglet.agent_id)
        if paglet.row.status is PagletStatus.INACTIVE:
            self.wake(paglet)
        elif paglet.row.status is PagletStatus.MOVED:
            # It moved while the message was written: what was handed over did not include it.
            self.moved_on(paglet)
        elif paglet.running is None:
            self._lane.pump(paglet)
        else:
            self._tell_queued(paglet)

    def _tell_queued(self, paglet: LocalPaglet) -> None:
        if paglet.watches_queue and paglet.link is not None:
            paglet.link.tell(QueuedNews(count=len(paglet.mailbox)))


async def _first(
    outcome: asyncio.Future[ReplyBody], gone: "asyncio.Future[None] | None", deadline: float
) -> None:
    """Wait for an outcome, for its caller to go away, or for `deadline` on the loop's clock.

    By callbacks rather than `asyncio.wait`, as this is on the path of every message.
    """
    if outcome.done():
        return
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake(_done: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    timer = loop.call_at(deadline, wake)
    outcome.add_done_callback(wake)
    if gone is not None:
        gone.add_done_callback(wake)
    try:
        await woken
    finally:
        timer.cancel()
        outcome.remove_done_callback(wake)
        if gone is not None:
            gone.remove_done_callback(wake)


def _stored(agent_id: str, message: WireMessage, body: bytes) -> QueuedMessage:
    return QueuedMessage(
        agent_id=agent_id,
        message_id=message.message_id,
        priority=message.priority,
        body=body,
    )


def _reply_or_raise(outcome: ReplyBody | PagletsError) -> ReplyBody:
    if isinstance(outcome, PagletsError):
        raise outcome
    return outcome


def _look(future: asyncio.Future[ReplyBody]) -> None:
    """Look at an outcome that nobody may be left to see."""
    if not future.cancelled():
        future.exception()


def _unbound(*_args: object) -> NoReturn:
    raise AssertionError("bound by the composition root before the first message")
