"""A host for one paglet, in the test's own process: the other end of its pipe.

The child's real code runs in threads here; the test plays the host by hand, frame by frame.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from paglets.child.bootstrap import serve
from paglets.model.message import Message
from paglets.model.refs import Epoch, PagletProxyRef
from paglets.wire import calls
from paglets.wire.calls import Call, HostCall, HostFacts, Load, decode_to_host, encode_call
from paglets.wire.failures import encode_failure
from paglets.wire.frames import FrameDecoder, encode_frame
from paglets.wire.hostcalls import OPERATIONS, Struct
from paglets.wire.messages import encode_message, wire_message

A = TypeVar("A", bound=Call)
WAIT = 5.0
"""Seconds after which a test fails instead of waiting on."""

HERE = "tests.unit.child.paglets_for_tests"
CLASSES = "paglets_for_tests"


class FakeHost:
    """Starts a child in a thread and talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.crashes: list[BaseException] = []
        self.asked: queue.SimpleQueue[HostCall] = queue.SimpleQueue()
        self.script: dict[str, Callable[[Struct], Struct | Exception]] = {}
        self._numbers = 0
        self._answers: dict[int, queue.SimpleQueue[Call]] = {}
        self._mine, self._theirs = socket.socketpair()
        self._child = threading.Thread(target=self._serve, daemon=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._child.start()
        self._reader.start()

    def _serve(self) -> None:
        serve(self._theirs, self._end, self._crash)
        self._end(0)

    def _end(self, code: int) -> None:
        # What a process does by ending: what it sent can still be read, then comes the end.
        self.ends.put(code)
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    def _crash(self, error: BaseException) -> None:
        self.crashes.append(error)
        self._end(1)

    def _read(self) -> None:
        decoder = FrameDecoder()
        while True:
            try:
                data = self._mine.recv(65536)
            except OSError:
                return
            if not data:
                return
            for payload in decoder.feed(data):
                self._on(decode_to_host(payload))

    def _on(self, frame: Call) -> None:
        if not isinstance(frame, HostCall):
            self._answers[frame.call].put(frame)
            return
        request_type, _ = OPERATIONS[frame.op]
        answer = self.script.get(frame.op)
        if answer is None:
            self.asked.put(frame)
            return
        result = answer(msgspec.msgpack.decode(frame.body, type=request_type))
        self.reply(frame, result)

    def reply(self, frame: HostCall, result: Struct | Exception) -> None:
        """Answer a call of the paglet."""
        if isinstance(result, Exception):
            self.tell(calls.HostFailed(call=frame.call, failure=encode_failure(result)))
        else:
            body = msgspec.msgpack.encode(result)
            self.tell(calls.HostReply(call=frame.call, body=body))

    def next_asked(self, op: str) -> HostCall:
        """Return the next call of the paglet that no script answers."""
        frame = self.asked.get(timeout=WAIT)
        assert frame.op == op
        return frame

    def tell(self, frame: Call) -> None:
        """Send a frame."""
        self._mine.sendall(encode_frame(encode_call(frame)))

    def start(self, kind: type[Call], **fields: object) -> int:
        """Send a request and return its number."""
        self._numbers += 1
        self._answers[self._numbers] = queue.SimpleQueue()
        self.tell(kind(call=self._numbers, **fields))
        return self._numbers

    def answer(self, number: int, expected: type[A]) -> A:
        """Wait for the answer to a request."""
        frame = self._answers[number].get(timeout=WAIT)
        assert isinstance(frame, expected), frame
        return frame

    def ask(self, kind: type[Call], expected: type[A], **fields: object) -> A:
        """Send a request and wait for its answer."""
        return self.answer(self.start(kind, **fields), expected)

    def load(self, name: str, expected: type[A] = calls.Loaded, **fields: object) -> A:
        """Send `Load` for a class of `paglets_for_tests`."""
        defaults: dict[str, object] = {
            "agent_id": "a1",
            "class_name": name if ":" in name else f"{CLASSES}:{name}",
            "host": HostFacts(host_id="h1", name="alpha", url="http://alpha:1", code_version="c"),
            "epoch": Epoch(),
            "import_paths": (str(Path(__file__).parent),),
            "work_dir": str(self.folder / "work"),
            "persistent_dir": str(self.folder / "keep"),
            "incoming_dir": str(self.folder),
        }
        return self.ask(Load, expected, **(defaults | fields))

    def open(self, name: str, **fields: object) -> calls.Loaded:
        """Load a class and open its gate."""
        loaded = self.load(name, **fields)
        self.tell(calls.OpenGate())
        return loaded

    def send(self, message: Message, **options: object) -> int:
        """Deliver a message; return its number."""
        body = encode_message(wire_message(message, **options))
        return self.start(calls.Deliver, body=body)

    def call(self, kind: str, **args: object) -> object:
        """Deliver a message and return its reply."""
        delivered = self.answer(self.send(Message(kind, args)), calls.Delivered)
        return msgspec.json.decode(delivered.reply)

    def fail(self, kind: str, **args: object) -> calls.Failed:
        """Deliver a message and return how it failed."""
        return self.answer(self.send(Message(kind, args)), calls.Failed)

    def hook(self, hook: str, expected: type[A] = calls.HookDone, **event: object) -> A:
        """Run a hook."""
        return self.ask(calls.RunHook, expected, hook=hook, event=msgspec.json.encode(event))

    def quiesce(
        self,
        verb: str = "dispatch",
        hook: str | None = None,
        event: object = None,
        **fields: object,
    ) -> int:
        """Send `Quiesce`; return its number."""
        data = msgspec.json.encode(event or {})
        return self.start(calls.Quiesce, verb=verb, hook=hook, event=data, **fields)

    def state(self) -> object:
        """Return the state as `Inspect` shows it."""
        snapshot = self.ask(calls.Inspect, calls.Inspected).snapshot
        return msgspec.msgpack.decode(snapshot.data)

    def exit_code(self) -> int:
        """Wait for the end of the process."""
        return self.ends.get(timeout=WAIT)

    def close(self) -> None:
        """End the child's threads."""
        with contextlib.suppress(OSError):
            self._mine.shutdown(socket.SHUT_RDWR)
        self._child.join(WAIT)
        self._reader.join(WAIT)
        assert not self._child.is_alive()
        self._mine.close()
        self._theirs.close()


def wait_until(check: Callable[[], bool], timeout: float = WAIT) -> None:
    """Poll until `check()` holds."""
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.002)


REF = PagletProxyRef("http://beta:1", "b1")
MOVE = {"source_host_name": "alpha", "target_host_name": "beta"}
