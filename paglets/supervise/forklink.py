"""One running forkserver as its host sees it: requests out, children and their exits in.

A link lives as long as its forkserver, and a little longer: if the forkserver dies, its children
go on and the link watches for their exits itself. Which link is used, and when another forkserver
is started, is decided in `forkfactory.py`; the program at the other end is `forkserver.py`.
"""

import array
import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from paglets.model.errors import StorageFullError, UnavailableError
from paglets.supervise import control as messages
from paglets.supervise.children import ChildrenList
from paglets.supervise.exits import kill_process
from paglets.supervise.identity import ProcessIdentity, boot_id, process_start
from paglets.supervise.pipes import ChildEnds, HostEnds, open_pipes
from paglets.supervise.process import LineCallback, PagletProcess
from paglets.supervise.program import FORKSERVER
from paglets.supervise.starting import list_process
from paglets.supervise.watch import wait_exit
from paglets.wire.frames import FrameDecoder, FrameTooLargeError

logger = logging.getLogger(__name__)


class ForkserverLostError(Exception):
    """The forkserver went before it answered. No child of the request can run on."""


@dataclass(frozen=True, slots=True)
class ForkOrder:
    """What a new process is to be."""

    title: str
    environment: dict[str, str]
    directory: str
    on_line: LineCallback | None
    is_spare: bool = False


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[PagletProcess]
    ends: HostEnds
    on_line: LineCallback | None


@dataclass(slots=True)
class _Outgoing:
    data: bytes
    ends: ChildEnds


class ForkserverLink:
    """A forkserver that was started. `attach` it to the running loop before anything else.

    Args:
        identity: The forkserver's process.
        control: Stream socket to it, non-blocking.
        lifeline: Write end of its lifeline.
        generation: Number that its children carry.
        children: The host's list of processes.
    """

    def __init__(
        self,
        identity: ProcessIdentity,
        *,
        control: socket.socket,
        lifeline: int,
        generation: int,
        children: ChildrenList,
    ) -> None:
        self.identity = identity
        self.generation = generation
        self.preload_failures: list[messages.PreloadFailed] = []
        """Modules that could not be preloaded."""
        self._control = control
        self._lifeline = lifeline
        self._children = children
        self._decoder = FrameDecoder()
        self._numbers = itertools.count(1)
        self._outbox: deque[_Outgoing] = deque()
        self._pending: dict[int, _Pending] = {}
        self._processes: dict[int, PagletProcess] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._is_lost = False
        self._is_retired = False

    def attach(self, on_lost: Callable[["ForkserverLink"], None]) -> None:
        """Go on within the running loop.

        Args:
            on_lost: Called once, when the forkserver is gone or was closed.
        """
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._on_lost = on_lost
        self._gone = self._loop.create_task(
            self._reap(), name=f"reaper of forkserver {self.identity.pid}"
        )
        self._loop.add_reader(self._control, self._read)

    @property
    def processes(self) -> list[PagletProcess]:
        """Those it started that are not over."""
        return list(self._processes.values())

    @property
    def is_ready(self) -> bool:
        """Whether it has preloaded what it should and serves."""
        return self._ready.done() and not self._is_lost

    @property
    def is_over(self) -> bool:
        """Whether it and all its processes are gone."""
        return self._gone.done() and not self._processes

    async def wait_ready(self) -> None:
        """Wait until it serves requests.

        Raises:
            ForkserverLostError: It ended before.
        """
        await asyncio.shield(self._ready)
        if self._is_lost:
            raise ForkserverLostError

    async def wait_gone(self) -> None:
        """Wait until the forkserver, not its children, has ended and was reaped."""
        await asyncio.shield(self._gone)

    async def fork(self, order: ForkOrder) -> PagletProcess:
        """Ask for a process and wait for it; it is listed when this returns.

        Cancelling ends the process, if there is one by then.

        Raises:
            ForkserverLostError: The forkserver went before it answered; try another.
            UnavailableError: It could not fork, or no descriptors are left.
            StorageFullError: The process could not be listed.
        """
        if self._is_lost:
            raise ForkserverLostError
        try:
            ours, theirs = open_pipes()
        except OSError as error:
            raise UnavailableError(f"no process could be started: {error.strerror}") from error
        number = next(self._numbers)
        answer: asyncio.Future[PagletProcess] = self._loop.create_future()
        self._pending[number] = _Pending(answer, ours, order.on_line)
        request = messages.ForkRequest(
            number, order.title, order.environment, order.directory, order.is_spare
        )
        self._outbox.append(_Outgoing(messages.encode_control(request), theirs))
        self._write()
        try:
            return await answer
        except asyncio.CancelledError:
            self._abandon(number, answer)
            raise

    def retire(self) -> None:
        """Start nothing more; end the forkserver when its last child has."""
        self._is_retired = True
        self._close_if_idle()

    def close(self) -> None:
        """End the forkserver at once; its children live on and are watched."""
        self._lose()

    def _abandon(self, number: int, answer: asyncio.Future[PagletProcess]) -> None:
        pending = self._pending.pop(number, None)
        if pending is not None:
            # If it is forked nevertheless, the child finds its lifeline cut and ends by itself.
            pending.ends.close()
        elif not answer.cancelled() and answer.exception() is None:
            answer.result().kill()

    def _write(self) -> None:
        while self._outbox and not self._is_lost:
            first = self._outbox[0]
            try:
                if first.ends.channel.fileno() >= 0:
                    rights = array.array("i", first.ends.filenos())
                    sent = self._control.sendmsg(
                        [first.data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                    )
                    # The descriptors travel with the first byte, however many bytes went.
                    first.ends.close()
                else:
                    sent = self._control.send(first.data)
            except BlockingIOError:
                self._loop.add_writer(self._control, self._write)
                return
            except OSError:
                self._lose()
                return
            first.data = first.data[sent:]
            if not first.data:
                self._outbox.popleft()
        if not self._is_lost:
            self._loop.remove_writer(self._control)

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        try:
            for payload in self._decoder.feed(data):
                self._take(messages.decode_to_host(payload))
        except (msgspec.MsgspecError, FrameTooLargeError):
            logger.exception("forkserver %d broke the protocol and was ended", self.identity.pid)
            self._lose()

    def _take(self, message: messages.ToHost) -> None:
        match message:
            case messages.Forked():
                self._take_forked(message)
            case messages.Exited():
                process = self._processes.get(message.pid)
                if process is not None:
                    self._settle(process, message.status, message.maxrss_bytes)
            case messages.ForkFailed():
                pending = self._pending.pop(message.request, None)
                if pending is not None:
                    pending.ends.close()
                    _fail(pending, UnavailableError(f"no process was started: {message.error}"))
            case messages.Ready():
                self._ready.set_result(None)
            case messages.PreloadFailed():
                self.preload_failures.append(message)
                logger.warning("could not preload %s: %s", message.module, message.error)

    def _take_forked(self, message: messages.Forked) -> None:
        pending = self._pending.pop(message.request, None)
        if pending is None:
            return
        process = PagletProcess(
            ProcessIdentity(message.pid, message.start, boot_id()),
            generation=self.generation,
            ends=pending.ends,
            on_line=pending.on_line,
        )
        self._processes[process.pid] = process
        try:
            list_process(self._children, process)
        except StorageFullError as error:
            _fail(pending, error)
        else:
            pending.answer.set_result(process)

    def _settle(self, process: PagletProcess, status: int | None, maxrss_bytes: int) -> None:
        del self._processes[process.pid]
        self._children.remove(process.identity)
        process.settle(status, maxrss_bytes)
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_retired and not self._processes and not self._pending:
            self._lose()

    def _lose(self) -> None:
        """End what is left of the forkserver and look after its children from here."""
        if self._is_lost:
            return
        self._is_lost = True
        self._loop.remove_reader(self._control)
        self._loop.remove_writer(self._control)
        self._control.close()
        os.close(self._lifeline)
        # Alone: its newest child may still be in its group, and lives on.
        kill_process(self.identity)
        for outgoing in self._outbox:
            if outgoing.ends.channel.fileno() >= 0:
                outgoing.ends.close()
        self._outbox.clear()
        for pending in self._pending.values():
            pending.ends.close()
            _fail(pending, ForkserverLostError())
        self._pending.clear()
        for process in self._processes.values():
            watch = self._loop.create_task(
                self._watch(process), name=f"watch of process {process.pid}"
            )
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        if not self._ready.done():
            self._ready.set_result(None)
        self._on_lost(self)

    async def _watch(self, process: PagletProcess) -> None:
        status, maxrss_bytes = await wait_exit(process.identity)
        self._settle(process, status, maxrss_bytes)

    async def _reap(self) -> None:
        await wait_exit(self.identity, is_group_ended=False)
        self._children.remove(self.identity)


def _fail(pending: _Pending, error: Exception) -> None:
    if not pending.answer.done():
        pending.answer.set_exception(error)


def launch_forkserver(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    preload: tuple[str, ...],
    generation: int,
    children: ChildrenList,
) -> ForkserverLink:
    """Start a forkserver by exec and list it. Needs no event loop; returns before it is ready.

    Raises:
        OSError: It could not be started or listed.
    """
    control, their_control = socket.socketpair()
    their_lifeline, lifeline = os.pipe()
    try:
        popen = subprocess.Popen(  # noqa: S603 - our own program
            (*command, FORKSERVER, str(their_control.fileno()), str(their_lifeline)),
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__,
            pass_fds=(their_control.fileno(), their_lifeline),
            env=dict(environment),
            start_new_session=True,
        )
        # Reaped by pid in `wait_exit`; the object must not try to.
        popen.returncode = 0
        identity = ProcessIdentity(popen.pid, process_start(popen.pid) or "", boot_id())
        children.add(identity)
        control.sendall(messages.encode_control(messages.Begin(preload)))
    except OSError:
        control.close()
        os.close(lifeline)
        raise
    finally:
        their_control.close()
        os.close(their_lifeline)
    control.setblocking(False)
    return ForkserverLink(
        identity, control=control, lifeline=lifeline, generation=generation, children=children
    )
