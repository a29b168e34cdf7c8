"""A small child program for the tests of paglets/supervise: does what its first frame says."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from paglets.supervise.childsetup import ChildFds, ChildProgram
from paglets.supervise.program import run
from paglets.wire.frames import FrameDecoder, encode_frame


class Host:
    def __init__(self, fd: int) -> None:
        self.socket = socket.socket(fileno=fd)
        self.decoder = FrameDecoder()
        self.frames: list[bytes] = []

    def receive(self) -> bytes | None:
        while not self.frames:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.frames += self.decoder.feed(data)
        return self.frames.pop(0)

    def send(self, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        self.socket.sendall(encode_frame(data))


def open_fds() -> str:
    found = []
    for entry in sorted(Path("/proc/self/fd").iterdir(), key=lambda each: int(each.name)):
        try:
            found.append(f"{entry.name}={entry.readlink()}")
        except FileNotFoundError:
            continue
    return "\n".join(found)


def start_grandchild(*, is_forked: bool) -> int:
    if not is_forked:
        return subprocess.Popen(["/bin/sleep", "600"], stdin=subprocess.DEVNULL).pid
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def facts() -> str:
    status = Path("/proc/self/status").read_text()
    return "\n".join(
        [
            f"session={os.getsid(0) == os.getpid()}",
            f"group={os.getpgrp() == os.getpid()}",
            f"comm={Path('/proc/self/comm').read_text().strip()}",
            f"cmdline={Path('/proc/self/cmdline').read_bytes().rstrip(bytes(1)).decode()}",
            f"core={__import__('resource').getrlimit(4)}",
            f"privs={status.split('NoNewPrivs:')[1].split()[0]}",
            f"blocked={status.split('SigBlk:')[1].split()[0]}",
            f"sigchld={signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL}",
            f"cwd={Path.cwd()}",
            f"modules={' '.join(sorted(sys.modules))}",
        ]
    )


def entry(fds: ChildFds) -> None:  # noqa: C901, PLR0912 - a table of commands
    host = Host(fds.channel)
    while (frame := host.receive()) is not None:
        command, _, argument = frame.partition(b" ")
        match command.decode():
            case "exit":
                sys.exit(int(argument))
            case "raise":
                raise RuntimeError(argument.decode())
            case "signal":
                os.kill(os.getpid(), int(argument))
            case "print":
                print(argument.decode())
                host.send("printed")
            case "print-and-die":
                sys.stdout.write(argument.decode())
                sys.stdout.flush()
                for number in range(100):
                    host.send(f"last {number}")
                os.kill(os.getpid(), signal.SIGKILL)
            case "fds":
                host.send(open_fds())
            case "environ":
                both = {f"{name}={value}" for name, value in os.environ.items()}
                raw = Path("/proc/self/environ").read_text().split("\0")
                host.send("\n".join(sorted(both | set(filter(None, raw)))))
            case "facts":
                host.send(facts())
            case "random":
                host.send(str(random.random()))
            case "grandchild":
                host.send(str(start_grandchild(is_forked=argument == b"forked")))
            case "hang-up":
                host.socket.close()
                signal.pause()
            case "busy":
                host.send("busy")
                # One C call that holds the GIL for minutes.
                pow(3, 10**9)
            case "too-large":
                host.socket.sendall(b"\xff\xff\xff\xff")
            case "echo":
                host.send(argument)


def learn(class_name: str, import_paths: tuple[str, ...]) -> None:
    print(f"learned {class_name} from {' '.join(import_paths)}")


if __name__ == "__main__":
    run(sys.argv[1:], ChildProgram(entry, learn=learn))
