"""A TCP proxy in front of one host, so that tests can part real hosts without being root.

The host advertises the proxy's URL; what others send it passes here. A `Fault` says what happens
to connections, or only to those that carry certain bytes, such as one route or one sender (a
request's `Authorization` names it in the clear). Nothing is decoded and nothing is altered.

Not here: which hosts are parted (`localmesh.py`).
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from paglets.connect.loop import LoopThread

_CHUNK_BYTES = 64 * 1024
_PATIENCE = 10.0
"""Seconds a change of this proxy may take."""
_REMEMBERED_BYTES = 4096
"""How far back a pattern is looked for, beside the newest chunk: it may be split over two."""


class FaultKind(StrEnum):
    """What a fault does to a connection."""

    REFUSE = "refuse"
    """Nobody listens: not a byte can have reached the host."""
    CUT = "cut"
    """Taken and reset before a byte of what has matched is passed on."""
    HALF = "half"
    """Reset once `bytes` of what the client sends have been passed on, counted from the match."""
    HANG = "hang"
    """Taken, read and passed on to nobody; never answered, until it is healed."""
    LOSE_ANSWERS = "lose_answers"
    """The request is passed on whole; the connection is reset in place of its answer."""
    DELAY = "delay"
    """Each chunk of the request waits `seconds` before it is passed on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong on the way to a host."""

    kind: FaultKind
    on: bytes = b""
    """Only connections whose client has sent this; empty for all, at once."""
    bytes: int = 0
    """For `HALF`."""
    seconds: float = 0.0
    """For `DELAY`."""


class CutProxy:
    """Stands in front of a TCP port of loopback; a context manager. Its methods block briefly.

    Args:
        target_port: Where the host listens, now or later.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._faults: dict[str, Fault] = {}
        self._connections: set[_Connection] = set()
        self._listener = _reserve()
        self.port: int = self._listener.getsockname()[1]
        """Where others connect to."""
        self._server: asyncio.Server | None = None
        self._loop = LoopThread()
        self._loop.submit(self._listen()).result(_PATIENCE)

    @property
    def url(self) -> str:
        """What the host behind it advertises."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def apply(self, fault: Fault, *, name: str = "") -> None:
        """Let something go wrong from now on, for present connections too.

        Args:
            fault: What; several may hold at once.
            name: To `heal` it by; a fault of the same name is replaced.
        """
        self._loop.submit(self._apply(name, fault)).result(_PATIENCE)

    def heal(self, name: str | None = None) -> None:
        """Let everything pass again, or end the fault of this name only."""
        self._loop.submit(self._heal(name)).result(_PATIENCE)

    def close(self) -> None:
        """Reset all connections and stop listening; a second time nothing happens."""
        with contextlib.suppress(RuntimeError):
            self._loop.submit(self._close()).result(_PATIENCE)
        self._loop.close()
        self._listener.close()

    async def _apply(self, name: str, fault: Fault) -> None:
        self._faults[name] = fault
        if fault.kind is FaultKind.REFUSE:
            await self._unlisten()
        if not fault.on:
            for connection in list(self._connections):
                if fault.kind in {FaultKind.REFUSE, FaultKind.CUT}:
                    connection.reset()

    async def _heal(self, name: str | None) -> None:
        gone = list(self._faults) if name is None else [name]
        kinds = {self._faults.pop(each).kind for each in gone if each in self._faults}
        if FaultKind.HANG in kinds:
            # What was swallowed cannot be delivered any more: such connections are over.
            for connection in list(self._connections):
                if connection.hangs:
                    connection.reset()
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        if self._listener.fileno() < 0:
            self._listener = _reserve(self.port)
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def _unlisten(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _close(self) -> None:
        self._faults.clear()
        await self._unlisten()
        for connection in list(self._connections):
            connection.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self._faults, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run(self._target_port)
        except (OSError, EOFError):
            # Either side went away, or the host does not listen: the other one is to see a reset.
            return
        finally:
            connection.reset()
            self._connections.discard(connection)


class _Connection:
    """One connection through a proxy, with the faults that hold for it."""

    def __init__(
        self,
        faults: dict[str, Fault],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._faults = faults
        self._reader = reader
        self._writers = [writer]
        self._recent = b""
        self._passed: dict[Fault, int] = {}
        self.hangs = False
        self._loses_answers = False

    async def run(self, target_port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target_port)
        self._writers.append(writer)
        onward = asyncio.create_task(self._requests(writer))
        back = asyncio.create_task(self._answers(reader))
        try:
            await asyncio.wait({onward, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (onward, back):
                task.cancel()
            await asyncio.gather(onward, back, return_exceptions=True)

    async def _requests(self, writer: asyncio.StreamWriter) -> None:
        while chunk := await self._reader.read(_CHUNK_BYTES):
            for fault in self._matching(chunk):
                kept = await self._suffer(fault, chunk)
                if kept is not None:
                    writer.write(kept)
                    await writer.drain()
                    return
            if not self.hangs:
                writer.write(chunk)
                await writer.drain()

    def _matching(self, chunk: bytes) -> list[Fault]:
        seen = self._recent + chunk
        self._recent = seen[-_REMEMBERED_BYTES:]
        found = [f for f in self._faults.values() if f in self._passed or f.on in seen]
        self._passed.update({fault: 0 for fault in found if fault not in self._passed})
        self._passed = {fault: self._passed[fault] for fault in found}
        return found

    async def _suffer(self, fault: Fault, chunk: bytes) -> bytes | None:
        """Return what is passed on before the connection is reset; None where it goes on."""
        match fault.kind:
            case FaultKind.CUT | FaultKind.REFUSE:
                return b""
            case FaultKind.HALF:
                start = chunk.find(fault.on) if not self._passed[fault] else 0
                left = max(start, 0) + fault.bytes - self._passed[fault]
                self._passed[fault] += len(chunk)
                return chunk[:left] if left <= len(chunk) else None
            case FaultKind.HANG:
                self.hangs = True
            case FaultKind.LOSE_ANSWERS:
                self._loses_answers = True
            case FaultKind.DELAY:
                await asyncio.sleep(fault.seconds)
        return None

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        (client, *_) = self._writers
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._loses_answers:
                return
            # An answer ends its request: what was seen of it says nothing about the next one.
            self._recent, self._passed = b"", {}
            if not self.hangs:
                client.write(chunk)
                await client.drain()

    def reset(self) -> None:
        """End both sides with RST, so that neither takes it for a clean end."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


def _reserve(port: int = 0) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener
