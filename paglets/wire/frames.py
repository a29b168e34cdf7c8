"""How messages are cut out of a byte stream: a length, then that many bytes.

A pipe between a host and a Paglet Process carries bytes, not messages. Both sides share this file:
the host's event loop (`supervise/channel.py`) and the blocking child feed what they read to a
`FrameDecoder`. It does not know what a frame says; that is `wire/calls.py`.
"""

import struct

FRAME_LIMIT = 1280 * 1024
"""Largest payload of one frame, in bytes: a message of 1 MiB with all that goes with it.

States above `wire/calls.py: INLINE_LIMIT` travel as a file, so that frames stay small as a rule.
"""

_HEADER = struct.Struct(">I")
HEADER_SIZE = _HEADER.size
"""Bytes before each payload: its length, unsigned, big-endian."""


class FrameTooLargeError(ValueError):
    """A frame is over the limit. From a peer this is a violation: the stream cannot be read on."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes is over the limit of {limit} bytes")
        self.size = size
        self.limit = limit


def encode_frame(payload: bytes, *, limit: int = FRAME_LIMIT) -> bytes:
    """Return `payload` with its length before it.

    Raises:
        FrameTooLargeError: The payload is longer than `limit` bytes.
    """
    if len(payload) > limit:
        raise FrameTooLargeError(len(payload), limit)
    return _HEADER.pack(len(payload)) + payload


def decode_length(header: bytes, *, limit: int = FRAME_LIMIT) -> int:
    """Return the payload's length in bytes that a header of `HEADER_SIZE` bytes announces.

    Raises:
        FrameTooLargeError: It announces more than `limit` bytes.
    """
    (size,) = _HEADER.unpack(header)
    if size > limit:
        raise FrameTooLargeError(size, limit)
    return int(size)


class FrameDecoder:
    """Turns pieces of a stream, cut anywhere, into whole payloads.

    Args:
        limit: Largest payload accepted, in bytes.
    """

    def __init__(self, *, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._wanted = HEADER_SIZE

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here without cutting a frame."""
        return not self._partial

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete now, in order.

        Costs time linear in the bytes fed, however small the pieces are.

        Raises:
            FrameTooLargeError: A frame announces more than the limit. The decoder is of no use
                after that.
        """
        partial = self._partial
        if partial:
            partial += data
            if len(partial) < self._wanted:
                return []
            data = bytes(partial)
            partial.clear()
        frames: list[bytes] = []
        position, end = 0, len(data)
        self._wanted = HEADER_SIZE
        while end - position >= HEADER_SIZE:
            (size,) = _HEADER.unpack_from(data, position)
            if size > self._limit:
                raise FrameTooLargeError(size, self._limit)
            stop = position + HEADER_SIZE + size
            if stop > end:
                self._wanted = HEADER_SIZE + size
                break
            frames.append(data[position + HEADER_SIZE : stop])
            position = stop
        if position < end:
            partial += data[position:]
        return frames
