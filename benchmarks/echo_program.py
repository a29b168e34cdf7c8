"""The child program of the benchmarks: says back what it is told."""

import socket
import sys

from paglets.supervise.childsetup import ChildFds, ChildProgram
from paglets.supervise.program import run
from paglets.wire.frames import FrameDecoder, encode_frame


def echo(fds: ChildFds) -> None:
    host = socket.socket(fileno=fds.channel)
    decoder = FrameDecoder()
    while data := host.recv(65536):
        host.sendall(b"".join(encode_frame(frame) for frame in decoder.feed(data)))


if __name__ == "__main__":
    run(sys.argv[1:], ChildProgram(echo))
