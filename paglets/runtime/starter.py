"""Starting a Paglet Process and loading its paglet: from a class name and a state to `Loaded`.

The process has then imported the class and decoded the state; no hook has run. Which rows change
because of that is for the drivers.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paglets.config.settings import Limits, Timeouts
from paglets.model.errors import HookTimeoutError, PagletsError, UnavailableError
from paglets.model.refs import Epoch
from paglets.runtime.childlink import ChildLink
from paglets.store.rows import Blob
from paglets.store.spool import Spool
from paglets.supervise.control import Lesson
from paglets.supervise.process import ProcessFactory
from paglets.wire.calls import (
    INLINE_LIMIT,
    HostCall,
    HostFacts,
    Load,
    Loaded,
    Snapshot,
    Survey,
    Surveyed,
)

CallSink = Callable[[ChildLink, HostCall], None]
"""Gets what a paglet asks of its host."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where paglets of this host may write."""

    work: Path
    persistent: Path
    incoming: Path


@dataclass(frozen=True, kw_only=True)
class Birth:
    """What a process is to become."""

    agent_id: str
    class_name: str
    epoch: Epoch = Epoch()
    state: Blob | None = None
    """None: a new paglet, or a check of the class alone."""
    written_by: str = ""
    """Code version that wrote `state`."""
    is_fresh: bool = False
    """Whether `state` was verified a moment ago: it need not be read a second time for that."""
    initial: bytes | None = None
    """State given by the creator as JSON."""
    check_only: bool = False
    """The process answers and exits."""
    is_single: bool = False
    """Whether it is a resident, of which a host has one: no spare process learns its class, as most
    would keep what it imports for a start that does not come."""


@dataclass(frozen=True, kw_only=True)
class CodeSource:
    """Where children find the owner's code."""

    import_paths: tuple[str, ...]
    version: str


class Starter:
    """Starts Paglet Processes. One per host, used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        factory: ProcessFactory,
        *,
        facts: Callable[[], HostFacts],
        folders: Folders,
        code: Callable[[], CodeSource],
        spool: Spool,
        limits: Limits,
        timeouts: Timeouts,
        capacity: Callable[[], int],
        on_call: CallSink,
        on_line: Callable[[str, str], None],
    ) -> None:
        self._factory = factory
        self._facts = facts
        self._folders = folders
        self._code = code
        self._spool = spool
        self._limits = limits
        self._timeouts = timeouts
        self._capacity = capacity
        self._on_call = on_call
        self._on_line = on_line
        self._slots = asyncio.Semaphore(limits.starting)
        self._live = 0

    @property
    def code_version(self) -> str:
        """Version of the code that processes started now run on."""
        return self._code().version

    async def launch(self, birth: Birth) -> tuple[ChildLink, Loaded]:
        """Start a process and load the paglet into it.

        Cancelling, and every error, ends the process.

        Raises:
            ClassLoadError: The class cannot be imported or is no Paglet.
            StateError: The state does not fit the class; names the field.
            PagletCrashedError: The process ended while it imported.
            HookTimeoutError: Import and state took longer than `Timeouts.load`.
            UnavailableError: No room for another process on this host.
        """
        if self._live >= self._capacity():
            raise UnavailableError(
                f"{self._facts().name} runs {self._live} paglets, as many as its limit on open "
                "files allows; raise `ulimit -n` or use another host",
                active=self._live,
                retry_after=1.0,
            )
        self._live += 1
        link: ChildLink | None = None
        try:
            async with self._slots:
                link = await self._fork(birth)
                loaded = await self._load(link, birth)
        except BaseException:
            self._live -= 1
            if link is not None:
                await asyncio.shield(link.end(grace=0))
            raise
        task = asyncio.create_task(self._count_down(link), name=f"life of {birth.agent_id}")
        link.keep(task)
        return link, loaded

    async def survey(self, modules: tuple[str, ...], classes: tuple[str, ...]) -> Surveyed:
        """Return which classes launch.toml may start, as a process says that imports them.

        Args:
            modules: Modules and packages to look through.
            classes: Classes that are to be found whether or not they have an alias.

        Raises:
            PagletCrashedError: The process ended while it imported.
            HookTimeoutError: It took longer than `Timeouts.load`.
        """
        name = self._facts().name
        process = await self._factory.fork(
            f"paglet:{name}:survey", on_line=lambda line: self._on_line("survey", line)
        )
        link = ChildLink("survey", process, self._on_call)
        watch = asyncio.create_task(_until_over(link), name="survey")
        try:
            call = link.next_call()
            frame = Survey(
                call=call,
                modules=modules,
                classes=classes,
                import_paths=self._code().import_paths,
            )
            return await link.request(frame, call, Surveyed, timeout=self._timeouts.load)
        except TimeoutError as error:
            raise HookTimeoutError(
                f"importing {', '.join((*modules, *classes))} took longer than "
                f"{self._timeouts.load:g} s",
                hook="import",
            ) from error
        finally:
            await asyncio.shield(link.end(grace=0))
            await watch

    def expect(self, class_name: str) -> None:
        """Prepare for the start of a paglet of this class, which is probably about to come."""
        self._factory.expect(self._lesson(class_name))

    def _lesson(self, class_name: str) -> Lesson:
        return Lesson(class_name, self._code().import_paths)

    async def _count_down(self, link: ChildLink) -> None:
        try:
            await link.wait_exit()
        finally:
            self._live -= 1

    async def _fork(self, birth: Birth) -> ChildLink:
        short = birth.class_name.rpartition(":")[2]
        title = f"paglet:{self._facts().name}:{short}:{birth.agent_id[:8]}"
        label = f"{short}:{birth.agent_id[:4]}"
        process = await self._factory.fork(
            title,
            on_line=lambda line: self._on_line(label, line),
            lesson=None if birth.is_single else self._lesson(birth.class_name),
        )
        return ChildLink(birth.agent_id, process, self._on_call)

    async def _load(self, link: ChildLink, birth: Birth) -> Loaded:
        code = self._code()
        call = link.next_call()
        frame = Load(
            call=call,
            agent_id=birth.agent_id,
            class_name=birth.class_name,
            host=self._facts(),
            epoch=birth.epoch,
            import_paths=code.import_paths,
            state=self._snapshot(birth),
            is_own_code=birth.written_by == code.version,
            initial=birth.initial,
            work_dir=str(self._folders.work / birth.agent_id),
            persistent_dir=str(self._folders.persistent / birth.agent_id),
            persistent_quota_bytes=self._limits.persistent_bytes,
            incoming_dir=str(self._folders.incoming),
            state_limit_bytes=self._limits.state_bytes,
            hook_timeout_ms=int(self._timeouts.hook * 1000),
            code_version=code.version,
            check_only=birth.check_only,
        )
        try:
            return await link.request(frame, call, Loaded, timeout=self._timeouts.load)
        except TimeoutError as error:
            if isinstance(error, PagletsError):
                raise
            raise HookTimeoutError(
                f"importing {birth.class_name} took longer than {self._timeouts.load:g} s",
                hook="import",
            ) from error

    def _snapshot(self, birth: Birth) -> Snapshot | None:
        blob = birth.state
        if blob is None:
            return None
        if blob.data is not None and blob.size <= INLINE_LIMIT:
            return Snapshot(data=blob.data, size=blob.size)
        if blob.data is not None:
            path = self._spool.reserve("load")
            path.write_bytes(blob.data)
            return Snapshot(path=str(path), size=blob.size)
        digest = "" if birth.is_fresh else blob.sha256
        return Snapshot(path=str(self._spool.path(blob)), size=blob.size, sha256=digest)


async def _until_over(link: ChildLink) -> None:
    """Let who waits for an answer hear of the end of a process."""
    await link.wait_exit()
