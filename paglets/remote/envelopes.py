"""The body of an offer: an envelope sent piece by piece, never held in memory as a whole.

A payload of this kind can be written more than once, because a request that found its kept-alive
connection closed is sent again. Used by `remote/client.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from paglets.failpoints import failpoint_async

CHUNK_BYTES = 256 * 1024
"""Bytes read from a file at once, in a thread."""


class EnvelopePayload(Payload):
    """Header, then parts: bytes as they are, files in chunks.

    Args:
        header: Encoded header with its prefix.
        parts: State and files, in the order of the header.
        size: Total length in bytes, known to the caller from `envelope_size`.
    """

    def __init__(self, header: bytes, parts: Sequence[bytes | Path], size: int) -> None:
        super().__init__(header, content_type="application/octet-stream")
        self._header = header
        self._parts = parts
        self._size = size
        self._total = size
        self._autoclose = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: an envelope is no text."""
        raise TypeError(f"an envelope is bytes, not {encoding} text (errors={errors})")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write everything; called by aiohttp once the connection stands.

        Raises:
            OSError: A part cannot be read.
        """
        await self.write_with_length(writer, self._total)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write everything; `content_length` is the size this payload announced.

        Raises:
            OSError: A part cannot be read, or is no longer as long as it was.
        """
        left = self._total if content_length is None else content_length
        half = left // 2
        halfway = False
        async for chunk in self._chunks():
            left -= len(chunk)
            if left < 0:
                raise OSError("a part of the envelope grew while it was sent")
            await writer.write(chunk)
            if not halfway and left <= half:
                halfway = True
                await failpoint_async("offer.half_sent")
        if left:
            raise OSError("a part of the envelope shrank while it was sent")
        await failpoint_async("offer.after_send")

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self._header
        for part in self._parts:
            if isinstance(part, Path):
                async for chunk in read_chunks(part):
                    yield chunk
            else:
                for start in range(0, len(part), CHUNK_BYTES):
                    yield part[start : start + CHUNK_BYTES]


async def read_chunks(path: Path) -> AsyncIterator[bytes]:
    """Yield the content of a file, each piece read in a thread."""
    file: BinaryIO = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


async def envelope_size(header: bytes, parts: Sequence[bytes | Path]) -> int:
    """Return the length in bytes of an envelope.

    Raises:
        OSError: A file is gone.
    """
    total = len(header)
    for part in parts:
        if isinstance(part, Path):
            total += (await asyncio.to_thread(part.stat)).st_size
        else:
            total += len(part)
    return total
