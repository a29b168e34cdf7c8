"""How long a Paglet Process takes to start, and a frame to go there and back.

    python benchmarks/process_start.py [--loop uvloop]

Prints p50 and p95 of fork-to-first-answer one after another, the rate of 100 started at once,
memory of an idle child, and frame round trips, for the forkserver and for exec. The child is a
bare echo: what a paglet's own module costs comes on top.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paglets.supervise.children import ChildrenList
from paglets.supervise.environment import child_environment
from paglets.supervise.forkfactory import ForkserverFactory
from paglets.supervise.process import PagletProcess, ProcessFactory
from paglets.supervise.spawnfactory import SpawnFactory

ROOT = Path(__file__).resolve().parents[1]
ROUND_TRIPS = 5000
PIPELINED = 50_000


class Echo:
    def __init__(self, process: PagletProcess) -> None:
        self.process = process
        self.wanted = 0
        self.done: asyncio.Future[None] | None = None
        process.channel.listen(self._take)

    def _take(self, _payload: bytes) -> None:
        self.wanted -= 1
        if self.wanted == 0 and self.done is not None:
            self.done.set_result(None)

    async def round_trip(self, payload: bytes, count: int = 1) -> None:
        self.wanted, self.done = count, asyncio.get_running_loop().create_future()
        for number in range(count):
            self.process.channel.send(payload)
            if number % 100 == 99:
                await self.process.channel.drain()
        await self.done


async def start(factory: ProcessFactory) -> Echo:
    talk = Echo(await factory.fork("benchmark"))
    await talk.round_trip(b"hello")
    return talk


async def end(talk: Echo) -> None:
    talk.process.kill()
    await talk.process.wait()


def milliseconds(values: Sequence[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[int(len(ordered) * 0.95)]
    return (
        f"p50 {statistics.median(ordered) * 1e3:.2f} ms  p95 {p95 * 1e3:.2f} ms"
        f"  min {ordered[0] * 1e3:.2f} ms"
    )


def unshared_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
    return sum(sizes) / 1024


async def measure(factory: ProcessFactory, *, single: int, at_once: int) -> None:
    talks: list[Echo] = []
    times = []
    for _ in range(single):
        begun = time.perf_counter()
        talks.append(await start(factory))
        times.append(time.perf_counter() - begun)
    print(f"  start, one by one      {milliseconds(times)}")
    print(f"  unshared memory, idle  {unshared_mib(talks[0].process.pid):.2f} MiB")
    await asyncio.gather(*(end(talk) for talk in talks))

    begun = time.perf_counter()
    talks = list(await asyncio.gather(*(start(factory) for _ in range(at_once))))
    seconds = time.perf_counter() - begun
    print(f"  start, {at_once} at once     {at_once / seconds:.0f}/s")
    begun = time.perf_counter()
    await asyncio.gather(*(end(talk) for talk in talks))
    print(f"  end, {at_once} at once       {at_once / (time.perf_counter() - begun):.0f}/s")

    talk = await start(factory)
    for size in (200, 100_000):
        times = []
        for _ in range(ROUND_TRIPS if size < 1000 else 500):
            begun = time.perf_counter()
            await talk.round_trip(b"x" * size)
            times.append(time.perf_counter() - begun)
        print(f"  round trip of {size:6} B {milliseconds(times)}")
    begun = time.perf_counter()
    await talk.round_trip(b"x" * 200, PIPELINED)
    print(f"  pipelined, 200 B       {PIPELINED / (time.perf_counter() - begun):.0f}/s")
    await end(talk)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    loop = parser.parse_args().loop
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop == "uvloop":
        import uvloop

        loop_factory = uvloop.new_event_loop
    environment = child_environment(os.environ, extra={"PYTHONPATH": str(ROOT)})
    command = (sys.executable, str(ROOT / "benchmarks/echo_program.py"))
    for method in ("forkserver", "spawn"):
        with tempfile.TemporaryDirectory() as folder:
            children = ChildrenList(Path(folder) / "children")
            factory: ProcessFactory
            if method == "forkserver":
                factory = ForkserverFactory(
                    command=command, environment=environment, children=children
                )
            else:
                factory = SpawnFactory(command=command, environment=environment, children=children)
            factory.launch()

            async def benchmark(factory: ProcessFactory = factory, method: str = method) -> None:
                factory.attach()
                await end(await start(factory))
                fast = method == "forkserver"
                await measure(factory, single=100 if fast else 20, at_once=100 if fast else 20)
                await factory.close(timeout=10)

            print(f"{method}, {loop}, Python {sys.version.split()[0]}")
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(benchmark())
            children.close()


if __name__ == "__main__":
    main()
