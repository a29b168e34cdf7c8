"""Row about what the built-in residents cost a host at rest."""

import asyncio
import contextlib
from collections.abc import Iterator

import psutil

from benchmarks.bench import CpuTime, Effort
from benchmarks.figures import Figure, Goal, of_values
from paglets.testing.localmesh import LocalMesh

MEMORY = Goal("builtins", "the four built-ins at rest add to a host, USS", "MiB", 12.0)
CPU = Goal("builtins-cpu", "a host with the four built-ins at rest computes", "% of a core", 1.0)

_LAZY = "ServerInfoAgent"
"""Who is asked for a first sample and then falls asleep, as the titles of processes have it."""
_SLEEP_LIMIT = 120.0
"""Seconds after which it counts as one that stays awake."""
_SPARES_REST = 3.0
"""Seconds in which spare processes are made anew after the last start."""


async def builtins(effort: Effort) -> list[Figure]:
    """Compare hosts that run what the bundled launch.toml declares with hosts that run nothing."""
    pairs = effort.count(5, least=3)
    with contextlib.ExitStack() as stack:
        bare = await _hosts(stack, pairs, builtins=False)
        full = await _hosts(stack, pairs, builtins=True)
        awake = [_uss(mesh) for mesh in full]  # while server-info takes the first sample
        asleep = await asyncio.gather(*map(_fell_asleep, full))
        await asyncio.sleep(_SPARES_REST)
        rest = [_uss(mesh) for mesh in bare]
        added = [_uss(mesh) - base for mesh, base in zip(full, rest, strict=True)]
        cpu = [CpuTime(mesh) for mesh in full]
        length = 15.0 if effort.quick else 60.0
        await asyncio.sleep(length)
        computed = [100 * each.seconds() / length for each in cpu]
    memory, processor = of_values(MEMORY, added), of_values(CPU, computed)
    most = max(now - base for now, base in zip(awake, rest, strict=True))
    memory.note = f"{most:.1f} while server-info is awake"
    if not all(asleep):
        memory.note += f", as it stayed on {asleep.count(False)} of {pairs} hosts"
    return [memory, processor]


async def _hosts(stack: contextlib.ExitStack, count: int, *, builtins: bool) -> list[LocalMesh]:
    meshes = [LocalMesh(1, builtins=builtins, preset="lan") for _ in range(count)]
    for mesh in meshes:
        stack.callback(mesh.close)
        await asyncio.to_thread(mesh.start)
    return meshes


async def _fell_asleep(mesh: LocalMesh) -> bool:
    """Wait until server-info has no process any more; return whether that was so in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SLEEP_LIMIT):
            while any(_LAZY in title for title in _titles(mesh)):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.5)
            return True
    return False


def _family(mesh: LocalMesh) -> list[psutil.Process]:
    host = psutil.Process(mesh.hosts[0].pid)
    return [host, *host.children(recursive=True)]


def _titles(mesh: LocalMesh) -> Iterator[str]:
    for process in _family(mesh)[1:]:  # the command line of a host names all residents
        with contextlib.suppress(psutil.NoSuchProcess):  # ended since it was listed
            yield " ".join(process.cmdline())


def _uss(mesh: LocalMesh) -> float:
    """Return the USS in MiB of a host and all processes below it."""
    found = 0
    for process in _family(mesh):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.memory_full_info().uss
    return found / 1024**2
