"""Starts Paglet Processes by a forkserver, and keeps one forkserver running.

The default way: a child costs a fork, some 2 ms, and shares what the forkserver has imported. A
forkserver that dies is replaced with growing delays while its children live on; loading code anew
starts a second one and lets the first end with its last child.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence

from paglets.model.errors import UnavailableError
from paglets.supervise.children import ChildrenList
from paglets.supervise.control import Lesson
from paglets.supervise.forklink import (
    ForkOrder,
    ForkserverLink,
    ForkserverLostError,
    launch_forkserver,
)
from paglets.supervise.process import LineCallback, PagletProcess
from paglets.supervise.restarts import RestartAt, RestartLimits, decide_restart
from paglets.supervise.spares import SPARE_TITLE, SparePool
from paglets.supervise.starting import connect_process, wait_all

logger = logging.getLogger(__name__)

FORKSERVER_LIMITS = RestartLimits(
    first_delay=0.05, longest_delay=5.0, stable_after=30.0, max_restarts=None
)
"""A host without a forkserver is of no use, so it never gives up."""

_REQUESTS_AT_ONCE = 64
"""Fork requests under way; the kernel limits how many descriptors may be in flight on sockets."""


class ForkserverFactory:
    """Starts processes by fork. See `ProcessFactory` for what the methods promise.

    Args:
        command: The child program's command line, such as `(sys.executable, "-m",
            "paglets.child")`.
        environment: The whole environment of the forkserver; see `child_environment`.
        children: The host's list of processes.
        preload: Modules imported once for all children.
        spares: Processes forked ahead of their use; see `spares.py`.
        fork_timeout: Seconds a fork may take, waiting for a forkserver included.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        children: ChildrenList,
        preload: Sequence[str] = (),
        spares: int = 0,
        fork_timeout: float = 30.0,
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._children = children
        self._preload = tuple(preload)
        self._fork_timeout = fork_timeout
        self._generation = 1
        self._current: ForkserverLink | None = None
        self._links: list[ForkserverLink] = []
        self._crash_times: deque[float] = deque(maxlen=64)
        self._restarting: asyncio.Task[None] | None = None
        self._unfit: set[str] = set()
        self._preload_failures: dict[str, str] = {}
        self._is_closing = False
        self._spares = SparePool(spares, self._fork_spare, self._is_of_current)

    @property
    def generation(self) -> int:
        """Counts the times code was loaded anew."""
        return self._generation

    @property
    def forkserver_pid(self) -> int | None:
        """Process id of the forkserver in use; None while there is none."""
        return self._current.identity.pid if self._current is not None else None

    @property
    def spare_pids(self) -> list[int]:
        """Process ids of the spares that wait, the next to be used first."""
        return self._spares.pids

    @property
    def preload_failures(self) -> dict[str, str]:
        """Modules that could not be preloaded, with the reason, for `/health`."""
        for link in self._links:
            self._note_failures(link)
        return dict(self._preload_failures)

    def launch(self) -> None:
        """Start the forkserver, before the host has threads or a loop.

        Raises:
            OSError: It could not be started or listed.
        """
        self._current = self._start(self._generation)

    def attach(self) -> None:
        """Go on within the running loop, once, after `launch`."""
        assert self._current is not None, "launch comes before attach"
        self._slots = asyncio.Semaphore(_REQUESTS_AT_ONCE)
        self._available = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._install(self._current)

    async def wait_ready(self) -> None:
        """Wait until the first forkserver has preloaded its modules and serves.

        Raises:
            UnavailableError: It was not ready within the fork timeout.
        """
        try:
            async with asyncio.timeout(self._fork_timeout):
                while True:
                    await self._available.wait()
                    if self._current is None:
                        raise UnavailableError("the host is stopping; it starts no more processes")
                    try:
                        return await self._current.wait_ready()
                    except ForkserverLostError:
                        await asyncio.sleep(0)
        except TimeoutError as error:
            raise UnavailableError("the forkserver did not become ready") from error

    async def fork(
        self,
        title: str,
        *,
        environment: Mapping[str, str] | None = None,
        directory: str = "",
        on_line: LineCallback | None = None,
        lesson: Lesson | None = None,
    ) -> PagletProcess:
        """Start a process; see `ProcessFactory.fork`."""
        self._spares.begin_start()
        try:
            process = None
            if not environment and not directory:
                process = self._spares.claim(title, on_line, lesson)
            if process is None:
                order = ForkOrder(title, dict(environment or {}), directory, on_line)
                process = await self._fork_in_time(order)
        except BaseException:
            self._spares.end_start()
            raise
        process.channel.on_first = self._spares.end_start
        return process

    def expect(self, lesson: Lesson) -> None:
        """Let a spare learn what it is probably going to load; see `ProcessFactory.expect`."""
        self._spares.expect(lesson)

    async def _fork_spare(self) -> PagletProcess:
        return await self._fork_in_time(ForkOrder(SPARE_TITLE, {}, "", None, is_spare=True))

    async def _fork_in_time(self, order: ForkOrder) -> PagletProcess:
        try:
            async with asyncio.timeout(self._fork_timeout):
                process = await self._fork(order)
        except TimeoutError as error:
            self._end_stuck()
            raise UnavailableError(
                f"no process was started within {self._fork_timeout:g} s", title=order.title
            ) from error
        return await connect_process(process)

    async def replace(self) -> int:
        """Load code anew; see `ProcessFactory.replace`."""
        async with self._replacing:
            link = self._start(self._generation + 1)
            link.attach(self._lost)
            try:
                async with asyncio.timeout(self._fork_timeout):
                    await link.wait_ready()
            except (TimeoutError, ForkserverLostError) as error:
                link.close()
                raise UnavailableError(
                    "the new code did not become ready; the old goes on"
                ) from error
            old = self._current
            self._generation = link.generation
            self._use(link)
            if old is not None:
                old.retire()
            return self._generation

    async def close(self, *, timeout: float) -> None:
        """End all processes and forkservers; see `ProcessFactory.close`."""
        self._is_closing = True
        await self._spares.close()
        if self._restarting is not None:
            self._restarting.cancel()
        processes = [process for link in self._links for process in link.processes]
        for process in processes:
            process.kill()
        await wait_all(processes, timeout=timeout)
        for link in self._links:
            link.close()
        self._current = None
        # Whoever waits for a forkserver is told that none will come.
        self._available.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for link in self._links:
                    await link.wait_gone()

    async def _fork(self, order: ForkOrder) -> PagletProcess:
        async with self._slots:
            while True:
                await self._available.wait()
                if self._current is None:
                    raise UnavailableError("the host is stopping; it starts no more processes")
                try:
                    return await self._current.fork(order)
                except ForkserverLostError:
                    logger.info(
                        "asked the next forkserver for %s, the last one had ended", order.title
                    )

    def _is_of_current(self, process: PagletProcess) -> bool:
        return self._current is not None and process in self._current.processes

    def _end_stuck(self) -> None:
        """End a forkserver that serves but does not answer; leave one that still imports."""
        if self._current is not None and self._current.is_ready:
            logger.warning("forkserver %d did not answer and was ended", self._current.identity.pid)
            self._current.close()

    def _start(self, generation: int) -> ForkserverLink:
        link = launch_forkserver(
            self._command,
            environment=self._environment,
            preload=tuple(module for module in self._preload if module not in self._unfit),
            generation=generation,
            children=self._children,
        )
        self._links = [each for each in self._links if not each.is_over]
        self._links.append(link)
        return link

    def _install(self, link: ForkserverLink) -> None:
        link.attach(self._lost)
        self._use(link)

    def _use(self, link: ForkserverLink) -> None:
        if self._restarting is not None:
            self._restarting.cancel()
            self._restarting = None
        self._current = link
        self._available.set()
        self._spares.drop()
        self._spares.fill()

    def _lost(self, link: ForkserverLink) -> None:
        self._note_failures(link)
        if link is not self._current:
            return
        self._current = None
        self._spares.drop()
        if not self._is_closing:
            self._available.clear()
            logger.warning(
                "forkserver %d ended; its %d paglets go on", link.identity.pid, len(link.processes)
            )
            self._restarting = asyncio.get_running_loop().create_task(
                self._restart(), name="restart of the forkserver"
            )
            self._restarting.add_done_callback(_log_failure)

    async def _restart(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._crash_times.append(loop.time())
            decision = decide_restart(self._crash_times, loop.time(), FORKSERVER_LIMITS)
            assert isinstance(decision, RestartAt)
            await asyncio.sleep(decision.when - loop.time())
            try:
                link = self._start(self._generation)
            except OSError:
                logger.exception("no forkserver could be started; trying again")
                continue
            self._restarting = None
            self._install(link)
            return

    def _note_failures(self, link: ForkserverLink) -> None:
        for failure in link.preload_failures:
            self._preload_failures[failure.module] = failure.error
            if failure.fatal:
                self._unfit.add(failure.module)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.critical("the forkserver will not be started again", exc_info=task.exception())
