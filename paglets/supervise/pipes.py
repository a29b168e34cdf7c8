"""The three connections between a host and one of its processes."""

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostEnds:
    """What the host holds of one process: three descriptors, non-blocking, not inherited."""

    channel: socket.socket
    output: int
    """Read end of the pipe that is the process's stdout and stderr."""
    lifeline: int
    """Write end; never written to. Closing it ends the process."""

    def close(self) -> None:
        """Let go of the process, which ends it."""
        self.channel.close()
        os.close(self.output)
        os.close(self.lifeline)


@dataclass(frozen=True, slots=True)
class ChildEnds:
    """What is handed to one process. The host closes its copies once they are handed over."""

    channel: socket.socket
    output: int
    lifeline: int

    def filenos(self) -> list[int]:
        """Return the descriptors in the order of `control.DESCRIPTORS_PER_REQUEST`."""
        return [self.channel.fileno(), self.output, self.lifeline]

    def close(self) -> None:
        """Close the host's copies."""
        self.channel.close()
        os.close(self.output)
        os.close(self.lifeline)


def open_pipes() -> tuple[HostEnds, ChildEnds]:
    """Make the connections for a new process.

    Raises:
        OSError: No descriptors are left; nothing stays open.
    """
    opened: list[int] = []
    try:
        ours, theirs = socket.socketpair()
        opened += [ours.fileno(), theirs.fileno()]
        output_read, output_write = os.pipe()
        opened += [output_read, output_write]
        lifeline_read, lifeline_write = os.pipe()
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    ours.setblocking(False)
    os.set_blocking(output_read, False)
    return (
        HostEnds(ours, output_read, lifeline_write),
        ChildEnds(theirs, output_write, lifeline_read),
    )
