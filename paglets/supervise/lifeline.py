"""Ends this process when its host is gone, whatever the process is doing.

The host holds the write end of a pipe and never writes to it; each of its processes has the read
end of a pipe of its own. When the host goes, however it goes, the kernel closes the write end. On
Linux the read end then raises SIGKILL for the whole process group: a paglet inside a long C call
that holds the GIL ends too (a thread waiting for end of file did not get to run for 15 s).
Elsewhere a thread waits.

PR_SET_PDEATHSIG is no substitute: it follows the parent, and that is the forkserver, which may die
and be replaced while paglets run on.
"""

import fcntl
import os
import select
import signal
import sys
import threading


def arm_lifeline(fd: int) -> None:
    """Tie this process group to the other end of the pipe `fd`.

    Does not return if that end is closed already. Called in the child, after it became leader of
    its session and before it runs anybody's code.
    """
    if sys.platform.startswith("linux"):
        arm_kernel_lifeline(fd)
    else:
        start_lifeline_thread(fd)


def arm_kernel_lifeline(fd: int) -> None:
    """Let the kernel send SIGKILL to this process group when `fd` becomes readable. Linux only."""
    if sys.platform.startswith("linux"):
        fcntl.fcntl(fd, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    # The signal tells of changes only; the host may have gone before.
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    if waiting.poll(0):
        _end_group()


def start_lifeline_thread(fd: int) -> None:
    """Wait for end of file on `fd` in a thread, where the kernel cannot watch it for us."""
    threading.Thread(target=_wait_for_end, args=(fd,), name="lifeline", daemon=True).start()


def _wait_for_end(fd: int) -> None:
    while os.read(fd, 1):
        pass
    _end_group()


def _end_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)
