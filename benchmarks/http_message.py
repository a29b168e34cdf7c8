"""A message over HTTP to a runtime that only echoes: what the API itself costs.

Three rows: bare aiohttp on both sides, our server under a bare client that sends what was signed
beforehand, and our server under our client. All on one machine, so client and server share its
cores: the figures are for comparing rows, and for a change against the one before.

    python benchmarks/http_message.py [--clients 16] [--seconds 5]

Each row runs its server in a process of its own.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import aiohttp
import msgspec
from aiohttp import web

from paglets.config.keys import Key, Keyring
from paglets.host.http.access import Access, ServerIdentity
from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.gate import Gate
from paglets.host.http.limits import HttpLimits
from paglets.host.http.messages import MessageRoutes
from paglets.host.http.routing import Router
from paglets.host.http.server import HttpServer
from paglets.host.http.tally import Tally
from paglets.model.message import Message
from paglets.remote.client import HostClient
from paglets.remote.known import Attempt, KnownHost, Signable
from paglets.remote.session import PeerSession
from paglets.remote.signing import RequestLine, body_digest
from paglets.wire.bodies import ReplyBody
from paglets.wire.messages import WireMessage, encode_message, wire_message
from paglets.wire.routes import route

KEYRING = Keyring((Key(bytes(32)),))
PATH = "/agents/a1/messages"
BODY = encode_message(wire_message(Message("echo", {"text": "x" * 100})))
REPLY = b'{"reply":{"text":"' + b"x" * 100 + b'"}}'
Step = Callable[[], Awaitable[object]]
Make = Callable[[int], Awaitable[tuple[Step, Callable[[], Awaitable[None]]]]]


class Echo:
    """Stands for the runtime."""

    async def deliver(
        self, agent_id: str, body: bytes, *, caller_gone: "asyncio.Future[None] | None" = None
    ) -> ReplyBody:
        """Answer at once."""
        assert caller_gone is not None
        assert agent_id
        return ReplyBody(reply=msgspec.json.decode(body, type=WireMessage).args)


async def serve_ours(pipe: Connection) -> None:
    """Serve the one route through the gate."""
    access = Access(ServerIdentity("h1", 1, "alpha", "http://127.0.0.1:1"), KEYRING)
    router = Router((route("send_message"),), MessageRoutes(Echo()).handlers(), json_answer_never)
    gate = Gate(router, access, HttpLimits(), tally=Tally(), stopping=asyncio.Event())
    server = HttpServer(gate, bind="127.0.0.1", port=0)
    pipe.send(await server.start())
    await asyncio.to_thread(pipe.recv)
    await server.stop(0.0)


async def json_answer_never(_asked: ApiRequest) -> Answer:
    """Forward nothing."""
    return json_answer(ReplyBody())


async def serve_bare(pipe: Connection) -> None:
    """Serve the same bytes with nothing but aiohttp."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=REPLY, content_type="application/json")

    app = web.Application()
    app.router.add_post("/agents/{agent_id}/messages", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(site.port)
    await asyncio.to_thread(pipe.recv)
    await runner.cleanup()


def run_server(kind: str, pipe: Connection) -> None:
    """Run in the server's process."""
    began = time.process_time()
    asyncio.run(serve_bare(pipe) if kind == "bare" else serve_ours(pipe))
    pipe.send(time.process_time() - began)


async def measure(step: Step, clients: int, seconds: float) -> tuple[list[float], float]:
    """Run `step` from `clients` tasks at once; return its times and the rate."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while (began := time.perf_counter()) < end:
            await step()
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return times, len(times) / (time.perf_counter() - began)


async def bare_client(port: int, *, signed: bool) -> tuple[Step, Callable[[], Awaitable[None]]]:
    """Return a step that posts with aiohttp alone, signed beforehand or not at all."""
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    url = f"http://127.0.0.1:{port}{PATH}"
    known = KnownHost("h1", 1)
    line, digest = RequestLine("POST", PATH), body_digest(BODY)

    async def step() -> None:
        headers = {"Content-Type": "application/json"}
        if signed:
            request = Signable(line, digest, f"127.0.0.1:{port}", "h1")
            headers["Authorization"] = known.sign(
                request, Attempt(), keyring=KEYRING, sender="bench", now=time.time()
            )
        async with http.post(url, data=BODY, headers=headers) as answer:
            body = await answer.read()
            assert answer.status == 200, body

    return step, http.close


async def our_client(port: int) -> tuple[Step, Callable[[], Awaitable[None]]]:
    """Return a step that uses `HostClient`."""
    session = PeerSession(KEYRING, sender="bench")
    client = HostClient.at(session, f"http://127.0.0.1:{port}")

    async def step() -> None:
        await client.send("a1", BODY)

    return step, session.close


def row(name: str, kind: str, make: Make, clients: int, seconds: float) -> None:
    """Measure one row and print it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_server, args=(kind, theirs))
    process.start()
    port = ours.recv()

    async def go() -> tuple[list[float], list[float], float]:
        step, close = await make(port)
        await measure(step, 1, 0.5)
        alone, _ = await measure(step, 1, seconds)
        many, rate = await measure(step, clients, seconds)
        await close()
        return alone, many, rate

    alone, many, rate = asyncio.run(go())
    ours.send("stop")
    cpu = ours.recv()
    process.join(10)
    per = cpu / (len(alone) + len(many)) * 1000
    print(
        f"{name:<34} p50 alone {statistics.median(alone) * 1000:6.3f} ms   "
        f"{rate:7.0f}/s from {clients}   server CPU {per:6.3f} ms/request"
    )


def main() -> None:
    """Run all rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    for name, kind, make in (
        ("bare aiohttp, bare client", "bare", lambda port: bare_client(port, signed=False)),
        ("bare aiohttp, signing client", "bare", lambda port: bare_client(port, signed=True)),
        ("our server, signing client", "ours", lambda port: bare_client(port, signed=True)),
        ("our server, HostClient", "ours", our_client),
    ):
        row(name, kind, make, options.clients, options.seconds)


if __name__ == "__main__":
    main()
