"""One Paglet Process as its host sees it, and what makes such processes.

A `PagletProcess` begins when a factory has started the process and listed it, and is over when its
exit is reported: by then every frame it sent was delivered, its output is complete and nothing of
its process group runs. What a paglet is, and what an exit means for it, is for `runtime/`.
"""

import asyncio
import contextlib
import functools
import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

from paglets.supervise.channel import ChannelClosedError, FrameChannel
from paglets.supervise.control import Assume, Lesson, encode_for_spare
from paglets.supervise.exits import ExitReport, kill_group, report_exit
from paglets.supervise.identity import ProcessIdentity
from paglets.supervise.output import OutputRing
from paglets.supervise.pipes import HostEnds

logger = logging.getLogger(__name__)

LineCallback = Callable[[str], None]
"""Called with each line that a process prints, without its line feed."""

_READ_SIZE = 64 * 1024
_LAST_READS = 16
"""How often the output pipe is read after the end; it holds 64 KiB unless somebody enlarged it."""

_LAST_FRAMES_TIMEOUT = 1.0
"""Seconds the last frames have to arrive after the exit. They are in the socket already; only a
process that left the group and kept the channel open makes this run out."""


_EXIT_TIMEOUT = 5.0
"""Seconds a process may live on after it has closed its channel."""


class PagletProcess:
    """A running, or ended, Paglet Process. Made by a factory, used from the host's event loop.

    Args:
        identity: Which process it is.
        generation: Of the forkserver that made it; grows when code is loaded anew.
        ends: The host's descriptors; this object closes them.
        on_line: Called in the loop with each line the process prints, and must not block.
    """

    def __init__(
        self,
        identity: ProcessIdentity,
        *,
        generation: int,
        ends: HostEnds,
        on_line: LineCallback | None = None,
    ) -> None:
        self.identity = identity
        self.generation = generation
        self.channel = FrameChannel(self._channel_closed)
        """Frames to and from the process; call its `listen`."""
        self.output = OutputRing(on_line)
        """What it printed; kept after its death."""
        self.lesson: Lesson | None = None
        """What it has learned as a spare; None: nothing."""
        self._ends = ends
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[ExitReport] = self._loop.create_future()
        self._finishing: asyncio.Task[None] | None = None
        self._is_end_expected = False
        self._unreachable: asyncio.TimerHandle | None = None
        self._loop.add_reader(ends.output, self._read_output)

    @property
    def pid(self) -> int:
        """Number of the process and of its process group."""
        return self.identity.pid

    @property
    def exit_report(self) -> ExitReport | None:
        """How it ended; None while it runs."""
        return self._exit.result() if self._exit.done() else None

    async def connect(self) -> None:
        """Open the channel. Called once, by the factory."""
        await self.channel.connect(self._ends.channel)

    def assume(self, title: str, on_line: LineCallback | None) -> bool:
        """Make a Paglet Process of a spare; False, and nothing else, if it has ended.

        Args:
            title: What `ps` shows from now on.
            on_line: Called in the loop with each line it prints.
        """
        if self._exit.done() or self._finishing is not None or not self._is_connected():
            return False
        self.output.tell(on_line)
        return self._say(Assume(title))

    def teach(self, lesson: Lesson) -> None:
        """Tell a spare what it is probably going to load; one that has ended shows in `assume`."""
        self.lesson = lesson
        self._say(lesson)

    def _say(self, message: Lesson | Assume) -> bool:
        try:
            self.channel.send(encode_for_spare(message))
        except ChannelClosedError:
            return False
        return True

    def _is_connected(self) -> bool:
        """Ask the kernel, as nobody reads the channel of a spare: its end would not be noticed."""
        try:
            return self._ends.channel.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def expect_exit(self) -> None:
        """Say that the host asked the process to end: its exit is no crash, whatever the code."""
        self._is_end_expected = True

    def kill(self, *, expected: bool = True) -> None:
        """End the process group at once; `wait` tells when it is over. Does nothing after the exit.

        Args:
            expected: False if the end is to count as a crash, such as for a broken protocol.
        """
        if self._exit.done() or self._finishing is not None:
            return
        self._is_end_expected = self._is_end_expected or expected
        kill_group(self.identity)

    async def wait(self) -> ExitReport:
        """Wait until the process is over and return how it ended.

        Unbounded, as a paglet may live for months; callers that asked it to end use
        `asyncio.timeout`. Cancelling this wait changes nothing for the process.
        """
        return await asyncio.shield(self._exit)

    def settle(self, status: int | None, maxrss_bytes: int) -> None:
        """Take the exit of the process. Called once, by the factory, when it was reaped.

        Args:
            status: As `os.wait4` gives it; None: nobody could read it.
            maxrss_bytes: Its largest resident size; 0 if not known.
        """
        assert self._finishing is None, "an exit is reported once"
        if self._unreachable is not None:
            self._unreachable.cancel()
        report = report_exit(self.pid, status, maxrss_bytes, expected=self._is_end_expected)
        self._finishing = self._loop.create_task(
            self._finish(report), name=f"exit of process {self.pid}"
        )

    async def _finish(self, report: ExitReport) -> None:
        """Deliver the last frames and lines, close everything, report."""
        try:
            if self.channel.is_listening:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_FRAMES_TIMEOUT):
                        await self.channel.wait_closed()
        finally:
            for _ in range(_LAST_READS):
                if not self._read_output():
                    break
            self._loop.remove_reader(self._ends.output)
            self.channel.close()
            self._ends.close()
            self.output.finish()
            self._exit.set_result(report)

    def _channel_closed(self, violation: Exception | None) -> None:
        """End a process that nobody can talk to any more; called also at each orderly end."""
        if self._finishing is not None:
            return
        if violation is not None:
            logger.warning("process %d broke the protocol and was killed: %s", self.pid, violation)
            self.kill(expected=False)
        else:
            # Usually its exit is on the way, and a kill now would hide the exit code.
            self._unreachable = self._loop.call_later(
                _EXIT_TIMEOUT, functools.partial(self.kill, expected=False)
            )

    def _read_output(self) -> bool:
        """Read what is there; return whether there may be more."""
        try:
            data = os.read(self._ends.output, _READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            # At end of file the pipe stays readable for ever.
            self._loop.remove_reader(self._ends.output)
            return False
        self.output.feed(data)
        return True


class ProcessFactory(Protocol):
    """What starts Paglet Processes: a forkserver, or exec where fork is not safe."""

    @property
    def generation(self) -> int:
        """Counts the times code was loaded anew; 1 at first."""

    def launch(self) -> None:
        """Start what must run before the host has threads or a loop. Blocks for milliseconds."""

    def attach(self) -> None:
        """Go on within the running event loop; called once, from it, after `launch`."""

    async def fork(
        self,
        title: str,
        *,
        environment: Mapping[str, str] | None = None,
        directory: str = "",
        on_line: LineCallback | None = None,
        lesson: Lesson | None = None,
    ) -> PagletProcess:
        """Start a process, list it, and return it; it waits for its first frame.

        Cancelling ends the process.

        Args:
            title: What `ps` shows, such as `paglet:alpha:Counter:3f2a`.
            environment: Variables beside those of every process of this host.
            directory: Working directory; empty: the host's.
            on_line: Called with each line it prints.
            lesson: What it is going to load: a process may have been prepared for that.

        Raises:
            UnavailableError: No process could be started in time; trying again may help.
            StorageFullError: It could not be listed.
        """

    def expect(self, lesson: Lesson) -> None:
        """Prepare for the start of a process that is going to load this, where that is possible."""

    async def replace(self) -> int:
        """Load code anew for processes started from now on; return the new generation.

        Running processes live on with the code they have.

        Raises:
            UnavailableError: The new code did not become ready in time; the old goes on.
        """

    async def close(self, *, timeout: float) -> None:
        """End all processes and what starts them; wait until they are gone, at most `timeout` s."""
