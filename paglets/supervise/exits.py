"""How a process ended, and how its process group is ended.

Shared by the forkserver, which reaps its children, and the host, which reports their exits. How the
host waits for an exit that no forkserver reports is in `watch.py`.
"""

import contextlib
import os
import signal
import sys
from dataclasses import dataclass

from paglets.supervise.identity import ProcessIdentity, is_same


@dataclass(frozen=True, slots=True)
class ExitReport:
    """How a Paglet Process ended. Once there is one, nothing of the process runs any more."""

    pid: int
    exit_code: int | None
    """What it exited with; None: ended by a signal, or not known."""
    signal: int | None
    """Number of the signal that ended it; None: exited, or not known."""
    maxrss_bytes: int
    """Its largest resident size; 0 if not known."""
    expected: bool
    """Whether the host had asked it to end; otherwise this is a crash, whatever the code."""

    @property
    def cause(self) -> str:
        """Say for people how it ended."""
        if self.exit_code is not None:
            return f"exit code {self.exit_code}"
        if self.signal is None:
            return "unknown exit code, its forkserver had died"
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(self.signal).name}"
        return f"signal {self.signal}"


def report_exit(pid: int, status: int | None, maxrss_bytes: int, *, expected: bool) -> ExitReport:
    """Return the report for a status as `os.wait4` gives it; None: nobody could read it."""
    code = None if status is None else os.waitstatus_to_exitcode(status)
    return ExitReport(
        pid=pid,
        exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        maxrss_bytes=maxrss_bytes,
        expected=expected,
    )


def maxrss_bytes(reported: int) -> int:
    """Return `ru_maxrss` in bytes; macOS reports bytes, all others KiB."""
    return reported if sys.platform == "darwin" else reported * 1024


def kill_process(identity: ProcessIdentity) -> None:
    """Send SIGKILL to this process alone, if its pid still means it."""
    if is_same(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, signal.SIGKILL)


def kill_group(identity: ProcessIdentity) -> None:
    """Send SIGKILL to the process group that this process leads, if its pid still means it."""
    if not is_same(identity):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(identity.pid, signal.SIGKILL)
        except ProcessLookupError:
            # Just forked and not a leader yet; it has started nothing either.
            os.kill(identity.pid, signal.SIGKILL)
