"""From a loaded process to the open gate, and what follows when a process ends unasked.

A start is: launch, owed hook, commit, gate. `revive` does all of it for a row that is here already
(activation, recovery, restart after a crash); creation and arrival launch by themselves, because
the row comes from what was launched, and call `open`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn

import msgspec

from paglets.config.settings import Timeouts
from paglets.failpoints import failpoint_async
from paglets.model.enums import Hook, Launched, PagletStatus
from paglets.model.errors import (
    ClassLoadError,
    LifecycleError,
    PagletsError,
    StateError,
)
from paglets.model.manifest import ClassManifest
from paglets.runtime.childlink import ChildLink, as_failure
from paglets.runtime.commits import Commits, require_status
from paglets.runtime.crashes import Crashes
from paglets.runtime.owed import event_of, run_hook
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.starter import Birth, Starter
from paglets.runtime.storedqueue import load_stored
from paglets.runtime.tasks import Tasks
from paglets.store.rows import Blob, PagletRow
from paglets.store.store import Store
from paglets.supervise.restarts import RestartLimits
from paglets.wire.calls import Departure, HookDone, OpenGate

log = logging.getLogger(__name__)


class Activity:
    """Brings processes to life and notices their end. One per host, used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        starter: Starter,
        commits: Commits,
        store: Store,
        recorder: Recorder,
        tasks: Tasks,
        *,
        timeouts: Timeouts,
        restarts: RestartLimits,
    ) -> None:
        self._starter = starter
        self._commits = commits
        self._store = store
        self._recorder = recorder
        self._tasks = tasks
        self._timeouts = timeouts
        self._crashes = Crashes(
            commits,
            recorder,
            tasks,
            restarts,
            revive=lambda paglet: self.revive(paglet, "recovered"),
            fail=lambda *told: self.fail_messages(*told),  # noqa: PLW0108 - bound only later
        )
        self.pump: Callable[[LocalPaglet], None] = _unbound
        """Delivers the next queued message; set by the composition root."""
        self.fail_messages: Callable[[LocalPaglet, PagletsError, bool], None] = _unbound
        """Fails the messages of a crashed paglet, queued ones too if the flag says so."""
        self.depart: Callable[[LocalPaglet, Departure], Awaitable[None]] = _unbound
        """Carries out a departure that a hook asked for; set by the composition root."""

    @property
    def is_stopping(self) -> bool:
        """Whether the host stops: nothing is started again."""
        return self._crashes.is_stopping

    def on_failed_restart(self, told: Callable[[LocalPaglet], None]) -> None:
        """Tell `told` of each paglet whose restart after a crash did not come about."""
        self._crashes.restart_failed = told

    def stop(self) -> None:
        """Restart nothing from now on."""
        self._crashes.is_stopping = True

    async def open(
        self, paglet: LocalPaglet, link: ChildLink, hook: Hook | None, event: bytes = b"{}"
    ) -> None:
        """Take over a loaded process, run the hook it is owed, commit, and open the gate.

        Raises:
            LifecycleError: The paglet was disposed or fenced while its process was loaded; the
                process has been ended.
            HookError: The hook raised; the process still runs, with its gate closed.
            HookTimeoutError: It did not return in time.
            PagletCrashedError: The process ended in it.
        """
        try:
            require_status(paglet, PagletStatus.ACTIVE)
        except PagletsError:
            await link.end(grace=0)
            raise
        paglet.keep_output(link.process.output)
        paglet.link, paglet.gate_open = link, False
        started = paglet.starting
        if started is None:
            started = asyncio.get_running_loop().create_future()
            paglet.starting = started
        link.keep(asyncio.create_task(self._watch(paglet, link), name=f"watch {paglet.agent_id}"))
        try:
            departure = await self._run_owed(paglet, link, hook, event)
            if paglet.link is not link:
                raise LifecycleError(f"{paglet.agent_id} was stopped", agent_id=paglet.agent_id)
            if link.crash is not None:
                # `_watch` left this end to whoever starts it, and no request was under way.
                raise link.crash
            if departure is None:
                self._open_gate(paglet, link)
        finally:
            paglet.starting = None
            if not started.done():
                started.set_result(None)
        if departure is not None:
            self._depart_later(paglet, link, departure)

    def _open_gate(self, paglet: LocalPaglet, link: ChildLink) -> None:
        link.tell(OpenGate(queued=len(paglet.mailbox)))
        paglet.gate_open = True
        self.pump(paglet)

    def _depart_later(self, paglet: LocalPaglet, link: ChildLink, departure: Departure) -> None:
        self._tasks.start(self._depart(paglet, link, departure), f"departure of {paglet.agent_id}")

    async def _depart(self, paglet: LocalPaglet, link: ChildLink, departure: Departure) -> None:
        """Carry out what a hook unwound for; the gate stays closed unless it does not happen."""
        try:
            await paglet.idle(timeout=self._timeouts.hook)  # the verb whose hook it was
            if paglet.link is link:
                await self.depart(paglet, departure)
        except TimeoutError:
            log.warning("agent=%s was too busy to %s", paglet.agent_id, departure.verb)
        finally:
            is_here = paglet.link is link and not link.is_over and not link.has_left
            if is_here and paglet.verb is None and not paglet.gate_open:
                # Refused before it touched anything: a paglet that stays must answer.
                self._open_gate(paglet, link)

    async def _run_owed(
        self, paglet: LocalPaglet, link: ChildLink, hook: Hook | None, event: bytes
    ) -> Departure | None:
        manifest = paglet.row.manifest
        done: HookDone | None = None
        if hook is not None and hook.value in manifest.hooks:
            done = await run_hook(link, hook, event, timeout=self._timeouts.hook)
        if done is not None or paglet.row.due is not None:
            snapshot = None if done is None else done.snapshot
            await self._commits.save(paglet, snapshot, changes={"due": None})
        return None if done is None else done.departure

    async def reopen(
        self, paglet: LocalPaglet, link: ChildLink, hook: Hook | None, event: bytes
    ) -> None:
        """Open the gate of a process that was to leave and does not, after a last hook."""
        departure: Departure | None = None
        try:
            if hook is not None and hook.value in paglet.row.manifest.hooks:
                done = await run_hook(link, hook, event, timeout=self._timeouts.hook)
                departure = done.departure
                await self._commits.save(paglet, done.snapshot)
        except PagletsError as error:
            await self.crash(paglet, error)
            return
        if departure is None:
            self._open_gate(paglet, link)
        else:
            self._depart_later(paglet, link, departure)

    async def restart(
        self, paglet: LocalPaglet, hook: Hook, event: bytes, *, state: Blob | None = None
    ) -> None:
        """Start an ACTIVE paglet in a new process, from `state` or its last commit.

        What goes wrong is recorded, not raised: the paglet is CRASHED or UNREADABLE then.
        """
        row = paglet.row
        if row.status is not PagletStatus.ACTIVE or paglet.is_gone:
            return
        try:
            birth = Birth(
                agent_id=row.agent_id,
                class_name=row.manifest.class_name,
                epoch=row.epoch,
                state=state or self._commits.load(paglet),
                written_by=row.manifest.code_version,
                is_single=row.launched is Launched.RESIDENT,
            )
            link, _ = await self._starter.launch(birth)
        except (StateError, ClassLoadError) as error:
            await self._unreadable(paglet, error)
            return
        except PagletsError as error:
            await self.crash(paglet, error)
            return
        await self._enter(paglet, link, hook, event)

    def let_in(self, paglet: LocalPaglet) -> None:
        """Open the gate of a paglet that was to leave and is still here, running."""
        link = paglet.link
        if link is None or link.is_over or link.has_left or paglet.starting is not None:
            return
        if paglet.row.status is PagletStatus.ACTIVE and not paglet.gate_open:
            self._open_gate(paglet, link)

    def start_later(self, paglet: LocalPaglet, reason: str) -> None:
        """Start the process of an ACTIVE row in the background; messages wait meanwhile."""
        if paglet.starting is None:
            paglet.starting = asyncio.get_running_loop().create_future()
        self._tasks.start(self._start(paglet, reason), f"start of {paglet.agent_id}")

    def enter_later(self, paglet: LocalPaglet, link: ChildLink) -> None:
        """Run the owed hook of a paglet that has just arrived and open its gate, in the background.

        Its process is loaded already, and its row committed.
        """
        paglet.starting = asyncio.get_running_loop().create_future()
        due = paglet.row.due
        hook = None if due is None else Hook(due.hook)
        event = b"{}" if due is None else event_of(due)
        self._tasks.start(self._enter(paglet, link, hook, event), f"arrival of {paglet.agent_id}")

    async def _enter(
        self, paglet: LocalPaglet, link: ChildLink, hook: Hook | None, event: bytes
    ) -> None:
        try:
            await load_stored(self._store, paglet)
            await self.open(paglet, link, hook, event)
        except PagletsError as error:
            if paglet.link is not link:
                await link.end(grace=0)
            await self.crash(paglet, error)

    async def _start(self, paglet: LocalPaglet, reason: str) -> None:
        try:
            await self.revive(paglet, reason)
        except PagletsError as error:
            # `revive` has recorded it, and the row says why.
            log.debug("%s did not start: %s", paglet.agent_id, error)
        finally:
            if paglet.starting is not None and not paglet.starting.done():
                paglet.starting.set_result(None)
                paglet.starting = None

    async def revive(self, paglet: LocalPaglet, reason: str) -> None:
        """Start the process of a row that is here, up to the open gate.

        Args:
            paglet: ACTIVE, INACTIVE, CRASHED or UNREADABLE.
            reason: As `ActivationEvent.reason`.

        Raises:
            StateError: The state no longer fits; the row is UNREADABLE.
            ClassLoadError: The class cannot be imported; the row is as it was.
            PagletsError: A hook failed; the row is CRASHED.
        """
        await failpoint_async("activate.before_start")
        row = paglet.row
        birth = Birth(
            agent_id=row.agent_id,
            class_name=row.manifest.class_name,
            epoch=row.epoch,
            state=self._commits.load(paglet),
            written_by=row.manifest.code_version,
            is_single=row.launched is Launched.RESIDENT,
        )
        try:
            link, loaded = await self._starter.launch(birth)
        except (StateError, ClassLoadError) as error:
            await self._unreadable(paglet, error)
            raise
        if loaded.dropped:
            self._recorder.record(
                "state",
                f"dropped the state of fields the class no longer has: {', '.join(loaded.dropped)}",
                agent_id=row.agent_id,
                level="warning",
            )
        try:
            await self._take_over(paglet, row, loaded.manifest)
            await self._wake(paglet, reason, link)
        except BaseException as error:
            if paglet.link is not link:
                await asyncio.shield(link.end(grace=0))
            await asyncio.shield(self.crash(paglet, as_failure(error)))
            raise

    async def _take_over(
        self, paglet: LocalPaglet, row: PagletRow, manifest: ClassManifest
    ) -> None:
        """Commit that the paglet runs, unless `row` has become another while it was launched.

        A row that was fenced meanwhile must not be brought back to life.
        """
        async with paglet.committing:
            require_status(paglet, row.status)
            present = paglet.row
            if present.epoch != row.epoch:
                raise LifecycleError(f"{paglet.agent_id} has moved on", agent_id=paglet.agent_id)
            due = present.due
            if due is not None:
                due = replace(due, attempt=due.attempt + 1)
            active = replace(
                present,
                status=PagletStatus.ACTIVE,
                policy=None,
                error=None,
                manifest=manifest,
                due=due,
            )
            if active != present:
                active = replace(active, changed_at=time.time())
                await self._commits.put(paglet, present, active)

    async def _wake(self, paglet: LocalPaglet, reason: str, link: ChildLink) -> None:
        due = paglet.row.due
        await load_stored(self._store, paglet)
        if due is not None:
            await self.open(paglet, link, Hook(due.hook), event_of(due))
        else:
            event = msgspec.json.encode({"reason": reason})
            await self.open(paglet, link, Hook.ON_ACTIVATION, event)
        self._recorder.record("activate", f"started ({reason})", agent_id=paglet.agent_id)

    async def hold(self, paglet: LocalPaglet, why: str) -> None:
        """Keep an ACTIVE row from starting until a person decides."""
        changes = {"status": PagletStatus.HELD, "error": why}
        await self._commits.save(paglet, None, changes=changes, only=PagletStatus.ACTIVE)
        self._recorder.record("held", why, agent_id=paglet.agent_id, level="warning")

    async def _unreadable(self, paglet: LocalPaglet, error: PagletsError) -> None:
        status = paglet.row.status
        if isinstance(error, StateError) or status is PagletStatus.ACTIVE:
            changes = {"status": PagletStatus.UNREADABLE, "error": error.message}
            await self._commits.save(paglet, None, changes=changes, only=status)
            self.fail_messages(paglet, error, True)
        self._recorder.record(
            "unreadable",
            f"could not be restored: {error.message}",
            agent_id=paglet.agent_id,
            level="error",
        )

    async def _watch(self, paglet: LocalPaglet, link: ChildLink) -> None:
        report = await link.wait_exit()
        if paglet.verb is not None:
            await paglet.verb_ended.wait()  # hears of it too, if it needs the process
        if paglet.link is not link:
            return
        if paglet.starting is not None or link.has_left or report.expected:
            # Whoever starts or ends it hears of the end by its own request.
            return
        tail = "\n".join(link.process.output.lines[-5:])
        await self.crash(
            paglet,
            LifecycleError(f"its process ended with {report.cause}: {tail}"),
            error_for_callers=link.crash,
        )

    async def crash(
        self,
        paglet: LocalPaglet,
        error: PagletsError,
        *,
        error_for_callers: PagletsError | None = None,
    ) -> None:
        """Record that an ACTIVE paglet's process ended unasked, and restart it if it wants that.

        Callers of messages in it hear `error_for_callers`; queued ones wait for a restart.
        """
        link, paglet.link, paglet.gate_open = paglet.link, None, False
        if link is not None and not link.is_over:
            await link.end(grace=0)
        await self._crashes.note(paglet, error, error_for_callers or error)


def _unbound(*_args: object) -> NoReturn:
    raise AssertionError("bound by the composition root before the first paglet starts")
