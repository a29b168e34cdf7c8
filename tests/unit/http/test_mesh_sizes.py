"""The simulation counts as many bytes for an exchange as a real one has on the wire."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from paglets.model.names import new_host_id
from paglets.remote.mesh_transport import HttpMeshTransport
from paglets.testing.simulation import ANSWER_OVERHEAD_BYTES, REQUEST_OVERHEAD_BYTES
from tests.unit.http.fakes import Served, serve

VARIES = 12
"""Bytes by which addresses and counters differ in length."""


class Relay:
    """Passes one connection after the other on to a server and counts its bytes."""

    def __init__(self, port: int) -> None:
        self.there = self.back = 0
        self._port = port

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while data := await reader.read(65536):
                self.there += len(data)
                to_writer.write(data)
                answer = await to_reader.read(65536)
                self.back += len(answer)
                writer.write(answer)
        finally:
            to_writer.close()
            writer.close()


@asynccontextmanager
async def relayed(served: Served) -> AsyncIterator[tuple[Relay, str]]:
    relay = Relay(served.port)
    async with await asyncio.start_server(relay.carry, "127.0.0.1", 0) as listening:
        yield relay, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_an_exchange_has_the_size_that_the_simulation_counts():
    generation = int(time.time() * 1000)
    async with (
        serve(host_id=new_host_id(), generation=generation) as served,
        served.session(sender=new_host_id()) as session,
        relayed(served) as (relay, url),
    ):
        transport = HttpMeshTransport(session)
        await transport.request(url, "/mesh/gossip", b"f" * 50, 5.0)  # learns who is there
        relay.there = relay.back = 0
        answer = await transport.request(url, "/mesh/gossip", b"f" * 50, 5.0)
    assert 0 <= REQUEST_OVERHEAD_BYTES - (relay.there - 50) <= VARIES
    assert 0 <= ANSWER_OVERHEAD_BYTES - (relay.back - len(answer)) <= VARIES
