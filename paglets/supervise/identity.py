"""Which process a number means.

Pid, start time and boot together name one process, so that a reused pid is never taken for ours.
"""

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_TOOL_TIMEOUT = 5.0
_has_proc = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, for as long as this machine's disk remembers it."""

    pid: int
    """Number of the process, and of its process group: every process of ours leads a session."""
    start: str
    """When it started, in the system's own notation; on Linux clock ticks since boot."""
    boot_id: str
    """The run of the operating system it belongs to."""


@functools.cache
def boot_id() -> str:
    """Return an id of this run of the operating system."""
    if _has_proc:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "-".join(_ask("sysctl", "-n", "kern.boottime").split()) or "unknown"


def process_start(pid: int) -> str | None:
    """Return when process `pid` started, None if there is no such process. A zombie has a start."""
    return _start_and_state(pid)[0]


def is_same(identity: ProcessIdentity) -> bool:
    """Return whether its pid still means this process, be it a zombie."""
    return identity.boot_id == boot_id() and process_start(identity.pid) == identity.start


def is_running(identity: ProcessIdentity) -> bool:
    """Return whether this very process can still run code; a zombie cannot."""
    if identity.boot_id != boot_id():
        return False
    start, state = _start_and_state(identity.pid)
    return start == identity.start and state not in {"Z", "X"}


def _start_and_state(pid: int) -> tuple[str | None, str]:
    if not _has_proc:
        state, _, start = _ask("ps", "-o", "state=,lstart=", "-p", str(pid)).strip().partition(" ")
        return "-".join(start.split()) or None, state[:1]
    try:
        # Read for every fork and kill, and a path object costs more than the file.
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            stat = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None, ""
    # The command name may hold spaces and brackets, so count from its closing bracket.
    fields = stat.rpartition(b")")[2].split()
    return fields[19].decode(), fields[0].decode()


def _ask(*command: str) -> str:
    import subprocess  # here: the forkserver on Linux, and so every child, does without it

    done = subprocess.run(  # noqa: S603 - a fixed tool of the system, given a number
        command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT, check=False
    )
    return done.stdout
