"""Sleeping and waking: deactivate, activate, timers, waking by messages, shutdown."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from paglets.failpoints import failpoint_async
from paglets.model.enums import Hook, PagletStatus, Verb
from paglets.model.errors import (
    BusyError,
    PagletCrashedError,
    PagletInactiveError,
    PagletsError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import PagletProxyRef
from paglets.runtime.commits import require_status
from paglets.runtime.common import Common
from paglets.runtime.idempotency import CallOutcome, Keeper, require_address
from paglets.runtime.quiescing import Taken
from paglets.runtime.roster import LocalPaglet, Queued
from paglets.store.rows import QueuedMessage
from paglets.store.writes import PutMessages, Write
from paglets.wire.bodies import ReplyBody
from paglets.wire.policies import encode_policy

_LONGEST_TIMER = 24 * 3600.0
"""Timers beyond this are set again when it has passed; loops count no further reliably."""


class Inactivity:
    """Puts paglets of one host to sleep and wakes them; used from its loop."""

    def __init__(self, common: Common) -> None:
        self._roster = common.roster
        self._commits = common.commits
        self._activity = common.activity
        self._quiescer = common.quiescer
        self._recorder = common.recorder
        self._once = common.once
        self._tasks = common.tasks
        self._timeouts = common.timeouts

    async def deactivate(
        self, agent_id: str, policy: DeactivationPolicy, *, key: str | None
    ) -> PagletProxyRef:
        """Put a paglet to sleep; its state is durable and its process gone when this returns.

        Raises:
            BusyError: Another life-cycle verb runs.
            HookError: `on_deactivating` raised; the paglet goes on.
            QuiesceTimeoutError: Its handlers did not end; the paglet goes on.
        """

        async def work(keep: Keeper) -> PagletProxyRef:
            paglet = self._roster.get(agent_id)
            await paglet.ready(timeout=self._timeouts.hook)
            with paglet.doing(Verb.DEACTIVATE):
                statuses = (PagletStatus.ACTIVE, PagletStatus.INACTIVE)
                story = self._recorder.story(agent_id)
                paglet.require(Verb.DEACTIVATE, *statuses, story=story)
                if paglet.row.status is PagletStatus.INACTIVE:
                    await self._change_policy(paglet, policy)
                else:
                    await self._sleep(paglet, policy, "requested", keep)
            return self._roster.ref(paglet)

        return require_address(await self._once.run(key, work))

    async def sleep_itself(self, paglet: LocalPaglet, policy: DeactivationPolicy) -> None:
        """Carry out a paglet's own `deactivate()`; it has unwound."""
        with paglet.doing(Verb.DEACTIVATE):
            await self._sleep(paglet, policy, "requested", Keeper(None))

    async def rest(self, paglet: LocalPaglet, policy: DeactivationPolicy) -> None:
        """Put a paglet to sleep that has nothing to do.

        Raises:
            BusyError: A life-cycle verb runs.
            PagletsError: As for `deactivate`; it goes on.
        """
        with paglet.doing(Verb.DEACTIVATE):
            if paglet.row.status is PagletStatus.ACTIVE and paglet.starting is None:
                await self._sleep(paglet, policy, "idle", Keeper(None))

    async def _change_policy(self, paglet: LocalPaglet, policy: DeactivationPolicy) -> None:
        await self._commits.save(paglet, None, changes={"policy": policy})
        self.set_timer(paglet)

    async def _sleep(
        self, paglet: LocalPaglet, policy: DeactivationPolicy, reason: str, keep: Keeper
    ) -> None:
        event = msgspec.json.encode({"reason": reason, "policy": encode_policy(policy)})
        verb, hook = Verb.DEACTIVATE, Hook.ON_DEACTIVATING
        taken: Taken | None = None
        try:
            async with self._quiescer.taking(paglet, verb, hook, event) as taken:
                await failpoint_async("deactivate.before_commit")
                await self._commit_sleep(paglet, policy, taken, keep)
        except PagletsError as error:
            if taken is not None:
                # The disk did not take it: the paglet goes on from what was taken.
                await self._activity.restart(
                    paglet, Hook.ON_ACTIVATION, b'{"reason":"recovered"}', state=taken.state
                )
            elif isinstance(error, PagletCrashedError):
                await self._activity.crash(paglet, error)
            else:
                await self._go_on(paglet, error)
            raise
        await failpoint_async("deactivate.after_commit")
        self._recorder.record("deactivate", f"put to sleep ({reason})", agent_id=paglet.agent_id)
        self.set_timer(paglet)
        if len(paglet.mailbox):
            await self._settle_queue(paglet, policy)

    async def _settle_queue(self, paglet: LocalPaglet, policy: DeactivationPolicy) -> None:
        """Do with the messages that were queued what is done with one that comes now."""
        if policy.activate_on_message:
            self.wake(paglet)
            return
        if not policy.queue_messages:
            deaf = PagletInactiveError(
                f"{paglet.agent_id} fell asleep and takes no messages", agent_id=paglet.agent_id
            )
            self._activity.fail_messages(paglet, deaf, True)
            return
        late = stored_messages(paglet, list(paglet.mailbox))
        if late:  # they came while the sleep was being committed
            await self._commits.save(paglet, None, writes=late)
        reply = ReplyBody(stored=True, address=self._roster.ref(paglet))
        for entry in paglet.mailbox.drain():
            if not entry.work.outcome.done():
                entry.work.outcome.set_result(reply)

    async def _commit_sleep(
        self, paglet: LocalPaglet, policy: DeactivationPolicy, taken: Taken, keep: Keeper
    ) -> None:
        async with paglet.committing:
            require_status(paglet, PagletStatus.ACTIVE)
            present = paglet.row
            row = replace(
                present,
                status=PagletStatus.INACTIVE,
                policy=policy,
                state=taken.state or present.state,
                changed_at=time.time(),
            )
            waiting = list(paglet.mailbox)
            kept = stored_messages(paglet, waiting) if policy.queue_messages else ()
            outcome = CallOutcome(ref=self._roster.ref(paglet))
            writes: list[Write] = [*kept, *keep.writes(outcome)]
            await self._commits.put(paglet, present, row, writes=writes)

    async def _go_on(self, paglet: LocalPaglet, error: PagletsError) -> None:
        link = paglet.link
        if link is not None and not link.is_over and not link.has_left:
            await self._activity.reopen(paglet, link, None, b"{}")
            return
        paglet.link = None
        await self._activity.restart(paglet, Hook.ON_ACTIVATION, b'{"reason":"recovered"}')
        self._recorder.record(
            "deactivate",
            f"was not put to sleep and started again: {error.message}",
            agent_id=paglet.agent_id,
            level="warning",
        )

    async def activate(self, agent_id: str, *, key: str | None) -> PagletProxyRef:
        """Wake an inactive, crashed or mended paglet; its gate is open when this returns.

        Raises:
            LifecycleError: It moved, or is held.
            StateError: Its state does not fit its class; it stays UNREADABLE.
            HookError: `on_activation` raised; it is CRASHED.
        """

        async def work(_keep: Keeper) -> PagletProxyRef:
            paglet = self._roster.get(agent_id)
            await self.activate_here(paglet, "requested")
            return self._roster.ref(paglet)

        return require_address(await self._once.run(key, work))

    async def activate_here(self, paglet: LocalPaglet, reason: str) -> None:
        """Wake `paglet`; one waker at a time, the others wait and find it awake."""
        await paglet.ready(timeout=self._timeouts.hook)
        if paglet.row.status is PagletStatus.ACTIVE and paglet.link is not None:
            return
        with paglet.doing(Verb.ACTIVATE):
            paglet.require(
                Verb.ACTIVATE,
                PagletStatus.INACTIVE,
                PagletStatus.CRASHED,
                PagletStatus.UNREADABLE,
                PagletStatus.ACTIVE,
                story=self._recorder.story(paglet.agent_id),
            )
            paglet.restart_pending = False
            self._stop_timer(paglet)
            paglet.starting = asyncio.get_running_loop().create_future()
            try:
                await self._activity.revive(paglet, reason)
            finally:
                if paglet.starting is not None:
                    paglet.starting.set_result(None)
                    paglet.starting = None

    async def keep_awake(self, paglet: LocalPaglet, reason: str) -> None:
        """Wake `paglet` for somebody who needs it, after whatever verb is under way.

        Raises:
            BusyError: That verb takes too long.
            PagletsError: As for `activate`.
        """
        try:
            await paglet.idle(timeout=self._timeouts.hook)
        except TimeoutError as error:
            raise BusyError(f"{paglet.agent_id} is busy", agent_id=paglet.agent_id) from error
        if paglet.row.status is not PagletStatus.ACTIVE or paglet.link is None:
            await self.activate_here(paglet, reason)

    def wake(self, paglet: LocalPaglet) -> None:
        """Begin to wake an inactive paglet because a message waits for it."""
        if paglet.starting is None:
            self._tasks.start(self._wake(paglet, "message"), f"waking {paglet.agent_id}")

    async def _wake(self, paglet: LocalPaglet, reason: str) -> None:
        # A verb may be under way, such as a dispatch that asks its target: it decides first.
        with contextlib.suppress(TimeoutError):
            await paglet.idle(timeout=self._timeouts.hook)
        if paglet.row.status is not PagletStatus.INACTIVE or paglet.is_gone:
            return
        if self._activity.is_stopping:
            return  # the next start of the host finds its timer due, its messages stored or refused
        try:
            await self.activate_here(paglet, reason)
        except PagletsError as error:
            self._activity.fail_messages(paglet, error, True)
            self._recorder.record(
                "activate",
                f"was not woken ({reason}): {error.message}",
                agent_id=paglet.agent_id,
                level="error",
            )

    def set_timer(self, paglet: LocalPaglet) -> None:
        """Set or clear the timer that wakes an inactive paglet."""
        self._stop_timer(paglet)
        policy = paglet.row.policy
        if (
            paglet.row.status is not PagletStatus.INACTIVE
            or policy is None
            or policy.activate_at is None
        ):
            return
        delay = policy.activate_at.timestamp() - time.time()
        loop = asyncio.get_running_loop()
        paglet.wake_timer = loop.call_later(
            min(max(0.0, delay), _LONGEST_TIMER), self._timer_rang, paglet
        )

    def _timer_rang(self, paglet: LocalPaglet) -> None:
        policy = paglet.row.policy
        if policy is None or policy.activate_at is None:
            return
        if policy.activate_at.timestamp() > time.time() + 0.001:
            self.set_timer(paglet)
            return
        self._tasks.start(self._wake(paglet, "timer"), f"timer of {paglet.agent_id}")

    def _stop_timer(self, paglet: LocalPaglet) -> None:
        if paglet.wake_timer is not None:
            paglet.wake_timer.cancel()
            paglet.wake_timer = None

    async def renew(self) -> None:
        """Put every running paglet to sleep and wake it on the present code (`--reload`)."""
        running = [paglet for paglet in self._roster if paglet.link is not None]
        await asyncio.gather(*(self._renew(paglet) for paglet in running))

    async def _renew(self, paglet: LocalPaglet) -> None:
        try:
            await paglet.ready(timeout=self._timeouts.hook)
            with paglet.doing(Verb.DEACTIVATE):
                if paglet.link is None or paglet.row.status is not PagletStatus.ACTIVE:
                    return
                await self._sleep(paglet, DeactivationPolicy(), "reload", Keeper(None))
            await self.activate_here(paglet, "reload")
        except PagletsError as error:
            self._recorder.record(
                "reload",
                f"did not come back on the new code: {error.message}",
                agent_id=paglet.agent_id,
                level="error",
            )

    async def shut_down(self) -> None:
        """Quiesce every process at once; rows stay ACTIVE, so that they come back.

        Handlers that still run after `Timeouts.shutdown` are cut: a LIFECYCLE paglet's state is
        saved as it is, a MESSAGE paglet keeps its last commit.
        """
        running = [paglet for paglet in self._roster if paglet.link is not None]
        for paglet in running:
            self._stop_timer(paglet)
        await asyncio.gather(*(self._stop(paglet) for paglet in running))

    async def _stop(self, paglet: LocalPaglet) -> None:
        event = b'{"reason":"shutdown"}'
        try:
            await paglet.idle(timeout=self._timeouts.shutdown)
            if paglet.link is None or paglet.row.status is not PagletStatus.ACTIVE:
                return
            taken = await self._quiescer.take(
                paglet,
                Verb.DEACTIVATE,
                Hook.ON_DEACTIVATING,
                event,
                anyway=True,
                timeout=self._timeouts.shutdown,
            )
            async with paglet.committing:
                require_status(paglet, PagletStatus.ACTIVE)
                present = paglet.row
                row = replace(present, state=taken.state or present.state)
                kept = stored_messages(paglet, [e for e in paglet.mailbox if e.oneway])
                await self._commits.put(paglet, present, row, writes=kept)
        except (PagletsError, TimeoutError) as error:
            self._recorder.record(
                "shutdown",
                f"kept its last commit: {error}",
                agent_id=paglet.agent_id,
                level="warning",
            )


def stored_messages(paglet: LocalPaglet, entries: Sequence[Queued]) -> tuple[Write, ...]:
    """Return the write that stores queued messages with their paglet; none if all are."""
    fresh = tuple(
        QueuedMessage(
            agent_id=paglet.agent_id,
            message_id=entry.message_id,
            priority=min(entry.priority, 10),
            body=entry.body,
        )
        for entry in entries
        if not entry.stored
    )
    for entry in entries:
        entry.stored = True
    return (PutMessages(fresh),) if fresh else ()
