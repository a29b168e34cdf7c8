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


def arm_lifeline(fd: int, *, is_whole_group: bool = True) -> None:
    """Tie this process to the other end of the pipe `fd`.

    Does not return if that end is closed already. Called in a child after it became leader of its
    session and before it runs anybody's code, and in the forkserver at its start.

    Args:
        fd: The read end; not to be read or closed while the process lives.
        is_whole_group: False: only this process ends, not those of its group. The forkserver's
            newest child is in its group until it has made one of its own, and must outlive it.
    """
    if sys.platform.startswith("linux"):
        arm_kernel_lifeline(fd, -os.getpgrp() if is_whole_group else os.getpid())
    else:
        start_lifeline_thread(fd)


def arm_kernel_lifeline(fd: int, target: int) -> None:
    """Let the kernel send SIGKILL when `fd` becomes readable. Linux only.

    Args:
        fd: The read end.
        target: As for `os.kill`: this process, or minus its process group.
    """
    if sys.platform.startswith("linux"):
        fcntl.fcntl(fd, fcntl.F_SETOWN, target)
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    # The signal tells of changes only; the host may have gone before.
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    if waiting.poll(0):
        os.kill(target, signal.SIGKILL)


def start_lifeline_thread(fd: int) -> None:
    """Wait in a thread for end of file on `fd`, then end the group; where no kernel watches it."""
    threading.Thread(target=_wait_for_end, args=(fd,), name="lifeline", daemon=True).start()


def _wait_for_end(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
