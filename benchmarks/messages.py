"""Rows about messages: from a client over HTTP, and between paglets."""

import asyncio
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import msgspec

from benchmarks.bench import ECHO, CpuTime, Effort, clients, create, mesh_of, rate, timed
from benchmarks.figures import Figure, Goal, of_rates, of_rounds
from paglets.config.keys import Keyring, client_keyring
from paglets.model.message import Message
from paglets.remote.client import HostClient
from paglets.remote.known import Attempt, KnownHost, Signable
from paglets.remote.signing import RequestLine, body_digest
from paglets.testing.localhost import LocalHost
from paglets.wire.messages import encode_message, wire_message

HTTP = Goal("message", "message, HTTP client → paglet → back, p50", "ms", 0.8, "aiohttp 0.45 ms")
HTTP_RATE = Goal(
    "message-rate", "the same from 16 clients", "/s", 4000, "aiohttp 7,000/s", more_is_better=True
)
HTTP_RATE_OURS = Goal(
    "message-rate-client",
    "the same from 16 tasks of one Python `HostClient`",
    "/s",
    0,
    "aiohttp client and server 3,100 to 4,800/s",
    more_is_better=True,
)
DURABLE = Goal("message-durable", "the same, durability MESSAGE, 2 KB state, p50", "ms", 2.0)
SAME = Goal(
    "paglet-same-host", "message, paglet → paglet, same host, p50", "ms", 0.25,
    "pipe 0.03 twice; xoscar 0.35",
)  # fmt: skip
OTHER = Goal("paglet-other-host", "message, paglet → paglet, other host, p50", "ms", 1.0, "Ray 1.1")
BODY = {"text": "x" * 100}


def _message() -> bytes:
    return encode_message(wire_message(Message("echo", BODY)))


async def from_client(effort: Effort) -> list[Figure]:
    """Measure one client, then 16 of them."""
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            ref = await create(client)

            async def step() -> None:
                await client.send(ref.agent_id, _message())

            await timed(step, effort.count(500))
            cpu = CpuTime(mesh)
            alone = [await timed(step, effort.count(2000)) for _ in range(effort.rounds)]
            alone_note = cpu.note(sum(map(len, alone)))
            ours = [await rate(step, 16, effort.seconds) for _ in range(effort.rounds)]
        cpu = CpuTime(mesh)
        raw = [await _load(mesh.hosts[0], ref.agent_id, effort) for _ in range(effort.rounds)]
        requests = sum(done for _, done in raw)
        raw_note = cpu.note(requests)
    return [
        of_rounds(HTTP, alone, scale=1000, note=alone_note),
        of_rates(HTTP_RATE, [found for found, _ in raw], requests, note=raw_note),
        of_rates(HTTP_RATE_OURS, [found for found, _ in ours], sum(done for _, done in ours)),
    ]


async def durable(effort: Effort) -> list[Figure]:
    """Measure a paglet whose state is committed with each reply."""
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            ref = await create(client, "figure_paglets:Keeper")
            await _fill(client, ref.agent_id, 2048)

            async def step() -> None:
                await client.send(ref.agent_id, _message())

            await timed(step, 100)
            cpu = CpuTime(mesh)
            rounds = [await timed(step, effort.count(800)) for _ in range(effort.rounds)]
            note = cpu.note(sum(map(len, rounds)))
    return [of_rounds(DURABLE, rounds, scale=1000, note=note)]


async def between_paglets(effort: Effort) -> list[Figure]:
    """Measure inside a paglet that calls one beside it and one on another host."""
    with mesh_of(2) as mesh:
        async with clients(mesh) as by_name:
            caller = await create(by_name["alpha"], "figure_paglets:Caller")
            near = await create(by_name["alpha"], ECHO)
            far = await create(by_name["beta"], ECHO)

            async def calls(to: object, count: int) -> list[float]:
                args = {"to": msgspec.to_builtins(to), "count": count}
                body = encode_message(wire_message(Message("measure", args), timeout=60.0))
                reply = await by_name["alpha"].send(caller.agent_id, body, timeout=60.0)
                return msgspec.json.decode(reply.reply, type=list[float])

            figures = []
            for goal, to in ((SAME, near), (OTHER, far)):
                await calls(to, 200)
                cpu = CpuTime(mesh)
                rounds = [await calls(to, effort.count(1500)) for _ in range(effort.rounds)]
                note = cpu.note(sum(map(len, rounds)))
                figures.append(of_rounds(goal, rounds, scale=1000, note=note))
    return figures


async def _fill(client: HostClient, agent_id: str, size: int) -> None:
    await client.send(agent_id, encode_message(wire_message(Message("fill", {"size": size}))))


async def _load(host: LocalHost, agent_id: str, effort: Effort) -> tuple[float, int]:
    """Load a host with 16 keep-alive connections of a lean client that signs each request."""
    assert host.settings.key_file is not None
    keyring = client_keyring(environ={}, key_file=host.settings.key_file)
    loop = asyncio.get_running_loop()
    url = urlsplit(host.url)
    assert url.hostname is not None
    assert url.port is not None
    path = f"/agents/{agent_id}/messages"
    counted: list[int] = []
    end = time.perf_counter() + effort.seconds
    workers = []
    for _ in range(16):
        signer = _Signer(keyring, f"{url.hostname}:{url.port}", path)
        transport, worker = await loop.create_connection(
            partial(_LoadConnection, signer, end), url.hostname, url.port
        )
        workers.append((transport, worker))
    began = time.perf_counter()
    for transport, worker in workers:
        # Bounded by the row's own timeout.
        counted.append(await worker.finished)
        transport.close()
    return sum(counted) / (time.perf_counter() - began), sum(counted)


class _Signer:
    """Makes signed requests for one path."""

    def __init__(self, keyring: Keyring | None, authority: str, path: str) -> None:
        self._keyring = keyring
        self._known = KnownHost()
        body = _message()
        line = RequestLine("POST", path)
        self._signable = Signable(line, body_digest(body), authority, "")
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAuthorization: "
        )
        self._tail = b"\r\n\r\n" + body

    def request(self) -> bytes:
        """Return the next request."""
        authorization = self._known.sign(
            self._signable, Attempt(), keyring=self._keyring, sender="bench", now=time.time()
        )
        return (self._head + authorization).encode() + self._tail


class _LoadConnection(asyncio.Protocol):
    """Sends a request, waits for its answer, and so on until the end of the round."""

    def __init__(self, signer: _Signer, end: float) -> None:
        self._signer = signer
        self._end = end
        self._done = 0
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self.finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._signer.request())

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self._data = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.finished.set_exception(RuntimeError(f"{head!r} {body!r}"))
            return
        self._done += 1
        assert self._transport is not None
        if time.perf_counter() < self._end:
            self._transport.write(self._signer.request())
        else:
            self.finished.set_result(self._done)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionResetError("the host hung up"))
