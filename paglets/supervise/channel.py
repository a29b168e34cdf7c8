"""The host's end of the private pipe to a Paglet Process: whole frames in and out of the loop.

It knows lengths, order and back-pressure; what a frame says is for `wire/calls.py`. The child's
end is a plain blocking socket with the same `FrameDecoder`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from paglets.wire.frames import FrameDecoder, FrameTooLargeError, encode_frame

FrameCallback = Callable[[bytes], None]
"""Called with each payload, in order."""

CloseCallback = Callable[[Exception | None], None]
"""Called once; None: the other side closed. FrameTooLargeError: it broke the protocol."""

_GATHER_LIMIT = 64 * 1024
_READ_BYTES = 64 * 1024


class ChannelClosedError(ConnectionError):
    """The other side of the channel is gone; the frame was not sent."""


class FrameChannel(asyncio.Protocol):
    """Frames to and from one process. Used from the loop in which it was connected.

    Nothing is read before `listen`, so no frame is lost between start and listener. The first
    frame of a turn of the loop leaves at once; more of the same turn leave together at its end.

    Args:
        on_closed: Told once when no more frames will come, before the listener is.
    """

    def __init__(self, on_closed: CloseCallback | None = None) -> None:
        self._on_closed = on_closed
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self._on_frame: FrameCallback | None = None
        self._on_close: CloseCallback | None = None
        self._gathered: list[bytes] | None = None
        self._gathered_bytes = 0
        self._is_paused = False
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()
        self._error: Exception | None = None
        self._closed = asyncio.Event()
        self._rest: socket.socket | None = None
        """The same socket once more, for what is unread when the transport gives up."""
        self.on_first: Callable[[], None] | None = None
        """Called once: when the process has said its first word, or the channel is closed."""

    async def connect(self, channel: socket.socket) -> None:
        """Take over a connected, non-blocking stream socket."""
        loop = asyncio.get_running_loop()
        self._rest = channel.dup()
        await loop.create_unix_connection(lambda: self, sock=channel)

    def listen(self, on_frame: FrameCallback, on_close: CloseCallback | None = None) -> None:
        """Begin to read. Callbacks run in the loop and must not block; what they raise ends it.

        Args:
            on_frame: Gets every payload.
            on_close: Told when no more will come, with the reason.
        """
        self._on_frame, self._on_close = on_frame, on_close
        if self._closed.is_set():
            self._tell_closed()
        elif self._transport is not None:
            self._transport.resume_reading()

    @property
    def is_listening(self) -> bool:
        """Whether somebody takes the frames."""
        return self._on_frame is not None

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent or will come any more."""
        return self._closed.is_set()

    @property
    def is_congested(self) -> bool:
        """Whether the process reads more slowly than the host writes; `drain` awaits its end."""
        return self._is_paused

    def send(self, payload: bytes) -> None:
        """Send one frame, soon. Never blocks; call `drain` before sending much.

        Raises:
            FrameTooLargeError: The payload is over the limit; nothing was sent.
            ChannelClosedError: The process is gone, or going.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ChannelClosedError("the process at the other end of the channel is gone")
        frame = encode_frame(payload)
        if self._gathered is None:
            self._gathered = []
            asyncio.get_running_loop().call_soon(self._flush)
            transport.write(frame)
            return
        self._gathered.append(frame)
        self._gathered_bytes += len(frame)
        if self._gathered_bytes > _GATHER_LIMIT:
            self._write_gathered()

    async def drain(self) -> None:
        """Wait until the process has read enough of what was sent.

        Raises:
            ChannelClosedError: The process went while this waited.
        """
        await self._drained.wait()
        if self._closed.is_set():
            raise ChannelClosedError("the process at the other end of the channel is gone")

    async def wait_closed(self) -> None:
        """Wait until the last frame was delivered and the other side is closed."""
        await self._closed.wait()

    def close(self) -> None:
        """Close at once; what was not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop when the socket is taken over."""
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        if self._on_frame is None:
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what was read."""
        on_frame = self._on_frame
        assert on_frame is not None
        if self.on_first is not None:
            self._tell_first()
        try:
            frames = self._decoder.feed(data)
        except FrameTooLargeError as error:
            self._error = error
            self.close()
            return
        for payload in frames:
            on_frame(payload)

    def pause_writing(self) -> None:
        """Called by the loop when its buffer is over the high-water mark."""
        self._is_paused = True
        self._drained.clear()

    def resume_writing(self) -> None:
        """Called by the loop when its buffer is below the low-water mark."""
        self._is_paused = False
        self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop, once, after the last `data_received`."""
        # A reset is how a killed process closes; only what we found ourselves is news.
        rest, self._rest = self._rest, None
        if rest is not None:
            with rest:
                if exc is not None and self._error is None:
                    self._read_rest(rest)
        self._closed.set()
        self._drained.set()
        self._tell_first()
        if self._on_closed is not None:
            self._on_closed(self._error)
        self._tell_closed()

    def _read_rest(self, rest: socket.socket) -> None:
        """Take in what the process said before it went.

        Writing to it has failed, and a transport then reads no more: its last word, that it has
        left as it was asked to, would be lost, and its end would count as a crash.
        """
        if self._on_frame is None:
            return
        with contextlib.suppress(OSError):  # there is no more, or it was reset
            while data := rest.recv(_READ_BYTES):
                self.data_received(data)

    def _tell_first(self) -> None:
        on_first, self.on_first = self.on_first, None
        if on_first is not None:
            on_first()

    def _tell_closed(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close(self._error)

    def _flush(self) -> None:
        self._write_gathered()
        self._gathered = None

    def _write_gathered(self) -> None:
        if self._gathered and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._gathered))
        if self._gathered:
            self._gathered.clear()
            self._gathered_bytes = 0
