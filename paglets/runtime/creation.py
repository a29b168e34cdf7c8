"""Creating and disposing paglets on this host."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from paglets.failpoints import failpoint_async
from paglets.model.enums import Hook, Launched, PagletStatus, Verb
from paglets.model.errors import HookTimeoutError, LifecycleError, PagletsError
from paglets.model.names import new_id, parse_name
from paglets.model.refs import PagletProxyRef
from paglets.runtime.admission import Admission
from paglets.runtime.childlink import ChildLink, as_failure
from paglets.runtime.commits import lean
from paglets.runtime.common import Common
from paglets.runtime.idempotency import CallOutcome, Keeper, require_address
from paglets.runtime.leftovers import remove, set_aside
from paglets.runtime.lifecycle import PROMISED
from paglets.runtime.owed import event_of
from paglets.runtime.packing import creation_event
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.starter import Birth, Starter
from paglets.store.rows import Due, PagletRow
from paglets.store.writes import DeleteRow, Expect, PutRow
from paglets.wire.bodies import CreateBody, given
from paglets.wire.calls import Loaded

_BRIEF = {Verb.DEACTIVATE, Verb.ACTIVATE}
"""Verbs that end by themselves, soon, and leave the paglet here."""


class Creation:
    """Creates and disposes paglets of one host; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        starter: Starter,
        admission: Admission,
        folders: tuple[Path, ...],
    ) -> None:
        self._roster = common.roster
        self._store = common.store
        self._commits = common.commits
        self._activity = common.activity
        self._starter = starter
        self._quiescer = common.quiescer
        self._admission = admission
        self._recorder = common.recorder
        self._once = common.once
        self._timeouts = common.timeouts
        self._folders = folders
        self.disposed: Callable[[str], None] = _nobody
        """Told the id of each paglet that was disposed."""

    async def create(
        self, body: CreateBody, *, key: str | None, launched: Launched | None = None
    ) -> PagletProxyRef:
        """Create a paglet; its row is durable and `on_creation` has returned when this does.

        Args:
            body: What it is to be.
            key: Idempotency key.
            launched: Why the host makes it by itself, if it does.

        Raises:
            ClassNotAllowedError: The class is under no allowed prefix; nothing was imported.
            ClassLoadError: It cannot be imported, or is no Paglet.
            StateError: The state given does not fit; names the field.
            HookError: `on_creation` raised; there is no such paglet.
            AgentIdTakenError: The id is in use.
            ConflictError: This host runs one of its class, and may run no other.
        """
        self._admission.require_open()
        self._admission.require_allowed(body.class_name)
        agent_id = new_id()
        if body.agent_id is not None:
            agent_id = parse_name(body.agent_id, what="agent id")

        async def work(keep: Keeper) -> PagletProxyRef:
            self._roster.require_free(agent_id)
            initial = given(body.state)
            birth = Birth(agent_id=agent_id, class_name=body.class_name, initial=initial)
            link, loaded = await self._starter.launch(birth)
            try:
                with self._roster.alone(loaded.manifest, agent_id):
                    return await self._bear(agent_id, link, loaded, keep, launched)
            except BaseException:
                await asyncio.shield(link.end(grace=0))
                raise

        return require_address(await self._once.run(key, work))

    async def _bear(
        self,
        agent_id: str,
        link: ChildLink,
        loaded: Loaded,
        keep: Keeper,
        launched: Launched | None,
    ) -> PagletProxyRef:
        manifest = loaded.manifest
        hook = Hook.ON_CREATION if Hook.ON_CREATION.value in manifest.hooks else None
        due = None if hook is None else Due(hook.value, creation_event(self._roster.me), 1)
        now = time.time()
        row = PagletRow(
            agent_id=agent_id,
            birth_id=new_id(),
            manifest=manifest,
            status=PagletStatus.ACTIVE,
            due=due,
            created_at=now,
            changed_at=now,
            launched=launched,
        )
        if loaded.snapshot is not None:
            row = replace(row, state=await self._commits.blob(loaded.snapshot))
        ref = self._roster.here(row)
        present = self._roster.find(agent_id)
        expect = None if present is None else Expect(present.row.status, present.row.epoch)
        await self._store.commit(PutRow(row, expect), *keep.writes(CallOutcome(ref=ref)))
        await failpoint_async("create.after_commit")
        paglet = self._roster.put(lean(row))
        try:
            event = b"{}" if due is None else event_of(due)
            await self._activity.open(paglet, link, hook, event)
        except BaseException as error:
            await asyncio.shield(self._unborn(paglet, link, as_failure(error)))
            raise
        self._recorder.record("create", f"created {manifest.class_name}", agent_id=agent_id)
        return ref

    async def _unborn(self, paglet: LocalPaglet, link: ChildLink, error: PagletsError) -> None:
        """Undo a creation whose hook failed: nothing of it remains."""
        paglet.link = None
        await link.end(grace=0)
        async with paglet.committing:
            row = paglet.row
            if paglet.is_gone or row.status is not PagletStatus.ACTIVE:
                return
            await self._store.commit(DeleteRow(row.agent_id, Expect(row.status, row.epoch)))
            self._roster.drop(row.agent_id)
        self._recorder.record(
            "create",
            f"was not created: {error.message}",
            agent_id=row.agent_id,
            level="warning",
        )

    async def dispose(self, agent_id: str, *, force: bool, key: str | None) -> None:
        """End a paglet for good: hook, cleanup, row, files.

        Args:
            agent_id: Of a paglet of this host.
            force: Kill its process without hook or cleanup.
            key: Idempotency key.

        Raises:
            BusyError: Another life-cycle verb runs, and `force` is not set.
            HookError: `on_disposing` raised; the paglet lives on.
        """

        async def work(_keep: Keeper) -> None:
            paglet = self._roster.get(agent_id)
            if force:
                await self._erase(paglet, await self._killed(paglet))
                return
            await paglet.ready(timeout=self._timeouts.hook)
            await self._asleep_or_awake(paglet)
            with paglet.doing(Verb.DISPOSE):
                await self._dispose(paglet)

        await self._once.run(key, work)

    async def _asleep_or_awake(self, paglet: LocalPaglet) -> None:
        """Wait while it falls asleep or wakes, as it may by itself at any time: that ends soon."""
        with contextlib.suppress(TimeoutError):  # `doing` says then what it is busy with
            async with asyncio.timeout(self._timeouts.hook):
                while paglet.verb in _BRIEF:
                    await paglet.verb_ended.wait()

    async def dispose_itself(self, paglet: LocalPaglet) -> None:
        """Carry out a paglet's own `dispose()`; it has unwound."""
        with paglet.doing(Verb.DISPOSE):
            await self._dispose(paglet)

    async def _killed(self, paglet: LocalPaglet) -> str:
        _require_not_promised(paglet)
        link, paglet.link, paglet.gate_open = paglet.link, None, False
        if link is not None:
            await link.end(grace=0)
        return "killed and disposed"

    async def _dispose(self, paglet: LocalPaglet) -> None:
        if paglet.row.status is PagletStatus.ACTIVE and paglet.link is not None:
            try:
                await self._quiescer.take(
                    paglet, Verb.DISPOSE, Hook.ON_DISPOSING, b'{"reason":"requested"}'
                )
            except HookTimeoutError:
                self._recorder.record(
                    "hook",
                    "on_disposing took too long and was ended",
                    agent_id=paglet.agent_id,
                    level="warning",
                )
                paglet.link = None
            except PagletsError:
                await self._go_on(paglet)
                raise
        await self._erase(paglet, "disposed")

    async def _go_on(self, paglet: LocalPaglet) -> None:
        link = paglet.link
        if link is not None and not link.is_over:
            await self._activity.reopen(paglet, link, None, b"{}")

    async def _erase(self, paglet: LocalPaglet, how: str) -> None:
        async with paglet.committing:
            if paglet.is_gone:
                return
            _require_not_promised(paglet)
            row = paglet.row
            await self._store.commit(DeleteRow(row.agent_id, Expect(row.status, row.epoch)))
            self._roster.drop(row.agent_id)
        gone = LifecycleError(f"{row.agent_id} was disposed", agent_id=row.agent_id)
        self._activity.fail_messages(paglet, gone, True)
        if paglet.wake_timer is not None:
            paglet.wake_timer.cancel()
        self._recorder.record("dispose", how, agent_id=row.agent_id)
        left = [set_aside(folder / row.agent_id) for folder in self._folders]
        self.disposed(row.agent_id)
        await asyncio.to_thread(remove, [path for path in left if path is not None])


def _require_not_promised(paglet: LocalPaglet) -> None:
    """Raise LifecycleError where only the target's word, or an operator's, may end a paglet."""
    if paglet.row.status in PROMISED:
        raise LifecycleError(
            f"{paglet.agent_id} is promised to {paglet.peer_name}: use `paglets transfer "
            f"resolve {paglet.row.transfer_id} --drop`",
            transfer_id=paglet.row.transfer_id,
        )


def _nobody(_agent_id: str) -> None:
    """Nobody asked to be told."""
