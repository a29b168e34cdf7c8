"""What follows when a process ended unasked: CRASHED, and a restart for those who want it.

The process is gone already; `activity.py` notices that. What a restart does is `Activity.revive`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from paglets.model.enums import PagletStatus, Verb
from paglets.model.errors import LifecycleError, PagletsError
from paglets.model.launch import RestartTerms
from paglets.runtime.commits import Commits
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.tasks import Tasks
from paglets.supervise.restarts import GiveUp, RestartLimits, decide_restart

log = logging.getLogger(__name__)


class Crashes:
    """Records crashes and restarts paglets of one host; used from its loop.

    Args:
        commits: Writes the row.
        recorder: Told of each crash.
        tasks: Owns what waits for a restart.
        restarts: How patient the host is.
        revive: Starts a paglet from its last commit.
        fail: Fails the messages of a paglet, queued ones too if the flag says so.
    """

    def __init__(
        self,
        commits: Commits,
        recorder: Recorder,
        tasks: Tasks,
        restarts: RestartLimits,
        *,
        revive: Callable[[LocalPaglet], Awaitable[None]],
        fail: Callable[[LocalPaglet, PagletsError, bool], None],
    ) -> None:
        self._commits = commits
        self._recorder = recorder
        self._tasks = tasks
        self._restarts = restarts
        self._revive = revive
        self._fail = fail
        self.is_stopping = False
        """Set at shutdown: nothing is started again."""
        self.restart_failed: Callable[[LocalPaglet], None] = _nobody
        """Told of a paglet whose restart did not come about."""

    async def note(
        self, paglet: LocalPaglet, error: PagletsError, error_for_callers: PagletsError
    ) -> None:
        """Record that an ACTIVE paglet's process ended unasked, and restart it if it wants that.

        Callers of messages in it hear `error_for_callers`; queued ones wait for a restart.
        """
        if paglet.row.status is not PagletStatus.ACTIVE or paglet.is_gone or paglet.is_crashing:
            return
        paglet.is_crashing = True
        try:
            await self._record(paglet, error, error_for_callers)
        except LifecycleError as changed:
            # Disposed, or fenced, while its end was waited for: there is nothing to restart.
            log.debug("%s crashed and %s", paglet.agent_id, changed)
        finally:
            paglet.is_crashing = False

    async def _record(
        self, paglet: LocalPaglet, error: PagletsError, error_for_callers: PagletsError
    ) -> None:
        self._recorder.record(
            "crash", f"crashed: {error.message}", agent_id=paglet.agent_id, level="error"
        )
        paglet.crashes.append(time.time())
        delay = self._restart_delay(paglet)
        paglet.restart_pending = delay is not None
        self._fail(paglet, error_for_callers, delay is None)
        changes = {"status": PagletStatus.CRASHED, "error": error.message}
        await self._commits.save(paglet, None, changes=changes, only=PagletStatus.ACTIVE)
        if delay is not None:
            self._tasks.start(self._restart(paglet, delay), f"restart of {paglet.agent_id}")

    def _restart_delay(self, paglet: LocalPaglet) -> float | None:
        if self.is_stopping or not paglet.restarts:
            return None
        now = time.time()
        limits = self._restarts
        if paglet.resident is not None:
            limits = limits_of(paglet.resident.restart)
        decision = decide_restart(paglet.crashes, now, limits)
        if isinstance(decision, GiveUp):
            self._recorder.record(
                "crash",
                f"crashed {decision.crashes} times in {decision.seconds:g} s and stays down: "
                f"`paglets agent activate {paglet.agent_id[:8]}` tries again",
                agent_id=paglet.agent_id,
                level="error",
            )
            return None
        return max(0.0, decision.when - now)

    async def _restart(self, paglet: LocalPaglet, delay: float) -> None:
        await asyncio.sleep(delay)
        while paglet.verb is not None:
            await paglet.verb_ended.wait()
        if self.is_stopping or paglet.is_gone or paglet.row.status is not PagletStatus.CRASHED:
            return
        paglet.restart_pending = False
        try:
            with paglet.doing(Verb.ACTIVATE):
                await self._revive(paglet)
        except PagletsError as error:
            self._recorder.record(
                "crash", f"restart failed: {error}", agent_id=paglet.agent_id, level="error"
            )
            self.restart_failed(paglet)


def limits_of(terms: RestartTerms) -> RestartLimits:
    """Return the limits that launch.toml gives a resident."""
    return RestartLimits(
        first_delay=terms.first_delay,
        longest_delay=terms.longest_delay,
        max_restarts=terms.max_restarts,
        max_seconds=terms.max_seconds,
    )


def _nobody(_paglet: LocalPaglet) -> None:
    """Nobody asked to be told."""
