"""The few system calls that Python's library does not offer: titles, privileges, closing a range.

Every function is a no-op where the kernel or the C library does not know the call: titles are for
people, and the privileges of a child are the host's own anyway. Imported by the forkserver before
it freezes its heap, so that children share ctypes instead of loading it.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_COMM_LIMIT = 15

_is_linux = sys.platform.startswith("linux")
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if _is_linux else None
_close_range = getattr(ctypes.CDLL(None), "close_range", None) if _is_linux else None
_LAST_FD = 2**32 - 1


def close_above(last: int) -> None:
    """Close every descriptor above `last`.

    `os.closerange` needs an upper bound and, where Python was built without close_range, tries each
    number up to it: 100 ms at a limit of a million. So ask the kernel, or look which are open.
    """
    if _close_range is not None and _close_range(last + 1, _LAST_FD, 0) == 0:
        return
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - a path object for each number is slow
        if int(name) > last:
            with contextlib.suppress(OSError):
                os.close(int(name))


def forbid_new_privileges() -> None:
    """Make set-user-id programs useless for this process and all it starts."""
    if _prctl is not None:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class ProcessTitle:
    """What `ps` and `top` show for this process.

    Made once by the forkserver: the memory that holds the command line is found here, and a forked
    child overwrites its own copy. A title longer than the original command line is cut.
    """

    def __init__(self) -> None:
        self._address, self._room = _command_line_area() if _is_linux else (0, 0)

    def set(self, title: str) -> None:
        """Show `title` as command line, and its first 15 bytes as command name."""
        text = title.encode(errors="replace")
        if _prctl is not None:
            _prctl(_PR_SET_NAME, text[:_COMM_LIMIT], 0, 0, 0)
        if self._room:
            ctypes.memmove(
                self._address, text[: self._room - 1].ljust(self._room, b"\0"), self._room
            )


def _command_line_area() -> tuple[int, int]:
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        # proc(5) counts from 1 and these follow the second field: arg_start is 48, arg_end 49.
        start, end = int(fields[45]), int(fields[46])
    except (OSError, IndexError, ValueError):
        return 0, 0
    # Sandboxes such as gVisor report zeros.
    return (start, end - start) if 0 < start < end else (0, 0)
