"""The data folder: one host at a time holds it, and it belongs to one host name.

Not here: what lies in the folder (`schema.py`, `spool.py`, `ballast.py`).
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from paglets.model.errors import UnavailableError


def sync_file(descriptor: int) -> None:
    """Return once the bytes of an open file are on the medium, as far as the system can tell."""
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:  # macOS: fsync alone leaves the bytes in the drive's cache
        fcntl.fcntl(descriptor, full_sync)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Return once the names in `folder` are on the medium."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, for this user only, and sync the name it has."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)


class FolderLock:
    """Keeps a second host off a data folder; the kernel frees it when this process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Lock `folder`, without waiting.

        Raises:
            UnavailableError: Another host holds it; `pid` is its process id, 0 if unknown.
        """
        path = folder / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            pid = int(holder) if holder.isdigit() else 0
            raise UnavailableError(
                f"data folder {folder} is in use by another host (process {pid or 'unknown'}): "
                "stop that one, or start this one with another --name or --data",
                pid=pid,
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let another host take the folder; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
