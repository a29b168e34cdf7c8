"""The work on paglets: one host, a client over HTTP; every paglet durable, every request signed."""

import asyncio
import statistics
import sys
import time
from pathlib import Path

import psutil
from work import ACTORS, CALLS, IN_FLIGHT, LOADED_CALLS, ROUNDS, TEXT, Report, uss_mib

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bench import clients, create, mesh_of, timed
from benchmarks.run import quick_loop
from paglets._version import __version__
from paglets.model.message import Message
from paglets.wire.messages import encode_message, wire_message


async def main() -> None:
    """Do the work and report."""
    body = encode_message(wire_message(Message("echo", {"text": TEXT})))
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            made: list[str] = []

            async def one_more() -> None:
                made.append((await create(client)).agent_id)
                await client.send(made[-1], body)

            async def call() -> None:
                await client.send(made[0], body)

            async def load() -> None:
                for _ in numbers:
                    await call()

            await one_more()
            report = Report(__version__, note="durable, signed HTTP; a client outside the mesh")
            report.create_ms = statistics.median(await timed(one_more, ACTORS)) * 1000
            await timed(call, CALLS // 5)
            report.round_trip_ms = 1000 * min(
                [statistics.median(await timed(call, CALLS)) for _ in range(ROUNDS)]
            )
            for _ in range(ROUNDS):
                numbers = iter(range(LOADED_CALLS))
                began = time.perf_counter()
                await asyncio.gather(*(load() for _ in range(IN_FLIGHT)))
                rate = LOADED_CALLS / (time.perf_counter() - began)
                report.calls_per_s = max(report.calls_per_s, rate)
            below = psutil.Process(mesh.hosts[0].pid).children(recursive=True)
            report.mib_per_actor = uss_mib(
                process.pid for process in below if "paglet:" in " ".join(process.cmdline())
            )
    report.send()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=quick_loop()) as runner:
        runner.run(main())
