"""What happens in a new process between its start and the child program.

Runs in the Paglet Process, whether it was forked by the forkserver or started by exec: it becomes
leader of a session, keeps five descriptors and nothing else, ties itself to its host, and gives up
what it does not need. It never imports asyncio or anything of the host.
"""

import contextlib
import faulthandler
import fcntl
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from paglets.supervise.lifeline import arm_lifeline
from paglets.supervise.linux import ProcessTitle, close_above, forbid_new_privileges

CHANNEL_FD = 3
LIFELINE_FD = 4

_ABOVE_OURS = 16
"""Descriptors are moved out of the way to here before 0 to 4 are filled."""


@dataclass(frozen=True, slots=True)
class ChildFds:
    """The descriptors a child program gets, beside 0 (null device), 1 and 2 (captured output)."""

    channel: int = CHANNEL_FD
    """Stream socket to the host; carries frames of `paglets.wire.frames`. The host sends first:
    what it says is the leave to run the author's code."""
    lifeline: int = LIFELINE_FD
    """Armed already. Not to be closed, read or handed on."""


ChildEntry = Callable[[ChildFds], None]
"""The child program: called once in each Paglet Process; its return ends that with exit code 0."""


def _nothing() -> None:
    """Prepare nothing."""


def _ignore(_module: str) -> None:
    """Examine nothing."""


def _learn_nothing(_class_name: str, _import_paths: tuple[str, ...]) -> None:
    """Wait to hear more."""


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """What a Paglet Process runs."""

    entry: ChildEntry
    prepare: Callable[[], None] = _nothing
    """Called in a spare process while nobody waits for it, before `entry`: does once, with nobody's
    code, what `entry` will do, so that the memory this takes is the process's own by then. Leaves
    no thread and no descriptor behind; what it raises ends the process."""
    examine: Callable[[str], None] = _ignore
    """Called in the forkserver with the name of each module that it has preloaded: what it makes of
    it is shared by all processes. Starts no thread; what it raises is reported as the module's."""
    learn: Callable[[str, tuple[str, ...]], None] = _learn_nothing
    """Called in a spare process, after `prepare`, with the name of a class it is probably going to
    load and the folders of its module; what it raises ends the process."""
    warm: Callable[[], None] = _nothing
    """Called in the forkserver before all that: makes what each process would else make for itself
    the first time it needs it. Starts no thread; what it raises ends the forkserver."""


def set_up_output() -> None:
    """Make what is printed leave at the end of each line, and crashes in C leave a traceback.

    Called before the first fork: children share the set-up streams.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    faulthandler.enable(file=2)


def handled_signals() -> frozenset[int]:
    """Return the signals for which this process has handlers written in Python.

    Found once by the forkserver rather than in each child, as it costs half a millisecond there.
    """
    return frozenset(
        int(number) for number in signal.valid_signals() if callable(signal.getsignal(number))
    )


def reset_signals(handled: frozenset[int]) -> None:
    """Give every signal the handling a fresh Python has, and block none.

    Args:
        handled: What `handled_signals` returned in this process or the one it was forked from.
    """
    signal.set_wakeup_fd(-1)
    for number in handled:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def keep_only(*, channel: int, output: int | None, lifeline: int) -> ChildFds:
    """Arrange descriptors 0 to 4 and close all others.

    Args:
        channel: The socket to the host, under any number.
        output: The captured pipe for 1 and 2; None: they are in place.
        lifeline: The read end of the lifeline, under any number.
    """
    wanted = {CHANNEL_FD: channel, LIFELINE_FD: lifeline}
    if output is not None:
        wanted |= {0: os.open(os.devnull, os.O_RDONLY), 1: output, 2: output}
    moved = {to: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_OURS) for to, fd in wanted.items()}
    for to, fd in moved.items():
        os.dup2(fd, to, inheritable=to < CHANNEL_FD)
    close_above(LIFELINE_FD)
    return ChildFds()


def settle_in(fds: ChildFds, title: ProcessTitle, text: str) -> None:
    """Tie a session leader to its host and drop what it does not need.

    Does not return if the host is gone.
    """
    arm_lifeline(fds.lifeline)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    forbid_new_privileges()
    title.set(text)


def run_entry(entry: ChildEntry, fds: ChildFds) -> NoReturn:
    """Run the child program and end the process with its exit code.

    Exit handlers (`atexit`) do not run: they belong to the process in which they were registered.
    """
    code = 1
    try:
        entry(fds)
        code = 0
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException:  # noqa: BLE001 - the border of the process: nothing is above it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)  # noqa: T201 - what the interpreter does with it
    return 1
