"""Disk kernels: sequential write and read of one file, and many small files.

The large file has no name from the start (`tempfile.TemporaryFile`), so the system frees it however
the process ends; small files lie in a folder that is removed, and that the caller places inside
one it removes too.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from paglets.examples.performance.kernels.rates import Clock, Rate, summary

BLOCK_BYTES = 1 << 20
"""Bytes of one write or read."""
SMALL_BYTES = 4096
"""Bytes of a small file."""
MOST_SMALL_FILES = 2000
"""Bound of the small files of one test: 8 MiB."""


@dataclass(frozen=True)
class Transfer:
    """Bytes and seconds of one sequential pass."""

    size_bytes: int
    seconds: float

    @property
    def rate(self) -> Rate:
        """MiB a second; one pass, so no spread."""
        return summary([self.size_bytes / 2**20 / max(self.seconds, 1e-9)])


def sequential(
    folder: Path, size_bytes: int, seconds: float, *, clock: Clock = time.perf_counter
) -> tuple[Transfer, Transfer]:
    """Write a file with one fsync at the end, then read it; return both passes.

    Before the read the system is asked to drop the file from its cache, where it can be asked.
    What is written does not compress.

    Args:
        folder: Where.
        size_bytes: Size of the file; less is written where `seconds` pass before.
        seconds: For writing, and again for reading; the fsync comes on top.
        clock: What is read before and after.

    Raises:
        OSError: The disk is full, or does not let it.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        written = _write(file, size_bytes, seconds, clock)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return written, _read(file, seconds, clock)


def small_files(folder: Path, seconds: float, *, clock: Clock = time.perf_counter) -> Rate:
    """Make, sync, read again and remove files of 4 KiB one by one; return files a second.

    Args:
        folder: Where.
        seconds: For all of it; at most `MOST_SMALL_FILES` are made.
        clock: What is read before and after.

    Raises:
        OSError: The disk is full, or does not let it.
    """
    block = os.urandom(SMALL_BYTES)
    with tempfile.TemporaryDirectory(dir=folder, prefix="small-") as inside:
        began, made = clock(), 0
        while made < MOST_SMALL_FILES:
            _make_one(Path(inside) / f"{made}", block)
            made += 1
            if clock() - began >= seconds:
                break
        return summary([made / max(clock() - began, 1e-9)])


def _make_one(path: Path, block: bytes) -> None:
    with path.open("xb", buffering=0) as file:
        file.write(block)
        os.fsync(file.fileno())
    if path.read_bytes() != block:
        raise OSError(f"{path} does not hold what was written")
    path.unlink()


def _write(file: IO[bytes], size_bytes: int, seconds: float, clock: Clock) -> Transfer:
    block = bytearray(os.urandom(BLOCK_BYTES))
    began, done = clock(), 0
    while done < size_bytes and (done == 0 or clock() - began < seconds):
        block[:8] = done.to_bytes(8, "big")  # no two blocks alike
        done += file.write(memoryview(block)[: size_bytes - done])
    os.fsync(file.fileno())
    return Transfer(done, clock() - began)


def _read(file: IO[bytes], seconds: float, clock: Clock) -> Transfer:
    file.seek(0)
    began, done = clock(), 0
    while clock() - began < seconds or done == 0:
        found = file.read(BLOCK_BYTES)
        if not found:
            break
        done += len(found)
    return Transfer(done, clock() - began)
