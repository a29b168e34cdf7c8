"""Part files of the spool: written and hashed piece by piece, verified, synced, renamed.

Plain blocking functions, run in the spool's threads. Not here: which rows name a file (`spool.py`).
"""

import hashlib
import os
import threading
from pathlib import Path

from paglets.failpoints import failpoint
from paglets.model.errors import DamagedError, InvalidRequestError, PagletsError, StorageFullError
from paglets.store.ballast import is_disk_full
from paglets.store.folder import sync_file, sync_folder
from paglets.store.rows import Blob
from paglets.wire.calls import PART_SUFFIX


class Part:
    """A part file under way; its methods may be called from several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self._size = 0
        self._lock = threading.Lock()

    def write(self, chunks: list[bytes]) -> None:
        """Append `chunks`.

        Raises:
            OSError: The disk takes no more, or failed.
        """
        with self._lock:
            for chunk in chunks:
                failpoint("spool.write")
                rest = memoryview(chunk)
                while rest:
                    rest = rest[self._file.write(rest) :]
                self._digest.update(chunk)
                self._size += len(chunk)

    def finish(self, chunks: list[bytes], sha256: str | None) -> Blob:
        """Append the last `chunks`, sync, give the file its final name and return its blob.

        Raises:
            InvalidRequestError: The digest is not `sha256`.
            OSError: The disk takes no more, or failed.
        """
        self.write(chunks)
        with self._lock:
            found = self._digest.hexdigest()
            require_digest(self._size, found, self._size, sha256 or found)
            failpoint("spool.before_fsync")
            sync_file(self._file.fileno())
            self._file.close()
            return _rename(self.path, self._size, found)

    def abandon(self) -> None:
        """Delete the file; waits for a write that is under way."""
        with self._lock:
            self._file.close()
            self.path.unlink(missing_ok=True)


def seal_part(path: Path, size: int, sha256: str | None) -> Blob:
    """Verify and sync a file that a child wrote, give it its final name and return its blob.

    Raises:
        InvalidRequestError: It has another size or digest.
        OSError: It is missing or a link, or the disk failed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found_size = os.fstat(file.fileno()).st_size
        found = hashlib.file_digest(file, "sha256").hexdigest()
        require_digest(found_size, found, size, sha256 or found)
        failpoint("spool.before_fsync")
        sync_file(file.fileno())
    return _rename(path, size, found)


def _rename(path: Path, size: int, sha256: str) -> Blob:
    name = path.name.removesuffix(PART_SUFFIX)
    path.rename(path.with_name(name))
    sync_folder(path.parent)
    failpoint("spool.after_rename")
    return Blob(size=size, sha256=sha256, spool=name)


def disk_error(error: OSError, path: Path) -> PagletsError:
    """Return what a disk's error means to callers."""
    if is_disk_full(error):
        return StorageFullError(f"no room on the disk of {path}: free some and try again")
    return DamagedError(f"the disk of {path} failed: {error}")


def require_digest(found_size: int, found: str, size: int, sha256: str) -> None:
    """Check a body that came in against what was announced.

    Raises:
        InvalidRequestError: Size or digest differ: the body was cut or changed on its way.
    """
    if found_size != size:
        raise InvalidRequestError(f"body has {found_size} bytes, {size} were announced")
    if found != sha256.lower():
        raise InvalidRequestError(f"body has the SHA-256 {found}, {sha256} was announced")


def require_intact(blob: Blob, size: int, sha256: str) -> None:
    """Check what was read of a spool file against its blob.

    Raises:
        DamagedError: It is not what was written.
    """
    if (size, sha256) != (blob.size, blob.sha256):
        raise DamagedError(f"spool file {blob.spool} is not what was written: its digest differs")
