"""Unpacking an envelope that is being received: state and files, verified, into the spool."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from paglets.config.settings import Limits
from paglets.model.errors import InvalidRequestError, StorageFullError
from paglets.store.folder import sync_folder
from paglets.store.rows import INLINE_LIMIT, Blob
from paglets.store.spool import Spool
from paglets.wire.envelope import EnvelopeHeader


class Unpacker:
    """Receives envelopes for one host; used from its loop."""

    def __init__(self, spool: Spool, work: Path, limits: Limits) -> None:
        self._spool = spool
        self._work = work
        self._limits = limits

    async def receive(
        self, header: EnvelopeHeader, chunks: AsyncIterator[bytes]
    ) -> tuple[Blob, tuple[tuple[str, Blob], ...]]:
        """Return state and files of an envelope, synced and verified; flat in memory.

        Raises:
            InvalidRequestError: Cut short, too long, or not what its digests say.
            StorageFullError: No room on the disk.
        """
        for file in header.files:
            require_inside(file.name)
        source = _Cutter(chunks)
        state = await self._part(source, header.state_bytes, header.state_sha256, "state")
        files = [
            (file.name, await self._part(source, file.size, file.sha256, "file"))
            for file in header.files
        ]
        await source.finish()
        return state, tuple(files)

    async def _part(self, source: "_Cutter", size: int, sha256: str, prefix: str) -> Blob:
        if size <= INLINE_LIMIT:
            data = b"".join([chunk async for chunk in source.take(size)])
            if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
                raise InvalidRequestError(f"the envelope's {prefix} is not what its digest says")
            return Blob.inline(data)
        return await self._spool.write_stream(source.take(size), size, prefix=prefix, sha256=sha256)

    async def place(self, agent_id: str, files: tuple[tuple[str, Blob], ...]) -> None:
        """Put registered files into the paglet's work dir, synced, before it is started.

        They leave the spool by that.

        Raises:
            StorageFullError: No room on the disk.
        """
        for name, blob in files:
            target = self._work / agent_id / require_inside(name)
            try:
                await asyncio.to_thread(self._put, blob, target)
            except OSError as error:
                raise StorageFullError(f"{target.name}: {error.strerror}") from error
            self._spool.discard(blob)

    def _put(self, blob: Blob, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.unlink(missing_ok=True)
        if blob.data is None:
            # Its bytes are synced and nobody else's: one more name is all it takes.
            target.hardlink_to(self._spool.path(blob))
        else:
            with target.open("xb") as file:
                file.write(blob.data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(target.parent)

    async def discard(
        self, agent_id: str, state: Blob, files: tuple[tuple[str, Blob], ...]
    ) -> None:
        """Remove what was received and placed of a paglet that this host does not take."""
        self._spool.discard(state)
        for name, blob in files:
            self._spool.discard(blob)
            target = self._work / agent_id / require_inside(name)
            await asyncio.to_thread(target.unlink, missing_ok=True)


def require_inside(name: str) -> PurePosixPath:
    """Return a registered file's name as a path that stays inside its work dir.

    Raises:
        InvalidRequestError: It is absolute, climbs out, or is empty.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InvalidRequestError(f"{name[:80]!r} is no name for a registered file")
    return path


class _Cutter:
    """Cuts a stream of chunks into parts of given sizes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """Yield exactly `size` bytes, in chunks.

        Raises:
            InvalidRequestError: The stream ended before.
        """
        wanted = size
        while wanted:
            if not self._rest:
                try:
                    self._rest = await anext(self._chunks)
                except StopAsyncIteration:
                    raise InvalidRequestError("the envelope is cut short") from None
                continue
            piece, self._rest = self._rest[:wanted], self._rest[wanted:]
            wanted -= len(piece)
            yield piece

    async def finish(self) -> None:
        """Raise InvalidRequestError if there is more than was announced."""
        if self._rest:
            raise InvalidRequestError("the envelope is longer than its header says")
        async for chunk in self._chunks:
            if chunk:
                raise InvalidRequestError("the envelope is longer than its header says")
