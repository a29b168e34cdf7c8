"""Rows about moves between hosts: dispatch of small and large states, and clones."""

import asyncio
import time

from benchmarks.bench import (
    GIB,
    REST,
    CpuTime,
    Effort,
    PeakMemory,
    clients,
    create,
    mesh_of,
    timed,
    to,
)
from benchmarks.figures import Figure, Goal, of_rounds
from paglets.model.message import Message
from paglets.remote.client import HostClient
from paglets.wire.messages import encode_message, wire_message

SMALL = Goal("dispatch", "dispatch of 2 KB state between two hosts, p50", "ms", 10.0,
             "fork + POST + 2 fsync ≈ 4 ms")  # fmt: skip
SMALL_99 = Goal("dispatch-p99", "the same, p99", "ms", 50.0)
LARGE = Goal("dispatch-64m", "dispatch of 64 MiB state", "s", 0.8, "2 x size / synced write rate")
LARGE_MEMORY = Goal("dispatch-64m-memory", "growth of a host's memory in it", "MiB", 16.0)
HUGE = Goal("dispatch-1g", "dispatch of 1 GiB state", "s", 12.0, "2 x size / synced write rate")
HUGE_MEMORY = Goal("dispatch-1g-memory", "growth of a host's memory in it", "MiB", 16.0)
CLONES = Goal("clones-32", "32 clones to one peer, all succeed", "s", 0.5, "32 forks 0.1 s")
SWARM = Goal("clones-1000", "1,000 clones over 3 hosts, all succeed", "s", 12.0, "1,000 forks 5 s")


async def fill(client: HostClient, agent_id: str, size: int) -> None:
    """Let a paglet carry `size` bytes from now on."""
    body = encode_message(wire_message(Message("fill", {"size": size}), timeout=120.0))
    await client.send(agent_id, body, timeout=120.0)


class Shuttle:
    """Dispatches one paglet to and fro."""

    def __init__(self, by_name: dict[str, HostClient], agent_id: str) -> None:
        self._by_name = by_name
        self._agent_id = agent_id
        self._ways = ["alpha", "beta"]

    async def step(self) -> None:
        here, there = self._ways
        await self._by_name[here].lifecycle(self._agent_id, "dispatch", to(there), timeout=120.0)
        self._ways.reverse()


async def small(effort: Effort) -> list[Figure]:
    """Measure a 2 KB paglet going to and fro."""
    with mesh_of(2) as mesh:
        async with clients(mesh) as by_name:
            ref = await create(by_name["alpha"])
            await fill(by_name["alpha"], ref.agent_id, 2048)
            shuttle = Shuttle(by_name, ref.agent_id)
            await timed(shuttle.step, 6)
            cpu = CpuTime(mesh)
            rounds = [
                await timed(shuttle.step, effort.count(100), rest=REST)
                for _ in range(effort.rounds)
            ]
            note = cpu.note(sum(map(len, rounds)))
    return [
        of_rounds(SMALL, rounds, scale=1000, note=note),
        of_rounds(SMALL_99, rounds, scale=1000, share=0.99),
    ]


async def large(effort: Effort) -> list[Figure]:
    """Measure 64 MiB going to and fro, and what it costs the hosts in memory."""
    return await _big(LARGE, LARGE_MEMORY, 64 * 1024**2, effort.count(8, least=2))


async def huge(effort: Effort) -> list[Figure]:
    """Measure 1 GiB going to and fro; left out of a quick run."""
    return [] if effort.quick else await _big(HUGE, HUGE_MEMORY, GIB, 2)


async def _big(goal: Goal, memory: Goal, size: int, count: int) -> list[Figure]:
    with mesh_of(2, state_bytes=size + 1024**2) as mesh:
        async with clients(mesh) as by_name:
            ref = await create(by_name["alpha"])
            shuttle = Shuttle(by_name, ref.agent_id)
            await shuttle.step()
            await shuttle.step()
            await fill(by_name["alpha"], ref.agent_id, size)
            peak = PeakMemory([host.pid for host in mesh])
            times = await timed(shuttle.step, count)
            grown = peak.grown_mib()
    return [of_rounds(goal, [times]), Figure(memory, grown, (grown, grown), count)]


async def clones(effort: Effort) -> list[Figure]:
    """Measure 32 clones of one paglet to one peer, asked for at once."""
    times = []
    with mesh_of(2) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            ref = await create(client)
            await client.lifecycle(ref.agent_id, "clone", to("beta"))
            for _ in range(effort.rounds):
                began = time.perf_counter()
                made = await asyncio.gather(
                    *(client.lifecycle(ref.agent_id, "clone", to("beta")) for _ in range(32))
                )
                times.append(time.perf_counter() - began)
                await _dispose(by_name, [("beta", one.agent_id) for one in made if one])
    return [of_rounds(CLONES, [[each] for each in times])]


async def swarm(effort: Effort) -> list[Figure]:
    """Measure 1,000 clones of one paglet over three hosts, 16 under way at a time."""
    count = effort.count(1000)
    names = ["alpha", "beta", "gamma"]
    with mesh_of(3) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            ref = await create(client)
            slots = asyncio.Semaphore(16)

            async def one(number: int) -> None:
                async with slots:
                    where = to(names[number % 3])
                    assert await client.lifecycle(ref.agent_id, "clone", where, timeout=60.0)

            began = time.perf_counter()
            await asyncio.gather(*(one(number) for number in range(count)))
            took = time.perf_counter() - began
            active = [(await by_name[name].health()).active for name in names]
            assert sum(active) == count + 1, active
    figure = Figure(SWARM, took, (took, took), 1)
    if effort.quick:
        figure.value = took * 1000 / count
        figure.spread = (figure.value, figure.value)
        figure.note = f"reckoned from {count}"
    return [figure]


async def _dispose(by_name: dict[str, HostClient], made: list[tuple[str, str]]) -> None:
    await asyncio.gather(
        *(by_name[name].lifecycle(one, "dispose", b'{"force":true}') for name, one in made)
    )
