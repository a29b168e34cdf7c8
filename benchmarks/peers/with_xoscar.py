"""The work on xoscar actors, which share the processes of a pool."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import psutil
import xoscar
from work import ACTORS, CALLS, IN_FLIGHT, LOADED_CALLS, ROUNDS, TEXT, Report

IDLE = 500
"""Actors over which the memory is shared out: one alone is too small to be seen."""


class Echo(xoscar.StatelessActor):
    """Answers with what it was asked."""

    async def echo(self, text: str) -> str:
        """Answer at once."""
        return text


async def main() -> None:
    """Do the work and report."""
    pool = await xoscar.create_actor_pool("127.0.0.1:0", n_process=1)
    async with pool:
        names = iter(range(10**9))

        async def create() -> xoscar.ActorRefType:
            ref = await xoscar.create_actor(
                Echo,
                address=pool.external_address,
                uid=f"echo-{next(names)}",
                allocate_strategy=xoscar.allocate_strategy.ProcessIndex(1),
            )
            await ref.echo(TEXT)
            return ref

        one = await create()
        report = Report(
            version("xoscar"), note="not durable; actors share a process, memory is shared out"
        )
        report.create_ms = await median_ms(create, ACTORS)
        await median_ms(lambda: one.echo(TEXT), CALLS // 5)
        report.round_trip_ms = min(
            [await median_ms(lambda: one.echo(TEXT), CALLS) for _ in range(ROUNDS)]
        )
        report.calls_per_s = max([await rate(one) for _ in range(ROUNDS)])
        before = pool_mib()
        for _ in range(IDLE):
            await create()
        report.mib_per_actor = (pool_mib() - before) / IDLE
        report.send()


async def median_ms(step: Callable[[], Awaitable[object]], count: int) -> float:
    """Return the median of `count` steps."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await step()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def rate(one: xoscar.ActorRefType) -> float:
    """Return calls a second with several under way."""
    numbers = iter(range(LOADED_CALLS))

    async def work() -> None:
        for _ in numbers:
            await one.echo(TEXT)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return float(LOADED_CALLS / (time.perf_counter() - began))


def pool_mib() -> float:
    """Return the USS of the pool's processes together."""
    family = psutil.Process().children(recursive=True)
    used: int = sum(process.memory_full_info().uss for process in family)
    return used / 1024**2


if __name__ == "__main__":
    asyncio.run(main())
