"""The resident services of one host: there when it starts, awake when needed, back after a crash.

What is done about each is decided in `residency.py`; restarts after a crash are `crashes.py`'s.
A lazy resident without work is an ordinary INACTIVE row that messages wake: its services are
listed, one waker starts it while further calls wait, and no process runs meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from paglets.model.enums import Launched, PagletStatus, ResidentLifecycle
from paglets.model.errors import BusyError, LifecycleError, PagletsError
from paglets.model.launch import LaunchPlan, ResidentService, resident_id
from paglets.runtime.childlink import ChildLink
from paglets.runtime.common import Common
from paglets.runtime.crashes import limits_of
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.residency import (
    RESTING,
    IdleWatch,
    Next,
    decide_next,
    look_interval,
    objection,
)
from paglets.runtime.residentrows import ResidentRows
from paglets.runtime.roster import LocalPaglet
from paglets.store.writes import StaleWriteError
from paglets.supervise.restarts import GiveUp, decide_restart

_PREPARE_TIMEOUT = 10.0
"""Seconds for the classes of new residents to be imported before the host counts as ready."""


@dataclass(slots=True)
class _Resident:
    """What is remembered of one resident while the host runs."""

    service: ResidentService
    agent_id: str
    failures: list[float] = field(default_factory=list)
    """Unix seconds of starts that failed, oldest first."""
    problem: str | None = None
    """Why it does not run, for the host's warnings."""
    is_coming: bool = False
    """Whether somebody is bringing it up already."""
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its services are listed, or cannot be."""
    watch: IdleWatch | None = None
    watched: ChildLink | None = None
    """The process that is watched: the next one is another life."""
    held: asyncio.Future[None] | None = None
    """What messages wait for until it is known whether a starting host starts or rests it."""

    @property
    def is_lazy(self) -> bool:
        """Whether it runs only when needed."""
        return self.service.lifecycle is ResidentLifecycle.LAZY


class Residents:
    """Runs the residents of one host; used from its loop."""

    def __init__(
        self,
        plan: LaunchPlan,
        common: Common,
        *,
        inactivity: Inactivity,
        rows: ResidentRows,
        is_leased: Callable[[str], bool],
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._commits = common.commits
        self._activity = common.activity
        self._inactivity = inactivity
        self._rows = rows
        self._recorder = common.recorder
        self._tasks = common.tasks
        self._is_leased = is_leased
        host = self._roster.me.name
        made = [_Resident(service, resident_id(service, host)) for service in plan.residents]
        self._residents = {each.agent_id: each for each in made}
        self._roster.resident_classes = {each.service.class_name: each.agent_id for each in made}

    def warnings(self) -> list[str]:
        """Return what an operator should know, each with the next step."""
        return [problem for each in self._residents.values() if (problem := self._trouble(each))]

    def _trouble(self, each: _Resident) -> str | None:
        paglet = self._roster.find(each.agent_id)
        if paglet is not None and paglet.gate_open:
            return None
        if paglet is not None and paglet.row.status is PagletStatus.CRASHED:
            return f"resident {each.agent_id} has crashed: {paglet.row.error}"
        return each.problem

    def adopt(self) -> None:
        """Take over the rows of residents; called once rows are in memory, before any starts."""
        for each in self._residents.values():
            paglet = self._roster.find(each.agent_id)
            if paglet is None or objection(paglet.row, each.service) is not None:
                continue
            paglet.resident = each.service
            paglet.restart_pending = paglet.row.status is PagletStatus.CRASHED
            if paglet.row.status in {PagletStatus.ACTIVE, PagletStatus.CRASHED}:
                each.held = asyncio.get_running_loop().create_future()
                paglet.starting = each.held

    async def prepare(self) -> None:
        """See to it that every resident has a row, and none rests that is to be awake.

        After this the services of all residents are listed, unless a class takes long to import:
        that goes on in the background.
        """
        await self._rows.retire(frozenset(self._residents))
        try:
            async with asyncio.timeout(_PREPARE_TIMEOUT):
                # Lazy ones first: an eager one may call them as soon as it runs.
                for is_lazy in (True, False):
                    await self._bring_up(is_lazy=is_lazy)
        except TimeoutError:
            self.ensure()

    async def _bring_up(self, *, is_lazy: bool) -> None:
        """Set up the residents of one kind and wait until all their services are listed."""
        kind = [each for each in self._residents.values() if each.is_lazy == is_lazy]
        for each in kind:
            self._tasks.start(self._set_up(each), f"resident {each.agent_id}")
        for each in kind:
            await each.listed.wait()

    async def run(self) -> None:
        """Look after lazy residents for as long as the host runs."""
        lazy = [each for each in self._residents.values() if each.is_lazy]
        interval = look_interval([each.service.idle_timeout for each in lazy])
        while lazy:
            await asyncio.sleep(interval)
            for each in lazy:
                await self._look(each)

    def ensure(self) -> None:
        """Bring up what should run and does not: after a disposal, or when code has changed."""
        for each in self._residents.values():
            if not each.is_coming:
                self._tasks.start(self._set_up(each), f"resident {each.agent_id}")

    def gone(self, agent_id: str) -> None:
        """A paglet was disposed: if it was a resident, a new one takes its place."""
        each = self._residents.get(agent_id)
        if each is not None and not self._activity.is_stopping:
            each.failures.append(time.time())
            self._tasks.start(self._again(each), f"resident {agent_id}")

    def not_restarted(self, paglet: LocalPaglet) -> None:
        """A restart after a crash did not come about: it is tried again."""
        each = self._residents.get(paglet.agent_id)
        if each is not None:
            self._failed(each, "it could not be restarted after a crash")
            self._tasks.start(self._again(each), f"resident {paglet.agent_id}")

    async def _set_up(self, each: _Resident) -> None:
        """Do what is next for a resident; what goes wrong is told, and tried again."""
        if each.is_coming:
            return
        each.is_coming = True
        try:
            await self._do_next(each)
        except (PagletsError, StaleWriteError) as error:
            self._failed(each, str(error))
            if not self._restarts_by_itself(each):
                self._tasks.start(self._again(each), f"resident {each.agent_id}")
        else:
            each.problem = None
        finally:
            each.is_coming = False
            each.listed.set()
            self._release(each)

    def _release(self, each: _Resident) -> None:
        """Let those go on who waited to see whether a resident starts."""
        held, each.held = each.held, None
        paglet = self._roster.find(each.agent_id)
        if held is not None and not held.done():
            held.set_result(None)
        if paglet is not None and held is not None and paglet.starting is held:
            paglet.starting = None

    async def _again(self, each: _Resident) -> None:
        """Set a resident up again after a delay that grows with its failures."""
        terms = each.service.restart
        decision = decide_restart(each.failures, time.time(), limits_of(terms))
        if isinstance(decision, GiveUp):
            self._recorder.record(
                "resident",
                f"failed {decision.crashes} times in {decision.seconds:g} s and stays down: mend "
                f"it and restart the host, or `paglets agent activate {each.agent_id}`",
                agent_id=each.agent_id,
                level="error",
            )
            return
        await asyncio.sleep(max(0.0, decision.when - time.time()))
        if not self._activity.is_stopping:
            await self._set_up(each)

    def _restarts_by_itself(self, each: _Resident) -> bool:
        paglet = self._roster.find(each.agent_id)
        return paglet is not None and paglet.restart_pending

    def _failed(self, each: _Resident, why: str) -> None:
        each.failures.append(time.time())
        problem = f"resident {each.agent_id} ({each.service.place}) does not run: {why}"
        if problem != each.problem:
            each.problem = problem
            self._recorder.record("resident", problem, agent_id=each.agent_id, level="error")

    async def _do_next(self, each: _Resident) -> None:
        paglet = self._roster.find(each.agent_id)
        row = None if paglet is None else paglet.row
        has_messages = paglet is not None and self._store.queue_size(each.agent_id)[0] > 0
        match decide_next(row, each.service, has_messages=has_messages):
            case Next.CREATE:
                paglet = await self._rows.create(each.service, each.agent_id)
                if not each.is_lazy:
                    await self._start(each, paglet)
            case Next.START:
                assert paglet is not None, "it has a row"
                await self._start(each, paglet)
            case Next.REST:
                assert paglet is not None, "it has a row"
                await self._rest(each, paglet)
            case Next.WAIT:
                assert paglet is not None, "it has a row"
                await self._rows.refresh(paglet)
            case Next.LEAVE_ALONE:
                assert row is not None, "it has a row"
                why = objection(row, each.service) or f"it is {row.status}: {row.error}"
                raise LifecycleError(why, agent_id=each.agent_id)

    async def _start(self, each: _Resident, paglet: LocalPaglet) -> None:
        reason = "startup" if paglet.row.status is PagletStatus.INACTIVE else "recovered"
        paglet.resident = each.service
        if paglet.row.launched is not Launched.RESIDENT:
            await self._commits.save(paglet, None, changes={"launched": Launched.RESIDENT})
        self._release(each)
        each.listed.set()
        await self._inactivity.activate_here(paglet, reason)

    async def _rest(self, each: _Resident, paglet: LocalPaglet) -> None:
        """Let a row without a process sleep until a message comes."""
        if paglet.link is not None:
            return  # somebody woke it meanwhile
        paglet.resident = each.service
        changes: dict[str, object] = {
            "status": PagletStatus.INACTIVE,
            "policy": RESTING,
            "error": None,
            "launched": Launched.RESIDENT,
        }
        await self._commits.save(paglet, None, changes=changes, only=paglet.row.status)
        paglet.restart_pending = False
        self._release(each)
        if len(paglet.mailbox):
            self._inactivity.wake(paglet)
        await self._rows.refresh(paglet)

    async def _look(self, each: _Resident) -> None:
        paglet = self._roster.find(each.agent_id)
        link = None if paglet is None else paglet.link
        if paglet is None or link is None or paglet.resident is None:
            each.watch = each.watched = None
            return
        now = time.monotonic()
        watch = each.watch
        if watch is None or each.watched is not link:
            each.watched = link
            watch = each.watch = IdleWatch(link.calls, now)
        is_busy = (
            paglet.starting is not None
            or paglet.running is not None
            or bool(paglet.unqueued)
            or len(paglet.mailbox) > 0
            or self._is_leased(each.agent_id)
        )
        if watch.look(link.calls, is_busy=is_busy, now=now) >= each.service.idle_timeout:
            each.watch = None
            await self._sleep(paglet)

    async def _sleep(self, paglet: LocalPaglet) -> None:
        try:
            await self._inactivity.rest(paglet, RESTING)
        except BusyError:
            return  # somebody needs it: it is looked at again
        except PagletsError as error:
            self._recorder.record(
                "resident",
                f"was not put to sleep: {error.message}",
                agent_id=paglet.agent_id,
                level="warning",
            )
