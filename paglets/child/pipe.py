"""The child's end of the private pipe: whole calls in and out of a blocking socket.

One thread reads; any thread sends. What a call means is the runner's business.
"""

import socket
import threading
from collections.abc import Iterator

from paglets.wire.calls import ToChild, ToHost, decode_to_child, encode_call
from paglets.wire.frames import FrameDecoder, encode_frame

_READ_SIZE = 256 * 1024


class HostPipe:
    """Frames to and from the host."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._calls = self._read()

    def send(self, call: ToHost) -> None:
        """Send a call; waits while the host's buffer is full, which the host's death ends too.

        Raises:
            FrameTooLargeError: It does not fit into one frame; nothing was sent.
            OSError: The host has closed the pipe.
        """
        frame = encode_frame(encode_call(call))
        with self._sending:
            self._channel.sendall(frame)

    def receive(self) -> Iterator[ToChild]:
        """Return what the host says, call by call, until it closes the pipe. For one thread."""
        return self._calls

    def _read(self) -> Iterator[ToChild]:
        decoder = FrameDecoder()
        while data := self._channel.recv(_READ_SIZE):
            for payload in decoder.feed(data):
                yield decode_to_child(payload)
