"""Messages stored with their paglet, on their way back into its mailbox.

Read when a process is about to take them, or when they are handed over to where the paglet moved.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from paglets.model.enums import Priority
from paglets.model.errors import MessageExpiredError, PagletsError
from paglets.runtime.mailbox import Entry
from paglets.runtime.outcomes import GRACE_SECONDS, decode_outcome
from paglets.runtime.roster import LocalPaglet, Queued, Work
from paglets.store.rows import QueuedMessage
from paglets.store.store import Store
from paglets.wire.bodies import ReplyBody
from paglets.wire.messages import decode_message

FOREVER = 1e12
"""Deadline of a stored message: it is handled whenever its paglet runs."""


async def load_stored(store: Store, paglet: LocalPaglet) -> None:
    """Put the stored messages of `paglet` before those that came meanwhile.

    Raises:
        DamagedError: One is not what was written.
    """
    fresh = [m for m in await store.messages(paglet.agent_id) if _is_fresh(paglet, m)]
    for message in reversed(fresh):
        # They were acknowledged: no bound applies to them.
        paglet.mailbox.put_back(stored_entry(message))


def _is_fresh(paglet: LocalPaglet, message: QueuedMessage) -> bool:
    """Whether a stored message is still to be queued.

    A repeat may have come before it was read, be queued under its id, or be handled already: the
    stored one goes with it then, or it would be handled again after a restart.
    """
    message_id = message.message_id
    if message_id in paglet.unsaved_done:
        return False
    if message_id in paglet.remembered:
        paglet.unsaved_done.append(message_id)
        return False
    present = paglet.in_flight(message_id)
    if present is not None:
        present.stored = True
    return present is None


def stored_entry(message: QueuedMessage) -> Queued:
    """Return a stored message as it is queued; its outcome is remembered, nobody waits for it."""
    header = decode_message(message.body)
    outcome: asyncio.Future[ReplyBody] = asyncio.get_running_loop().create_future()
    outcome.add_done_callback(_seen)
    return Entry(
        message_id=message.message_id,
        priority=message.priority or int(Priority.MAX),
        body=message.body,
        deadline=FOREVER,
        sender=header.sender.agent_id if header.sender else "",
        oneway=header.oneway,
        work=Work(outcome, GRACE_SECONDS + header.retry_for_ms / 1000, header.kind),
        stored=True,
    )


def rejoin(paglet: LocalPaglet, came: frozenset[str]) -> None:
    """Bring the mailbox of a paglet that has come back in step with what came with it.

    Messages that left in its envelope were handled on the way, or have come back still queued;
    handled here once more they would be handled twice. Callers here get the outcome.

    Args:
        paglet: With the outcomes it remembers taken over already.
        came: Ids of the messages that came in the envelope, and are stored here now.
    """
    staying: list[Queued] = []
    for entry in paglet.mailbox.drain():
        kept = paglet.remembered.get(entry.message_id)
        if kept is not None:
            _settle(entry, decode_outcome(kept.outcome))
        elif entry.message_id in paglet.travelled and entry.message_id not in came:
            lost = MessageExpiredError(
                f"{paglet.agent_id} took message {entry.work.kind!r} along and came back without "
                "its outcome",
                agent_id=paglet.agent_id,
                message_id=entry.message_id,
                handled=None,
            )
            _settle(entry, lost)
        else:
            entry.stored = entry.stored or entry.message_id in came
            staying.append(entry)
    for entry in reversed(staying):
        paglet.mailbox.put_back(entry)
    paglet.travelled = frozenset()


def readmit(paglet: LocalPaglet, entries: Sequence[Queued]) -> None:
    """Queue messages that could not be handed over, before all others: the paglet has come back.

    It may have brought some of them along, or handled them; who waits here hears of that one.
    """
    for entry in reversed(entries):
        kept = paglet.remembered.get(entry.message_id)
        present = paglet.in_flight(entry.message_id)
        if kept is not None:
            _settle(entry, decode_outcome(kept.outcome))
            if entry.stored:
                paglet.unsaved_done.append(entry.message_id)
        elif present is not None:
            present.stored |= entry.stored
            present.work.outcome.add_done_callback(partial(_pass_on, entry))
        else:
            paglet.mailbox.put_back(entry)


def _pass_on(entry: Queued, outcome: asyncio.Future[ReplyBody]) -> None:
    if outcome.cancelled() or entry.work.outcome.done():
        entry.work.outcome.cancel()
        return
    error = outcome.exception()
    if error is not None:
        entry.work.outcome.set_exception(error)
    else:
        entry.work.outcome.set_result(outcome.result())


def _settle(entry: Queued, outcome: ReplyBody | PagletsError) -> None:
    if entry.work.outcome.done():
        return
    if isinstance(outcome, ReplyBody):
        entry.work.outcome.set_result(outcome)
    else:
        entry.work.outcome.set_exception(outcome)


def _seen(future: asyncio.Future[ReplyBody]) -> None:
    """Look at the outcome of a message that nobody waits for."""
    if not future.cancelled():
        future.exception()
