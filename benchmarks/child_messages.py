"""A message inside a Paglet Process: frame in, handler, frame out, over the private pipe.

The parent plays the host with a blocking socket, so the figures are those of the child and of two
context switches. `cpu` is the child's own processor time, which load on the machine does not move.

    python benchmarks/child_messages.py [--messages 3000]
"""

import argparse
import os
import signal
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from paglets.child.bootstrap import main
from paglets.model.message import Message
from paglets.model.refs import Epoch
from paglets.supervise.childsetup import ChildFds
from paglets.wire import calls
from paglets.wire.calls import decode_to_host, encode_call
from paglets.wire.frames import FrameDecoder, encode_frame
from paglets.wire.messages import encode_message, wire_message

AGENT = """
from dataclasses import dataclass
from paglets import Durability, Message, Paglet, handles

@dataclass
class State:
    count: int = 0

class Plain(Paglet[State]):
    def handle_message(self, message: Message) -> object:
        return message.args["by"]

class Routed(Paglet[State]):
    @handles("add")
    def add(self, by: int) -> int:
        return by

class Durable(Routed):
    durability = Durability.MESSAGE

    @handles("add")
    def add(self, by: int) -> int:
        self.state.count += by
        return by

class Coroutine(Paglet[State]):
    async def handle_message(self, message: Message) -> object:
        return message.args["by"]
"""


class Child:
    """A forked child that serves one class."""

    def __init__(self, name: str, folder: Path) -> None:
        self._channel, theirs = socket.socketpair()
        self._decoder = FrameDecoder()
        self.pid = os.fork()
        if self.pid == 0:
            self._channel.close()
            main(ChildFds(channel=theirs.fileno()))
            os._exit(0)
        theirs.close()
        load = calls.Load(
            call=1,
            agent_id="a1",
            class_name=f"agent_of_benchmark:{name}",
            host=calls.HostFacts(host_id="h1", name="alpha", url="http://alpha:1"),
            epoch=Epoch(),
            import_paths=(str(folder),),
            incoming_dir=str(folder),
        )
        assert isinstance(self.ask(encode_call(load)), calls.Loaded)
        self._channel.sendall(encode_frame(encode_call(calls.OpenGate())))

    def ask(self, payload: bytes) -> calls.ToHost:
        self._channel.sendall(encode_frame(payload))
        while True:
            frames = self._decoder.feed(self._channel.recv(65536))
            if frames:
                return decode_to_host(frames[0])

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._channel.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def measure(child: Child, messages: int, line: Callable[[str], None], name: str) -> None:
    body = encode_message(wire_message(Message("add", {"by": 1})))
    payload = encode_call(calls.Deliver(call=2, body=body))
    for _ in range(200):
        child.ask(payload)
    before, times = child.cpu_seconds(), []
    for _ in range(messages):
        begun = time.perf_counter()
        answer = child.ask(payload)
        times.append(time.perf_counter() - begun)
        assert isinstance(answer, calls.Delivered), answer
    cpu = (child.cpu_seconds() - before) / messages
    times.sort()
    p50, p99 = statistics.median(times), times[int(messages * 0.99)]
    line(f"{name:<10} p50 {p50 * 1e6:6.0f} us   p99 {p99 * 1e6:6.0f} us   cpu {cpu * 1e6:5.0f} us")


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=3000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "agent_of_benchmark.py").write_text(AGENT)
        for each in ("Plain", "Routed", "Durable", "Coroutine"):
            child = Child(each, folder)
            try:
                measure(child, arguments.messages, print, each)
            finally:
                child.end()


if __name__ == "__main__":
    run()
