"""Rows about the lives of paglets on one host: creation, memory, sleep, starts of programs."""

import asyncio
import subprocess
import sys
import time

import psutil

from benchmarks.bench import ECHO, REST, CpuTime, Effort, clients, create, mesh_of, rate, timed
from benchmarks.figures import Figure, Goal, of_rates, of_rounds, of_values
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh

CREATE = Goal("create", "create an active paglet, durable, over HTTP, p50", "ms", 5.0,
              "fork 1.9 ms; Thespian 12, Ray 646")  # fmt: skip
CREATE_RATE = Goal(
    "create-rate", "the same from 8 clients", "/s", 150, "163/s forks", more_is_better=True
)
PRELOADED = Goal("create-preloaded", "the same, its module under `preload`, p50", "ms", 5.0)
USS_PRELOADED = Goal("uss-preloaded", "USS of one idle paglet, module preloaded", "MiB", 2.5)
USS_100 = Goal("uss-100", "USS of one of 100 idle paglets", "MiB", 2.5, "fork ~1 MiB; Ray 42")
USS_1000 = Goal("uss-1000", "USS of one of 1,000 idle paglets", "MiB", 2.5, "fork ~1 MiB; Ray 42")
TOTAL_1000 = Goal("memory-1000", "1,000 active paglets, host and all, USS", "GiB", 3.0)
LIST_1000 = Goal("list-1000", "list 1,000 paglets", "ms", 50.0)
SLEEP = Goal("sleep", "deactivate + activate, p50", "ms", 12.0, "fork + 2 fsync")
START = Goal("start", "host start → ready", "s", 0.7, "python + aiohttp 0.33 s")
HELP = Goal("help", "`paglets --help`", "s", 0.15, "python -c pass 0.03 s")


async def creation(effort: Effort) -> list[Figure]:
    """Measure creations one by one, then several at once."""
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            made: list[str] = []

            async def step() -> None:
                made.append((await create(client)).agent_id)

            async def remove() -> None:
                await asyncio.gather(
                    *(client.lifecycle(one, "dispose", b'{"force":true}') for one in made)
                )
                made.clear()

            await timed(step, 10)
            await remove()
            rounds, rates, note = [], [], ""
            for _ in range(effort.rounds):
                cpu = CpuTime(mesh)
                rounds.append(await timed(step, effort.count(60), rest=REST))
                note = cpu.note(len(rounds[-1]))
                await remove()
                rates.append(await rate(step, 8, effort.seconds / 2))
                await remove()
    return [
        of_rounds(CREATE, rounds, scale=1000, note=note),
        of_rates(CREATE_RATE, [found for found, _ in rates], sum(n for _, n in rates)),
    ]


async def preloaded(effort: Effort) -> list[Figure]:
    """Measure creations and memory where the forkserver has imported the class."""
    with mesh_of(1, preload=("figure_paglets",)) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]

            async def step() -> None:
                await create(client)

            await timed(step, 10)
            cpu = CpuTime(mesh)
            rounds = [await timed(step, effort.count(60), rest=REST) for _ in range(effort.rounds)]
            note = cpu.note(sum(map(len, rounds)))
            each = _uss(mesh.hosts[0])
    return [
        of_rounds(PRELOADED, rounds, scale=1000, note=note),
        of_values(USS_PRELOADED, each),
    ]


async def memory(effort: Effort) -> list[Figure]:
    """Measure the memory of idle paglets, 100 and then 1,000 on one host, and the list of them."""
    figures = []
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            await populate(mesh, 100)
            each = _uss(mesh.hosts[0])
            figures.append(of_values(USS_100, each))
            if effort.quick:
                return figures
            await populate(mesh, 900)
            each = _uss(mesh.hosts[0])
            figures.append(of_values(USS_1000, each))
            host = psutil.Process(mesh.hosts[0].pid).memory_full_info().uss / 1024**2
            total = (sum(each) + host) / 1024
            figures.append(Figure(TOTAL_1000, total, (total, total), 1, f"host {host:.0f} MiB"))

            async def listing() -> None:
                page = await client.list_agents({"limit": "1000"})
                assert len(page.agents) == 1000

            rounds = [await timed(listing, 10) for _ in range(effort.rounds)]
            figures.append(of_rounds(LIST_1000, rounds, scale=1000))
    return figures


async def populate(mesh: LocalMesh, count: int) -> None:
    """Create idle paglets on the first host, eight at a time."""
    async with clients(mesh) as by_name:
        slots = asyncio.Semaphore(8)

        async def one() -> None:
            async with slots:
                await create(by_name["alpha"], ECHO)

        await asyncio.gather(*(one() for _ in range(count)))


def _uss(host: LocalHost) -> list[float]:
    """Return the USS in MiB of each process below a host: forkserver and paglets."""
    below = psutil.Process(host.pid).children(recursive=True)
    paglets = [process for process in below if "paglet:" in " ".join(process.cmdline())]
    return [process.memory_full_info().uss / 1024**2 for process in paglets]


async def sleep(effort: Effort) -> list[Figure]:
    """Measure putting a paglet to sleep and waking it."""
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            ref = await create(client)

            async def step() -> None:
                await client.lifecycle(ref.agent_id, "deactivate")
                await client.lifecycle(ref.agent_id, "activate")

            await timed(step, 5)
            cpu = CpuTime(mesh)
            rounds = [await timed(step, effort.count(80), rest=REST) for _ in range(effort.rounds)]
            note = cpu.note(sum(map(len, rounds)))
    return [of_rounds(SLEEP, rounds, scale=1000, note=note)]


async def host_start(effort: Effort) -> list[Figure]:
    """Measure from exec to ready, on a folder that exists."""
    times = []
    with mesh_of(1) as mesh:
        host = mesh.hosts[0]
        for _ in range(effort.count(10)):
            await asyncio.to_thread(host.stop)
            began = time.perf_counter()
            await asyncio.to_thread(host.start)
            times.append(time.perf_counter() - began)
    return [of_rounds(START, [times])]


async def command_help(effort: Effort) -> list[Figure]:
    """Measure what a person waits for `paglets --help`."""
    times = []
    for _ in range(effort.count(15)):
        began = time.perf_counter()
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "paglets", "--help"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        times.append(time.perf_counter() - began)
    return [of_rounds(HELP, [times])]
