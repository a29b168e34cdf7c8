"""Starts each Paglet Process by exec: `start_method = "spawn"`, for systems where fork is not safe.

Slower by the start of an interpreter (some 100 ms) and larger by what children of a forkserver
share. The same contract as `forkfactory.py`, checked by the same tests.
"""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence

from paglets.model.errors import UnavailableError
from paglets.supervise.children import ChildrenList
from paglets.supervise.control import Lesson
from paglets.supervise.identity import ProcessIdentity, boot_id, process_start
from paglets.supervise.pipes import open_pipes
from paglets.supervise.process import LineCallback, PagletProcess
from paglets.supervise.program import SPAWN
from paglets.supervise.starting import connect_process, list_process, wait_all
from paglets.supervise.watch import wait_exit


class SpawnFactory:
    """Starts processes by exec.

    Args:
        command: The child program's command line, such as `(sys.executable, "-m",
            "paglets.child")`.
        environment: The children's whole environment; see `child_environment`.
        children: The host's list of processes.
    """

    def __init__(
        self, *, command: Sequence[str], environment: Mapping[str, str], children: ChildrenList
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._children = children
        self._generation = 1
        self._is_closing = False
        self._watches: dict[asyncio.Task[None], PagletProcess] = {}

    @property
    def generation(self) -> int:
        """Counts the times code was loaded anew; here each process loads it."""
        return self._generation

    def launch(self) -> None:
        """Do nothing: no process is shared."""

    def attach(self) -> None:
        """Do nothing: no process is shared."""

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
        del lesson  # no process is made ahead
        if self._is_closing:
            raise UnavailableError("the host is stopping; it starts no more processes")
        try:
            ours, theirs = open_pipes()
        except OSError as error:
            raise UnavailableError(f"no process could be started: {error.strerror}") from error
        try:
            # Starting takes one vfork and exec, so it is done in the loop.
            popen = subprocess.Popen(  # noqa: S603, ASYNC220 - our own command; see above
                (
                    *self._command,
                    SPAWN,
                    str(theirs.channel.fileno()),
                    str(theirs.lifeline),
                    title,
                ),
                stdin=subprocess.DEVNULL,
                stdout=theirs.output,
                stderr=theirs.output,
                pass_fds=(theirs.channel.fileno(), theirs.lifeline),
                env=self._environment | dict(environment or {}),
                cwd=directory or None,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise UnavailableError(f"no process could be started: {error.strerror}") from error
        finally:
            theirs.close()
        # Reaped by pid in `wait_exit`; the object must not try to.
        popen.returncode = 0
        identity = ProcessIdentity(popen.pid, process_start(popen.pid) or "", boot_id())
        process = PagletProcess(identity, generation=self._generation, ends=ours, on_line=on_line)
        watch = asyncio.create_task(self._watch(process), name=f"watch of process {process.pid}")
        self._watches[watch] = process
        watch.add_done_callback(self._watches.pop)
        list_process(self._children, process)
        return await connect_process(process)

    def expect(self, lesson: Lesson) -> None:
        """Do nothing: no process is made ahead."""

    async def replace(self) -> int:
        """Count a new generation: every process loads the code that it finds at its start."""
        self._generation += 1
        return self._generation

    async def close(self, *, timeout: float) -> None:
        """End all processes; see `ProcessFactory.close`."""
        self._is_closing = True
        processes = list(self._watches.values())
        for process in processes:
            process.kill()
        await wait_all(processes, timeout=timeout)

    async def _watch(self, process: PagletProcess) -> None:
        status, size = await wait_exit(process.identity)
        self._children.remove(process.identity)
        process.settle(status, size)
