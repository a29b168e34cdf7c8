"""Room kept free for the writes that settle a move when the disk is full.

A file of a few MiB that is given up when an essential write finds no room. While it is gone only
essential writes are served, so that others do not take the room it left; it is made again as soon
as there is room for it and as much again.
"""

import errno
import logging
import os
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

BALLAST_BYTES = 8 * 1024 * 1024
"""Some hundred settlements of a few KiB; more would only take room from the paglets."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk, or this user's quota on it, takes no more."""
    return error.errno in _FULL


class Ballast:
    """The ballast file; used by one thread at a time."""

    def __init__(self, path: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size_bytes
        self._present = path.exists() and path.stat().st_blocks * 512 >= size_bytes

    def ensure(self) -> bool:
        """Return whether the ballast is there, making it if the disk has room."""
        if not self._present and self._has_room():
            self._present = self._make()
        return self._present

    def give_up(self) -> bool:
        """Free the room of the ballast; return whether there was any."""
        if not self._present:
            return False
        logger.warning("disk full, ballast freed for settlements path=%s", self._path)
        self._path.unlink(missing_ok=True)
        self._present = False
        return True

    def _has_room(self) -> bool:
        return shutil.disk_usage(self._path.parent).free >= 2 * self._size

    def _make(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._fill(descriptor)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if not is_disk_full(error):
                raise
            return False
        finally:
            os.close(descriptor)
        return True

    def _fill(self, descriptor: int) -> None:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                    raise
            else:
                return
        piece = os.urandom(64 * 1024)  # a file system may compress or skip zeros
        for offset in range(0, self._size, len(piece)):
            os.pwrite(descriptor, piece, offset)
