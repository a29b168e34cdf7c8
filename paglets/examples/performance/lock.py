"""Performance Benchmark Lock: at most one benchmark worker measures on a machine.

A file that is locked by `flock`: the system lets go of it when its holder ends, however that ends,
so a dead holder never blocks. Containers of one machine share it by mounting one folder and naming
it in `PAGLETS_BENCHMARK_LOCK`. The file is never removed: who waits for one file and who made a
new one would both hold a lock.
"""

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "PAGLETS_BENCHMARK_LOCK"
"""Names the folder; the default is the system's for temporary files."""
NAME = "paglets-benchmark.lock"
_HOLDER_BYTES = 200


def lock_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this machine's lock."""
    return Path(environ.get(VARIABLE) or tempfile.gettempdir())


class BenchmarkLock:
    """The lock as seen by one worker; not for several threads.

    Args:
        folder: Where its file is, or is made.
        holder: Who takes it, for those who wait, such as `beta`.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self._path = folder / NAME
        self._holder = holder
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this worker has it."""
        return self._fd is not None

    def take_nowait(self) -> bool:
        """Take it if nobody else has it; return whether it is held now.

        Raises:
            OSError: The folder is missing, or its file cannot be opened.
        """
        if self._fd is not None:
            return True
        fd = _open(self._path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_the_same(fd, self._path):  # a cleaner of temporary files was here
                os.close(fd)
                return False
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._sign()
        return True

    def holder(self) -> str:
        """Return who has it, as far as that was written down; for people only."""
        try:
            text = self._path.read_bytes()[:_HOLDER_BYTES]
        except OSError:
            return "somebody"
        return text.decode(errors="replace").strip() or "somebody"

    def release(self) -> None:
        """Let go of it; nothing happens if it is not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _sign(self) -> None:
        assert self._fd is not None
        # Another user's file may be open for reading only, which is enough to lock it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, self._holder.encode()[:_HOLDER_BYTES], 0)


def _open(path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # Not O_CREAT at once: in folders like /tmp Linux refuses that for another user's file.
        return os.open(path, os.O_RDWR | flags)
    except FileNotFoundError:
        pass
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
        return os.open(path, os.O_RDONLY | flags)
    with contextlib.suppress(OSError):
        os.fchmod(fd, 0o666)  # whatever the umask: all users of the machine share it
    return fd


def _is_the_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
