"""The list of a host's processes, on disk, and the end of those that an earlier run left behind.

A paglet must never run twice, so a host that starts first ends what its last run has left. Normally
nothing is left: lifelines end every process with its host. The list is for what remains when they
do not, such as a process stuck in the kernel. Each process is listed before it may run the
author's code; it survives SIGKILL of the host without being synced, and a reboot ends what a lost
line would name.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paglets.supervise.exits import kill_group
from paglets.supervise.identity import ProcessIdentity, is_running

_POLL_INTERVAL = 0.005
_COMPACT_AFTER = 1000
"""Lines of ended processes that are kept before the file is written anew."""


@dataclass(frozen=True, slots=True)
class OrphanReport:
    """What a starting host found."""

    ended: tuple[ProcessIdentity, ...]
    """Processes of an earlier run that were still alive and are gone now."""
    alive: tuple[ProcessIdentity, ...]
    """Those that did not go before the deadline. The host must not start while there are any."""


def end_orphans(path: Path, *, timeout: float) -> OrphanReport:
    """End every listed process that still runs, wait until they are gone, and empty the list.

    Called at the start of a host, after it has locked its data folder and before it starts
    anything; blocks. Processes that are not gone stay on the list.

    Args:
        path: The list; need not exist.
        timeout: Seconds to wait for the last of them.
    """
    found = [identity for identity in read_children(path) if is_running(identity)]
    for identity in found:
        kill_group(identity)
    deadline = time.monotonic() + timeout
    alive = found
    while alive and time.monotonic() < deadline:
        alive = [identity for identity in alive if is_running(identity)]
        if alive:
            time.sleep(_POLL_INTERVAL)
    _rewrite(path, alive)
    ended = tuple(identity for identity in found if identity not in alive)
    return OrphanReport(ended=ended, alive=tuple(alive))


def read_children(path: Path) -> list[ProcessIdentity]:
    """Return the processes listed; a torn or foreign line is skipped, as it names nothing."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        match line.split(" "):
            case [pid, start, boot_id, "."] if pid.isdecimal() and int(pid) > 1:
                found.append(ProcessIdentity(int(pid), start, boot_id))
    return found


class ChildrenList:
    """Writer of the list; one per host, used from its event loop.

    Args:
        path: The list, `<data>/children`; created if missing, in an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alive: dict[int, ProcessIdentity] = {}
        self._lines = 0
        self._fd = self._open()

    def add(self, identity: ProcessIdentity) -> None:
        """List a process; when this returns it survives SIGKILL of the host.

        Raises:
            OSError: The line could not be written, such as for a full disk. The process must be
                ended.
        """
        # A last field of its own tells a whole line from one that was cut, even within the boot id;
        # the leading line feed sets it off from what a failed write may have left.
        line = f"\n{identity.pid} {identity.start} {identity.boot_id} .\n".encode()
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(f"{self._path}: wrote {written} of {len(line)} bytes; is the disk full?")
        self._alive[identity.pid] = identity
        self._lines += 1

    def remove(self, identity: ProcessIdentity) -> None:
        """Forget a process that has ended; its line goes when the file is written anew."""
        if self._alive.get(identity.pid) == identity:
            del self._alive[identity.pid]
        if self._lines > 2 * len(self._alive) + _COMPACT_AFTER:
            _rewrite(self._path, self._alive.values())
            os.close(self._fd)
            self._fd = self._open()
            self._lines = len(self._alive)

    def close(self) -> None:
        """Close the file; the list stays."""
        os.close(self._fd)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, 0o600)


def _rewrite(path: Path, identities: Iterable[ProcessIdentity]) -> None:
    text = "".join(f"{each.pid} {each.start} {each.boot_id} .\n" for each in identities)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="ascii")
    temporary.replace(path)
