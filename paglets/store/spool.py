"""Bodies too large for a row: files in `<data>/spool`, synced before a row names them.

A body is written to a part file, verified, synced and renamed to its final name; from then on it
never changes. The writer counts which rows name a file (`apply_changes`) and it is deleted when
the last one has gone; what no row names is swept at the next start. Not here: the rows.
"""

import asyncio
import hashlib
import logging
import os
import threading
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from paglets.model.errors import TooLargeError, UnavailableError
from paglets.model.names import new_id, parse_name
from paglets.store.apply import SpoolChanges
from paglets.store.folder import make_folder, sync_folder
from paglets.store.parts import (
    Part,
    disk_error,
    require_digest,
    require_intact,
    seal_part,
)
from paglets.store.rows import INLINE_LIMIT, Blob
from paglets.wire.calls import PART_SUFFIX

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1024 * 1024
"""Piece in which bodies are read and written: one hop to a thread each, little memory."""

_TRASH = ".trash"
_THREADS = 4


class Spool:
    """The spool folder of one host.

    Async methods work in threads of the spool and are called on the host's event loop. Disk errors
    are `StorageFullError` where there is no room, else `DamagedError`.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.folder = folder
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool")
        self._named: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_closed = False

    def reserve(self, prefix: str) -> Path:
        """Return a new empty file for a child to write a body to; `seal` makes a blob of it.

        Args:
            prefix: Start of its name, for people who look into the folder.

        Raises:
            InvalidNameError: `prefix` is no name.
            StorageFullError: The disk takes no more files.
            UnavailableError: The spool is closed.
        """
        self._require_open()
        name = f"{parse_name(prefix, what='spool prefix')[:40]}-{new_id()}{PART_SUFFIX}"
        path = self.folder / name
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise disk_error(error, path) from error
        return path

    async def seal(self, path: Path, *, size: int, sha256: str | None) -> Blob:
        """Verify a reserved file, sync it and give it its final name.

        Args:
            path: From `reserve`; gone afterwards, whatever happens.
            size: Bytes it must have.
            sha256: Hex digest it must have, if it is known.

        Raises:
            InvalidRequestError: It has another size or digest, or is no regular file.
            StorageFullError: No room.
        """
        if path.parent != self.folder or path.suffix != PART_SUFFIX:
            raise ValueError(f"{path} was not reserved in this spool")
        try:
            return await self._make_blob(seal_part, path, size, sha256)
        except BaseException:
            self._clean_up(partial(path.unlink, missing_ok=True))
            raise

    async def write_stream(
        self,
        chunks: AsyncIterable[bytes],
        limit: int,
        *,
        prefix: str = "body",
        sha256: str | None = None,
        inline_limit: int = INLINE_LIMIT,
    ) -> Blob:
        """Take in a body; at most a few MiB of it are in memory at a time.

        A body of at most `inline_limit` bytes touches no disk and is an inline blob; a larger one
        is synced in the spool when this returns. Where it fails or is cancelled nothing is left.

        Args:
            chunks: The body; its source bounds how long a chunk may take.
            limit: Most bytes to accept.
            prefix: Start of the file's name.
            sha256: Hex digest the body must have, if it is known.
            inline_limit: Most bytes to keep inline, up to `INLINE_LIMIT`.

        Raises:
            TooLargeError: More than `limit` bytes came.
            InvalidRequestError: The digest differs.
            StorageFullError: No room.
        """
        part: Part | None = None
        pending: list[bytes] = []
        held = total = 0
        try:
            async for chunk in chunks:
                total += len(chunk)
                _require_within(total, limit)
                pending.append(chunk)
                held += len(chunk)
                if total > inline_limit and held >= CHUNK_BYTES:
                    part = part or self._begin(prefix)
                    await self._run(part.write, pending)
                    pending, held = [], 0
            if total <= inline_limit:
                return _inline(b"".join(pending), sha256)
            part = part or self._begin(prefix)
            return await self._make_blob(part.finish, pending, sha256)
        except BaseException:
            if part is not None:
                self._clean_up(part.abandon)
            raise

    def _begin(self, prefix: str) -> Part:
        path = self.reserve(prefix)
        try:
            return Part(path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise disk_error(error, path) from error

    async def write(self, data: bytes, *, prefix: str = "body") -> Blob:
        """Return `data` as a blob: inline if small, else synced in the spool.

        Raises:
            StorageFullError: No room.
        """
        return await self.write_stream(_once(data), len(data), prefix=prefix)

    def path(self, blob: Blob) -> Path:
        """Return the file of a spooled blob, to be read only."""
        if blob.spool is None:
            raise ValueError("the blob is not in the spool")
        return self.folder / blob.spool

    def has(self, blob: Blob) -> bool:
        """Return whether a spooled blob's file is there in its full length."""
        try:
            return self.path(blob).stat().st_size == blob.size
        except FileNotFoundError:
            return False

    async def read(self, blob: Blob) -> bytes:
        """Return the bytes of a blob, verified; meant for what fits into memory.

        Raises:
            DamagedError: The file is missing or not what was written.
            ValueError: The blob was not loaded; ask the store for it.
        """
        if blob.data is not None:
            return blob.data
        if not blob.is_loaded:
            raise ValueError("the blob is not loaded: its bytes are in the store's row")
        return await self._run(self._read, blob)

    def _read(self, blob: Blob) -> bytes:
        data = self.path(blob).read_bytes()
        require_intact(blob, len(data), hashlib.sha256(data).hexdigest())
        return data

    async def iter_chunks(self, blob: Blob, size: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Yield the bytes of a blob in pieces of `size` bytes.

        They are verified on the way: the last step raises if they were not what was written, so
        a consumer must not act on them before the iteration has ended.

        Raises:
            DamagedError: The file is missing or not what was written.
        """
        if blob.data is not None:
            for start in range(0, len(blob.data), size):
                yield blob.data[start : start + size]
            return
        file = await self._run(self.path(blob).open, "rb")
        digest, total = hashlib.sha256(), 0
        try:
            while chunk := await self._run(_read_and_hash, file, size, digest.update):
                total += len(chunk)
                yield chunk
        finally:
            file.close()
        require_intact(blob, total, digest.hexdigest())

    async def open(self, blob: Blob) -> BinaryIO:
        """Verify a spooled blob and return its file, at its start, to hand its fd to a child.

        Raises:
            DamagedError: The file is missing or not what was written.
        """
        return await self._run(self._open, blob)

    def _open(self, blob: Blob) -> BinaryIO:
        file = self.path(blob).open("rb")
        try:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            require_intact(blob, os.fstat(file.fileno()).st_size, found)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    async def share(self, blob: Blob) -> Blob:
        """Return the same bytes under a name of their own, for another row; nothing is copied.

        Raises:
            DamagedError: The file is missing.
            StorageFullError: The disk takes no more files.
        """
        if blob.spool is None:
            return blob
        return await self._make_blob(self._share, blob, blob.spool)

    def _share(self, blob: Blob, name: str) -> Blob:
        shared = f"{name.rpartition('-')[0]}-{new_id()}"
        os.link(self.path(blob), self.folder / shared)
        sync_folder(self.folder)
        return Blob(size=blob.size, sha256=blob.sha256, spool=shared)

    def discard(self, blob: Blob) -> None:
        """Delete a sealed blob that came to no use; one that a row names is left alone."""
        if blob.spool is None:
            return
        with self._lock:
            if self._named[blob.spool] == 0:
                self._delete(blob.spool)

    def apply_changes(self, changes: SpoolChanges) -> None:
        """Count what a transaction that is on disk named and dropped; called by the writer."""
        if not changes.named and not changes.dropped:
            return
        with self._lock:
            self._named.update(changes.named)
            self._named.subtract(changes.dropped)
            for name in set(changes.dropped):
                if self._named[name] <= 0:
                    del self._named[name]
                    self._delete(name)

    def _delete(self, name: str) -> None:
        # renamed at once, so that no later row can name it; a large file takes long to unlink
        trash = self.folder / f"{name}{_TRASH}"
        try:
            (self.folder / name).rename(trash)
        except OSError as error:
            logger.warning("spool file could not be deleted file=%s error=%s", name, error)
            return
        self._clean_up(partial(trash.unlink, missing_ok=True))

    def sweep(self, named: Mapping[str, int], *, is_kept: Callable[[str], bool]) -> list[str]:
        """Delete what no row names and return the names that have no file.

        Called once, when the store is opened, before anything is under way.

        Args:
            named: How many rows name each file.
            is_kept: Says of a file that no row names whether to keep it all the same.
        """
        with self._lock:
            self._named = Counter(named)
        found = set()
        for entry in list(os.scandir(self.folder)):
            if entry.name in named:
                found.add(entry.name)
            elif not is_kept(entry.name):
                logger.info("spool file that no row names deleted file=%s", entry.name)
                Path(entry.path).unlink(missing_ok=True)
        return sorted(named.keys() - found)

    def close(self) -> None:
        """End the spool's threads when what they do is done."""
        self._is_closed = True
        self._threads.shutdown(wait=True)

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in a thread of the spool; disk errors become typed ones."""
        self._require_open()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))
        except OSError as error:
            raise disk_error(error, self.folder) from error

    async def _make_blob(self, call: Callable[P, Blob], *args: P.args, **kwargs: P.kwargs) -> Blob:
        """Run `call` as `_run` does; a blob that is made after its caller went is discarded."""
        self._require_open()
        making = self._threads.submit(call, *args, **kwargs)
        try:
            return await asyncio.wrap_future(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._discard_made)
            raise
        except OSError as error:
            raise disk_error(error, self.folder) from error

    def _require_open(self) -> None:
        if self._is_closed:
            raise UnavailableError("the host is stopping: its spool is closed")

    def _clean_up(self, call: Callable[[], None]) -> None:
        """Run `call` in a thread, without waiting for it; here where the threads have ended."""
        try:
            self._threads.submit(call)
        except RuntimeError:
            call()

    def _discard_made(self, making: Future[Blob]) -> None:
        if not making.cancelled() and making.exception() is None:
            self.discard(making.result())


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _inline(data: bytes, sha256: str | None) -> Blob:
    if sha256 is not None:
        require_digest(len(data), hashlib.sha256(data).hexdigest(), len(data), sha256)
    return Blob.inline(data)


def _require_within(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"body is over the limit of {limit} bytes", limit=limit)


def _read_and_hash(file: BinaryIO, size: int, update: Callable[[bytes], None]) -> bytes:
    chunk = file.read(size)
    update(chunk)
    return chunk
