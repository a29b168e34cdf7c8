"""Starting what `[[paglets]]` of launch.toml names, once each, whatever happened before.

An entry has one row under a fixed id. Recovery starts a row that was there; here one is made where
there is none. The tombstone of a paglet that moved away is such a row, and is kept for good.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from paglets.model.enums import Launched
from paglets.model.errors import PagletsError
from paglets.model.launch import LaunchPlan, resident_id
from paglets.runtime.admission import Admission
from paglets.runtime.creation import Creation
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.runtime.starter import Starter
from paglets.runtime.startplan import Start, is_to_be_woken, objection, plan_starts
from paglets.supervise.restarts import GiveUp, RestartLimits, decide_restart
from paglets.wire.bodies import CreateBody


class AutoStart:
    """Starts the paglets of launch.toml on one host; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        plan: LaunchPlan,
        *,
        roster: Roster,
        starter: Starter,
        admission: Admission,
        creation: Creation,
        inactivity: Inactivity,
        recorder: Recorder,
        own_modules: Callable[[], tuple[str, ...]],
    ) -> None:
        self._plan = plan
        self._roster = roster
        self._starter = starter
        self._admission = admission
        self._creation = creation
        self._inactivity = inactivity
        self._recorder = recorder
        self._own_modules = own_modules
        self._problems: list[str] = []

    def warnings(self) -> list[str]:
        """Return what an operator should know, each with the next step."""
        return list(self._problems)

    async def run(self) -> None:
        """Start what is to be started; called once recovery is over, and when code has changed."""
        if not self._plan.paglets:
            return
        self._problems.clear()
        try:
            starts = await self._resolve()
        except PagletsError as error:
            self._problem(f"[[paglets]] of launch.toml cannot be started: {error.message}")
            return
        await asyncio.gather(*(self._start(start) for start in starts))

    async def _resolve(self) -> tuple[Start, ...]:
        entries, refused = self._plan.paglets, dict[str, str]()
        classes = [each.class_name for each in entries if each.class_name is not None]
        modules = self._plan.modules
        if modules is None:
            modules = self._own_modules()
        else:
            modules = tuple(self._allowed(modules, self._admission.require_module, refused))
        surveyed = await self._starter.survey(
            modules if any(each.alias is not None for each in entries) else (),
            tuple(self._allowed(classes, self._admission.require_allowed, refused)),
        )
        failures = (*surveyed.failures, *refused.items())
        plan = plan_starts(
            entries,
            msgspec.structs.replace(surveyed, failures=failures),
            host=self._roster.me.name,
            modules=modules,
            taken=self._residents(),
        )
        for problem in plan.problems:
            self._problem(problem)
        if self._plan.modules is not None:
            for name, why in failures:
                if name in self._plan.modules:
                    self._problem(f"[launch] modules of launch.toml: {name}: {why}")
        return plan.starts

    def _allowed(
        self, names: Iterable[str], require: Callable[[str], None], refused: dict[str, str]
    ) -> Iterator[str]:
        """Yield the names this host may import, and note why it may not import the others."""
        for name in names:
            try:
                require(name)
            except PagletsError as error:
                refused[name] = error.message
            else:
                yield name

    def _residents(self) -> dict[str, str]:
        """Return ids and classes of residents, which no other paglet may have."""
        host = self._roster.me.name
        taken = {each.class_name: each.place for each in self._plan.residents}
        return taken | {resident_id(each, host): each.place for each in self._plan.residents}

    async def _start(self, start: Start) -> None:
        failures: list[float] = []
        while True:
            try:
                await self._start_once(start)
            except PagletsError as error:
                failures.append(time.time())
                again = decide_restart(failures, time.time(), RestartLimits())
                if not error.retryable or isinstance(again, GiveUp):
                    place = start.entry.place
                    self._problem(f"{place}: {start.class_name} was not started: {error.message}")
                    return
                await asyncio.sleep(max(0.0, again.when - time.time()))
            else:
                return

    async def _start_once(self, start: Start) -> None:
        paglet = self._roster.find(start.agent_id)
        if paglet is None:
            body = CreateBody(
                class_name=start.class_name,
                agent_id=start.agent_id,
                state=msgspec.Raw(msgspec.json.encode(start.entry.state)),
            )
            await self._creation.create(body, key=None, launched=Launched.PAGLET)
            return
        why = objection(paglet.row, start)
        if why is not None:
            self._problem(why)
        elif is_to_be_woken(paglet.row):
            await self._inactivity.activate_here(paglet, "startup")

    def _problem(self, text: str) -> None:
        self._problems.append(text)
        self._recorder.record("launch", text, level="error")
