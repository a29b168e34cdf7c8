"""The program of the forkserver: one thread, no event loop, a fork for each request.

Forking is fast because everything a child needs is imported here once, and safe because nothing
else runs here: no thread, no socket of the host, no secret in the environment. It knows no paglet;
it hands three descriptors to each child, reaps children and reports exits. When the host goes it
goes; its children end by their own lifelines. The host's side is `forklink.py`.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from paglets.supervise import control as messages
from paglets.supervise.childsetup import (
    ChildFds,
    ChildProgram,
    handled_signals,
    keep_only,
    reset_signals,
    run_entry,
    set_up_output,
    settle_in,
)
from paglets.supervise.exits import maxrss_bytes
from paglets.supervise.identity import process_start
from paglets.supervise.lifeline import arm_lifeline
from paglets.supervise.linux import ProcessTitle

EXIT_THREADS = 3
"""Exit code of a forkserver that found a second thread."""


def serve(control_fd: int, lifeline_fd: int, program: ChildProgram) -> int:
    """Serve fork requests until the host is gone; return the exit code. Never returns in a child.

    Args:
        control_fd: Stream socket to the host.
        lifeline_fd: Read end of a pipe that only the host holds.
        program: What children run.
    """
    arm_lifeline(lifeline_fd, is_whole_group=False)
    set_up_output()
    control = socket.socket(fileno=control_fd)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        begin = messages.receive_request(control)
        if begin is None or not isinstance(begin[0], messages.Begin):
            return 0
        program.warm()
        if not _preload(control, begin[0].preload, program.examine):
            return EXIT_THREADS
        gc.collect()
        gc.freeze()
        control.sendall(messages.encode_control(messages.Ready()))
        child = _Forkserver(control, program).run()
        if child is not None:
            run_entry(program.entry, child)
    return 0


def thread_count() -> int:
    """Return how many threads this process has; on Linux also those that Python does not know."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def _preload(
    control: socket.socket, modules: tuple[str, ...], examine: Callable[[str], None]
) -> bool:
    if thread_count() != 1:
        _report_preload(control, "the interpreter's start-up", "a thread was started", fatal=True)
        return False
    for module in modules:
        try:
            importlib.import_module(module)
            examine(module)
        except (Exception, SystemExit):  # noqa: BLE001 - the owner's code: reported to the host
            _report_preload(control, module, traceback.format_exc(limit=-3), fatal=False)
        if thread_count() != 1:
            names = ", ".join(thread.name for thread in threading.enumerate())
            _report_preload(control, module, f"it starts threads ({names})", fatal=True)
            return False
    return True


def _report_preload(control: socket.socket, module: str, error: str, *, fatal: bool) -> None:
    report = messages.PreloadFailed(module=module, error=error[-4096:], fatal=fatal)
    control.sendall(messages.encode_control(report))


class _Forkserver:
    """The loop: fork when asked, reap when a child ends."""

    def __init__(self, control: socket.socket, program: ChildProgram) -> None:
        self._control = control
        self._program = program
        self._title = ProcessTitle()
        self._handled: frozenset[int] = frozenset()
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)

    def run(self) -> ChildFds | None:
        """Serve until the host is gone (None), or until this is a child (its descriptors)."""
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._handled = handled_signals()
        waiting = select.poll()
        waiting.register(self._control, select.POLLIN)
        waiting.register(self._wake_read, select.POLLIN)
        while True:
            ready = {fd for fd, _event in waiting.poll()}
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
                self._reap()
            if self._control.fileno() in ready:
                received = messages.receive_request(self._control)
                if received is None:
                    return None
                message, fds = received
                if isinstance(message, messages.ForkRequest):
                    child = self._fork(message, fds)
                    if child is not None:
                        return child

    def _fork(self, request: messages.ForkRequest, fds: list[int]) -> ChildFds | None:
        """Fork; return None in the forkserver and the descriptors in the child."""
        if len(fds) != messages.DESCRIPTORS_PER_REQUEST:
            messages.close_all(fds)
            self._fail(request, "too many open files in the forkserver")
            return None
        # A signal between fork and reset would run a handler of the forkserver in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._handled)
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            self._fail(request, f"fork: {error.strerror}")
        if pid == 0:
            return self._become_child(request, fds)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        messages.close_all(fds)
        if pid > 0:
            answer = messages.Forked(request.request, pid, process_start(pid) or "")
            self._control.sendall(messages.encode_control(answer))
        return None

    def _become_child(self, request: messages.ForkRequest, fds: list[int]) -> ChildFds:
        try:
            # Closed below by number; the object must not close that number a second time.
            self._control.detach()
            channel, output, lifeline = fds
            os.setsid()
            kept = keep_only(channel=channel, output=output, lifeline=lifeline)
            settle_in(kept, self._title, request.title)
            reset_signals(self._handled)
            os.environ.update(request.environment)
            if request.directory:
                os.chdir(request.directory)
            if request.is_spare:
                self._wait_as_spare(kept)
        except BaseException:  # noqa: BLE001 - a child must never get back into the server's loop
            traceback.print_exc()
            os._exit(1)
        return kept

    def _wait_as_spare(self, fds: ChildFds) -> None:
        """Prepare, then wait until this process is wanted; does not return if it never is."""
        self._program.prepare()
        channel = socket.socket(fileno=fds.channel)
        while isinstance(message := messages.receive_in_spare(channel), messages.Lesson):
            self._program.learn(message.class_name, message.import_paths)
        channel.detach()
        if message is None:
            os._exit(0)
        self._title.set(message.title)

    def _fail(self, request: messages.ForkRequest, error: str) -> None:
        self._control.sendall(messages.encode_control(messages.ForkFailed(request.request, error)))

    def _reap(self) -> None:
        while True:
            reaped = reap_child()
            if reaped is None:
                return
            self._control.sendall(messages.encode_control(reaped))


def reap_child() -> messages.Exited | None:
    """Reap one child that has ended and kill what is left of its group; None when there is none.

    The group is killed while its leader is a zombie: until it is reaped its number cannot be
    reused.
    """
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(ended.si_pid, signal.SIGKILL)
        pid, status, usage = os.wait4(ended.si_pid, 0)
    except ChildProcessError:
        return None
    return messages.Exited(pid, status, maxrss_bytes(usage.ru_maxrss))
