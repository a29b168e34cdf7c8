"""Rows about membership: real hosts up to 16, simulated ones beyond."""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import mesh_figures
from benchmarks.bench import Effort, clients, create, mesh_of
from benchmarks.figures import Figure, Goal, of_values, percentile
from paglets.remote.client import HostClient
from paglets.testing.localmesh import LocalMesh

KILL_3 = Goal("kill-3", "kill -9 seen by all, 3 hosts, p95", "s", 7.0, "memberlist's rules")
KILL_16 = Goal("kill-16", "kill -9 seen by all, 16 hosts, p95", "s", 9.0, "memberlist's rules")
KILL_64 = Goal(
    "kill-64", "kill -9 seen by all, 64 hosts, simulated, p95", "s", 12.0, "memberlist's rules"
)
KILL_1000 = Goal(
    "kill-1000", "kill -9 seen by all, 1,000 hosts, simulated, p95", "s", 17.0, "memberlist's rules"
)
JOIN = Goal("join-16", "join seen by all 16 hosts, p95", "s", 2.0, "Serf's formula 1.8 s")
LEAVE = Goal("leave-16", "leave seen by all 16 hosts, p95", "s", 2.0)
UPDATE = Goal("update-16", "a new service seen by all 16 hosts, p95", "s", 2.0)
SPREAD_1000 = Goal(
    "spread-1000", "join, leave, update seen by all, 1,000 hosts, simulated, p95", "s", 2.5,
    "Serf's formula 2.2 s",
)  # fmt: skip
IDLE = Goal("idle-16", "idle host in a mesh of 16 sends", "kbit/s", 4.0)
IDLE_CPU = Goal("idle-16-cpu", "idle host in a mesh of 16 computes", "% of a core", 1.0)
BUILTINS = Goal("idle-16-builtins", "the same with the four built-ins sends", "kbit/s", 4.0)
BUILTINS_CPU = Goal(
    "idle-16-builtins-cpu", "the same with the four built-ins computes", "% of a core", 1.0
)
IDLE_1000 = Goal("idle-1000", "idle host in a mesh of 1,000 sends, simulated", "kbit/s", 10.0)

PRESET = "lan"
"""The default of a host, and what the targets are about."""
_POLL = 0.05
"""Seconds between two looks at one host's list, so the resolution of the real rows."""
_LIMIT = 60.0
_SETTLE = 3.0
"""Seconds between two trials: news of the last one is no longer told by then."""

Check = Callable[[HostClient], Awaitable[bool]]


async def small(effort: Effort) -> list[Figure]:
    """Kill hosts of three, again and again."""
    with mesh_of(3, preset=PRESET) as mesh:
        return [await _kills(mesh, KILL_3, effort.count(10, least=3))]


async def sixteen(effort: Effort) -> list[Figure]:
    """Kill, stop and start hosts of 16, and advertise services."""
    with mesh_of(16, preset=PRESET) as mesh:
        killed = await _kills(mesh, KILL_16, effort.count(6, least=3))
        joins, leaves = await _comings_and_goings(mesh, effort.count(6, least=3))
        updates = await _updates(mesh, effort.count(6, least=3))
    return [killed, _p95(JOIN, joins), _p95(LEAVE, leaves), _p95(UPDATE, updates)]


async def idle(effort: Effort) -> list[Figure]:
    """Leave 16 hosts alone, and beside them 16 with the built-in residents."""
    seconds = "15" if effort.quick else "60"
    plain, full = await asyncio.gather(_idle(seconds), _idle(seconds, "--builtins"))
    return [*_idle_figures(IDLE, IDLE_CPU, plain), *_idle_figures(BUILTINS, BUILTINS_CPU, full)]


async def _idle(*arguments: str) -> dict[str, float]:
    program = Path(__file__).with_name("mesh_idle.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), "--json", "--seconds", *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    found: dict[str, float] = json.loads(output)
    return found


def _idle_figures(traffic: Goal, processor: Goal, found: dict[str, float]) -> list[Figure]:
    sent, cpu = found["http"], (found["cpu_least"], found["cpu_most"])
    load = f"load {found['load_least']:.1f} to {found['load_most']:.1f} for each CPU"
    return [
        Figure(traffic, sent, (sent, sent), 16, f"{found['all']:.1f} with TCP and IP; {load}"),
        Figure(processor, found["cpu"], cpu, 16, f"{found['wakes']:.1f} wake-ups/s"),
    ]


async def simulated(effort: Effort) -> list[Figure]:
    """Run the engine itself with 64 and 1,000 hosts on a simulated network and clock."""
    return await asyncio.to_thread(_simulated, effort)


def _simulated(effort: Effort) -> list[Figure]:
    many, few = effort.count(20), 2 if effort.quick else 5
    joins, updates, leaves = mesh_figures.spread(1000, few)
    sent, _ = mesh_figures.load(1000)
    return [
        _p95(KILL_64, mesh_figures.detection(64, many)[-1]),
        _p95(KILL_1000, mesh_figures.detection(1000, few)[-1]),
        _p95(SPREAD_1000, joins + updates + leaves),
        of_values(IDLE_1000, [sent]),
    ]


async def _kills(mesh: LocalMesh, goal: Goal, count: int) -> Figure:
    times = []
    for _ in range(count):
        victim = random.choice(mesh.hosts[1:])
        await asyncio.sleep(_SETTLE)
        began = time.perf_counter()
        await asyncio.to_thread(victim.kill)
        times.append(await _seen(mesh, _has(victim.name, online=False)) - began)
        await asyncio.to_thread(victim.start)
        await asyncio.to_thread(mesh.wait_converged)
    return _p95(goal, times)


async def _comings_and_goings(mesh: LocalMesh, count: int) -> tuple[list[float], list[float]]:
    """Return how long joins took, from the host's being ready, and leaves, from SIGTERM."""
    joins, leaves = [], []
    for _ in range(count):
        one = random.choice(mesh.hosts[1:])
        await asyncio.sleep(_SETTLE)
        began = time.perf_counter()
        one.ask_to_stop()
        leaves.append(await _seen(mesh, _has(one.name, online=False), but=one.name) - began)
        await asyncio.to_thread(one.wait_stopped)
        await asyncio.sleep(_SETTLE)
        seen = asyncio.create_task(_seen(mesh, _has(one.name, online=True), but=one.name))
        await asyncio.to_thread(one.start)
        began = time.perf_counter()
        joins.append(max(0.0, await seen - began))
    return joins, leaves


async def _updates(mesh: LocalMesh, count: int) -> list[float]:
    times = []
    async with clients(mesh) as by_name:
        for number in range(count):
            await asyncio.sleep(_SETTLE)
            home = mesh.hosts[number % len(mesh.hosts)].name
            before = (await by_name[home].services()).services
            ref = await create(by_name[home], "figure_paglets:Provider")
            began = time.perf_counter()
            times.append(await _seen(mesh, _serves(len(before) + 1)) - began)
            await by_name[home].lifecycle(ref.agent_id, "dispose")
            await _seen(mesh, _serves(len(before)))
    return times


def _has(name: str, *, online: bool) -> Check:
    async def check(client: HostClient) -> bool:
        found = [ref.online for ref in (await client.hosts()).hosts if ref.name == name]
        return any(found) is online

    return check


def _serves(count: int) -> Check:
    async def check(client: HostClient) -> bool:
        return len((await client.services()).services) == count

    return check


async def _seen(mesh: LocalMesh, check: Check, *, but: str = "") -> float:
    """Return when the last running host but one passed a check."""

    async def one(client: HostClient) -> float:
        while not await check(client):  # noqa: ASYNC110 - what other processes know
            await asyncio.sleep(_POLL)
        return time.perf_counter()

    running = {host.name for host in mesh if host.is_running and host.name != but}
    async with clients(mesh) as by_name, asyncio.timeout(_LIMIT):
        return max(await asyncio.gather(*(one(by_name[name]) for name in running)))


def _p95(goal: Goal, times: list[float]) -> Figure:
    note = f"p50 {percentile(times, 0.5):.2f}"
    return Figure(goal, percentile(times, 0.95), (min(times), max(times)), len(times), note)
