"""The rows of residents: made, kept in step with their class, put aside when undeclared."""

import asyncio
import contextlib
import time
from dataclasses import replace

import msgspec

from paglets.failpoints import failpoint_async
from paglets.model.enums import Hook, Launched, PagletStatus
from paglets.model.errors import LifecycleError, PagletsError
from paglets.model.launch import ResidentService
from paglets.model.names import new_id
from paglets.runtime.admission import Admission
from paglets.runtime.childlink import as_failure
from paglets.runtime.commits import Commits, lean
from paglets.runtime.packing import creation_event
from paglets.runtime.recorder import Recorder
from paglets.runtime.residency import RESTING, RETIRED, is_retired
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.starter import Birth, Starter
from paglets.store.rows import Due, PagletRow
from paglets.store.store import Store
from paglets.store.writes import Expect, PutRow


class ResidentRows:
    """Writes the rows of one host's residents; used from its loop."""

    def __init__(
        self,
        roster: Roster,
        store: Store,
        commits: Commits,
        starter: Starter,
        admission: Admission,
        recorder: Recorder,
    ) -> None:
        self._roster = roster
        self._store = store
        self._commits = commits
        self._starter = starter
        self._admission = admission
        self._recorder = recorder

    async def create(self, service: ResidentService, agent_id: str) -> LocalPaglet:
        """Make the row of a resident, asleep; its `on_creation` is owed until it first runs.

        The process that makes its first state ends again: a lazy one may not be needed for long.
        """
        self._admission.require_allowed(service.class_name)
        birth = Birth(
            agent_id=agent_id,
            class_name=service.class_name,
            initial=msgspec.json.encode(service.state),
            is_single=True,
        )
        link, loaded = await self._starter.launch(birth)
        try:
            now = time.time()
            has_hook = Hook.ON_CREATION.value in loaded.manifest.hooks
            event = creation_event(self._roster.me)
            row = PagletRow(
                agent_id=agent_id,
                birth_id=new_id(),
                manifest=loaded.manifest,
                status=PagletStatus.INACTIVE,
                due=Due(Hook.ON_CREATION.value, event) if has_hook else None,
                policy=RESTING,
                created_at=now,
                changed_at=now,
                launched=Launched.RESIDENT,
            )
            if loaded.snapshot is not None:
                row = replace(row, state=await self._commits.blob(loaded.snapshot))
            present = self._roster.find(agent_id)
            expect = None if present is None else Expect(present.row.status, present.row.epoch)
            await self._store.commit(PutRow(row, expect))
        finally:
            await asyncio.shield(link.end(grace=0))
        await failpoint_async("resident.after_commit")
        paglet = self._roster.put(lean(row))
        paglet.resident = service
        self._recorder.record(
            "create",
            f"made resident {service.class_name} ({service.lifecycle})",
            agent_id=agent_id,
        )
        return paglet

    async def refresh(self, paglet: LocalPaglet) -> None:
        """Learn what a sleeping resident's class offers, where its code is another by now."""
        row = paglet.row
        if row.manifest.code_version == self._starter.code_version:
            return
        birth = Birth(
            agent_id=row.agent_id,
            class_name=row.manifest.class_name,
            epoch=row.epoch,
            state=self._commits.load(paglet),
            check_only=True,
            is_single=True,
        )
        link, loaded = await self._starter.launch(birth)
        await link.end(grace=0)
        changes: dict[str, object] = {"manifest": loaded.manifest}
        with contextlib.suppress(LifecycleError):  # it has been woken: that told the same
            await self._commits.save(paglet, None, changes=changes, only=PagletStatus.INACTIVE)

    async def retire(self, declared: frozenset[str]) -> None:
        """Put residents to sleep that launch.toml no longer declares; their state is kept.

        Args:
            declared: Ids of those that it does.
        """
        for paglet in self._roster:
            if not is_retired(paglet.row, declared) or paglet.row.policy == RETIRED:
                continue
            changes: dict[str, object] = {"status": PagletStatus.INACTIVE, "policy": RETIRED}
            try:
                await self._commits.save(paglet, None, changes=changes)
            except PagletsError as error:
                text, level = f"could not be retired: {as_failure(error).message}", "error"
            else:
                text = (
                    "is no longer in launch.toml and sleeps, its state is kept: declare it again "
                    f"to wake it, or `paglets agent dispose {paglet.agent_id}`"
                )
                level = "warning"
            self._recorder.record("resident", text, agent_id=paglet.agent_id, level=level)
