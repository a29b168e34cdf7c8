"""The child's end of the private pipe: whole calls in and out of a blocking socket.

Any thread sends. One thread at a time reads; `reading.py` says which, the runner what a call means.
"""

import os
import select
import socket
import threading

from paglets.wire.calls import ToChild, ToHost, decode_to_child, encode_call
from paglets.wire.frames import FrameDecoder, encode_frame

_READ_SIZE = 32 * 1024
"""Small enough that a buffer is taken from the heap: larger ones cost two system calls each."""


class HostPipe:
    """Frames to and from the host."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._decoder = FrameDecoder()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def send(self, call: ToHost) -> None:
        """Send a call; waits while the host's buffer is full, which the host's death ends too.

        Raises:
            FrameTooLargeError: It does not fit into one frame; nothing was sent.
            OSError: The host has closed the pipe.
        """
        frame = encode_frame(encode_call(call))
        with self._sending:
            self._channel.sendall(frame)

    def read(self, timeout: float | None = None) -> list[ToChild] | None:
        """Wait for what the host says next. For one thread at a time.

        Args:
            timeout: Seconds; None: as long as it takes.

        Returns:
            Calls in order; none after `timeout` or `wake`; None when the host closed the pipe.
        """
        ready = self._poll.poll(None if timeout is None else timeout * 1000)
        is_readable = False
        for fd, _event in ready:
            if fd == self._wake_read:
                os.read(self._wake_read, 4096)
            else:
                is_readable = True
        if not is_readable:
            return []
        data = self._channel.recv(_READ_SIZE)
        if not data:
            return None
        return [decode_to_child(payload) for payload in self._decoder.feed(data)]

    def wake(self) -> None:
        """Make the thread in `read` return."""
        try:
            os.write(self._wake_write, b"w")
        except BlockingIOError:
            return  # so many wakes are pending that it wakes anyway

    def close(self) -> None:
        """Close the descriptors; for tests, where the process lives on."""
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
