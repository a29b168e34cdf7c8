"""A paglet's messages between its mailbox and its child: one queued message in the child at a time.

Takes the next message when the child is free, gets the answer, commits what must be durable before
it leaves, and settles the futures of those who wait. Admission is in `delivery.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from paglets.model.enums import Priority
from paglets.model.errors import (
    MessageExpiredError,
    PagletCrashedError,
    PagletsError,
    UnavailableError,
)
from paglets.runtime.activity import Activity
from paglets.runtime.childlink import ChildLink, as_failure
from paglets.runtime.commits import Commits
from paglets.runtime.outcomes import encode_outcome
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet, Queued
from paglets.runtime.tasks import Tasks
from paglets.store.rows import RememberedOutcome
from paglets.wire.bodies import ReplyBody
from paglets.wire.calls import Deliver, Delivered, Departure, Failed, Snapshot, ToHost
from paglets.wire.calls import Queued as QueuedNews
from paglets.wire.failures import decode_failure

FIRST = int(Priority.MAX) + 1
"""Where an UNQUEUED message waits while the gate is closed: before all queued ones."""


class Lane:
    """Hands messages to the children of one host; used from its loop."""

    def __init__(self, commits: Commits, recorder: Recorder, tasks: Tasks) -> None:
        self._commits = commits
        self._recorder = recorder
        self._tasks = tasks
        self.depart: Callable[[LocalPaglet, Departure], Awaitable[ReplyBody]] = _unbound
        """Carries out a handler's departure; set by the composition root."""

    def bind(self, activity: Activity) -> None:
        """Let starts deliver and crashes fail messages through this object."""
        activity.pump = self.pump
        activity.fail_messages = self.fail_messages

    def pump(self, paglet: LocalPaglet) -> None:
        """Hand the next message to the child, if it is free and the gate is open."""
        while paglet.gate_open and paglet.running is None:
            now = asyncio.get_running_loop().time()
            entry = paglet.mailbox.take(now, self._expire)
            if entry is None:
                return
            self.hand(paglet, entry, unqueued=entry.priority == FIRST)

    def _expire(self, entry: Queued) -> None:
        if not entry.work.outcome.done():
            entry.work.outcome.set_exception(
                MessageExpiredError(
                    f"message {entry.work.kind!r} waited in the mailbox until its time ran out",
                    message_id=entry.message_id,
                )
            )

    def hand(self, paglet: LocalPaglet, entry: Queued, *, unqueued: bool) -> None:
        """Give a message to the child; `unqueued` beside the one it may be handling."""
        link = paglet.link
        assert link is not None, "the gate is open only while there is a process"
        if unqueued:
            paglet.unqueued[entry.message_id] = entry
        else:
            paglet.running = entry
        call = link.next_call()
        future = link.ask(Deliver(call=call, body=entry.body), call)
        if paglet.watches_queue:
            # Not only one less: others may have expired on the way.
            link.tell(QueuedNews(count=len(paglet.mailbox)))
        limit = paglet.row.manifest.handler_limit
        if limit is not None:
            loop = asyncio.get_running_loop()
            entry.work.limit = loop.call_later(limit, self._over_limit, paglet, link, entry)
        future.add_done_callback(partial(self._answered, paglet, entry, link))

    def _over_limit(self, paglet: LocalPaglet, link: ChildLink, entry: Queued) -> None:
        self._recorder.record(
            "limit",
            f"handler of {entry.work.kind!r} ran over handler_limit and was ended",
            agent_id=paglet.agent_id,
            level="error",
        )
        link.process.kill(expected=False)

    def _answered(
        self,
        paglet: LocalPaglet,
        entry: Queued,
        link: ChildLink,
        future: asyncio.Future[ToHost],
    ) -> None:
        if entry.work.limit is not None:
            entry.work.limit.cancel()
        if future.cancelled() or future.exception() is not None:
            self._interrupted(paglet, entry, future)
            return
        frame = future.result()
        assert isinstance(frame, Delivered | Failed), "a delivery is answered by these"
        if isinstance(frame, Delivered) and frame.departure is not None:
            self._free(paglet, entry)
            if paglet.link is link:
                paglet.gate_open = False
            work = self._departed(paglet, entry, frame.departure)
            self._tasks.start(work, f"departure of {paglet.agent_id}")
            return
        result = _result(frame)
        durable = paglet.is_message_durable and (entry.work.remember_s is not None or entry.stored)
        if frame.snapshot is not None or durable:
            work = self._commit(paglet, entry, link, result, frame.snapshot)
            self._tasks.start(work, f"outcome for {paglet.agent_id}")
            return
        self._free(paglet, entry)
        self._finish(paglet, entry, result)
        self.pump(paglet)

    def _interrupted(
        self, paglet: LocalPaglet, entry: Queued, future: asyncio.Future[ToHost]
    ) -> None:
        """The process ended with the message in it: its fate is not known."""
        self._free(paglet, entry)
        if entry.stored:
            # Acknowledged and durable: it is handled again, by the next process.
            paglet.mailbox.put_back(entry)
            return
        error = None if future.cancelled() else future.exception()
        if isinstance(error, PagletCrashedError):
            error = PagletCrashedError(
                error.message, **{**error.detail, "restarting": paglet.restarts}
            )
        if not entry.work.outcome.done():
            entry.work.outcome.set_exception(error or UnavailableError("the host is stopping"))

    async def _departed(self, paglet: LocalPaglet, entry: Queued, departure: Departure) -> None:
        try:
            result: ReplyBody | BaseException = await self.depart(paglet, departure)
        except PagletsError as error:
            result = error
        self._finish(paglet, entry, result)

    async def _commit(
        self,
        paglet: LocalPaglet,
        entry: Queued,
        link: ChildLink,
        result: ReplyBody | BaseException,
        snapshot: Snapshot | None,
    ) -> None:
        """Commit state and outcome of a message in one transaction; only then is it answered."""
        self._remember(paglet, entry, result)
        if entry.stored:
            paglet.unsaved_done.append(entry.message_id)
        try:
            await self._commits.save(paglet, snapshot)
        except PagletsError as error:
            # The process is ahead of the disk: it starts again from the last commit.
            self._forget(paglet, entry)
            result = error
            if paglet.link is link:
                link.process.kill(expected=False)
        self._free(paglet, entry)
        self._settle(entry, result)
        self.pump(paglet)

    def _finish(
        self, paglet: LocalPaglet, entry: Queued, result: ReplyBody | BaseException
    ) -> None:
        self._remember(paglet, entry, result)
        if entry.stored:
            paglet.unsaved_done.append(entry.message_id)
        self._settle(entry, result)

    def _settle(self, entry: Queued, result: ReplyBody | BaseException) -> None:
        outcome = entry.work.outcome
        if outcome.done():
            return
        if isinstance(result, ReplyBody):
            outcome.set_result(result)
        else:
            outcome.set_exception(as_failure(result))

    def _remember(
        self, paglet: LocalPaglet, entry: Queued, result: ReplyBody | BaseException
    ) -> None:
        seconds = entry.work.remember_s
        if seconds is None:
            return
        record = RememberedOutcome(
            agent_id=paglet.agent_id,
            message_id=entry.message_id,
            outcome=encode_outcome(result),
            expires_at=time.time() + seconds,
        )
        paglet.remembered[entry.message_id] = record
        paglet.unsaved.append(record)

    def _forget(self, paglet: LocalPaglet, entry: Queued) -> None:
        paglet.remembered.pop(entry.message_id, None)
        paglet.unsaved = [kept for kept in paglet.unsaved if kept.message_id != entry.message_id]
        paglet.unsaved_done = [done for done in paglet.unsaved_done if done != entry.message_id]

    def _free(self, paglet: LocalPaglet, entry: Queued) -> None:
        if paglet.running is entry:
            paglet.running = None
        paglet.unqueued.pop(entry.message_id, None)

    def fail_messages(self, paglet: LocalPaglet, error: PagletsError, queued: bool) -> None:
        """Fail the queued messages of a paglet that will not run soon; stored ones stay stored."""
        if not queued:
            return
        for entry in paglet.mailbox.drain():
            if not entry.stored and not entry.work.outcome.done():
                entry.work.outcome.set_exception(error)


def _result(frame: Delivered | Failed) -> ReplyBody | PagletsError:
    if isinstance(frame, Failed):
        return decode_failure(frame.failure)
    reply = frame.reply
    if frame.reply_path is not None:
        path = Path(frame.reply_path)
        reply = path.read_bytes()
        path.unlink(missing_ok=True)
    return ReplyBody(reply=msgspec.Raw(reply))


def _unbound(*_args: object) -> NoReturn:
    raise AssertionError("bound by the composition root before the first message")
