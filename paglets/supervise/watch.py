"""How the host waits for the exit of a process without a thread.

Used where the host itself must notice it: for its own children (the forkserver, spawned Paglet
Processes) and for those whose forkserver died. On Linux a pidfd wakes the event loop; elsewhere the
process is polled.
"""

import asyncio
import os
import sys

from paglets.supervise.exits import kill_group, maxrss_bytes
from paglets.supervise.identity import ProcessIdentity, is_running

POLL_INTERVAL = 0.1
"""Seconds between two looks at a process where the system offers nothing better."""


async def wait_exit(
    identity: ProcessIdentity, *, is_group_ended: bool = True
) -> tuple[int | None, int]:
    """Wait until this process has ended, kill the rest of its group, reap it if it is our child.

    Args:
        identity: The process.
        is_group_ended: False: the rest of its group is left alone.

    Returns:
        Its status as `os.wait4` gives it, None if it is not our child, and its largest size in
        bytes.
    """
    await _wait_until_ended(identity)
    if is_group_ended:
        # Still a zombie if it is our child, so its number is still its own.
        kill_group(identity)
    try:
        pid, status, usage = os.wait4(identity.pid, os.WNOHANG)  # noqa: ASYNC222 - does not block
    except ChildProcessError:
        return None, 0
    return (status, maxrss_bytes(usage.ru_maxrss)) if pid else (None, 0)


async def _wait_until_ended(identity: ProcessIdentity) -> None:
    if sys.platform.startswith("linux"):
        try:
            fd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return
        except OSError:
            # A sandbox without the call, or no descriptor left: poll.
            await _poll_until_ended(identity)
            return
        try:
            if is_running(identity):
                await _wait_readable(fd)
        finally:
            os.close(fd)
    else:
        await _poll_until_ended(identity)


async def _wait_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _poll_until_ended(identity: ProcessIdentity) -> None:
    while is_running(identity):  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(POLL_INTERVAL)
