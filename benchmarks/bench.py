"""What all rows share: real hosts, clients of them, and the effort one may take."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from paglets.config.keys import client_keyring
from paglets.config.settings import Limits
from paglets.model.refs import PagletProxyRef
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.testing.localmesh import LocalMesh
from paglets.wire.bodies import CreateBody, DispatchBody

AGENTS = Path(__file__).parent / "agents"
ECHO = "figure_paglets:Echo"
GIB = 1024**3
Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a benchmark may try."""

    quick: bool = False

    def count(self, usual: int, *, least: int = 5) -> int:
        """Return how often to repeat."""
        return max(least, usual // 5) if self.quick else usual

    @property
    def rounds(self) -> int:
        """How many rounds, of which the best counts."""
        return 2 if self.quick else 3

    @property
    def seconds(self) -> float:
        """Length of a round under load."""
        return 1.5 if self.quick else 4.0


class NotMeasuredError(Exception):
    """A row cannot be measured on this machine; the text says why."""


def mesh_of(
    count: int,
    *,
    state_bytes: int = 64 * 1024**2,
    preload: tuple[str, ...] = (),
    preset: str = "local",
) -> LocalMesh:
    """Return hosts that allow the benchmarks' paglets."""
    limits = Limits(state_bytes=state_bytes)
    return LocalMesh(count, agents=AGENTS, limits=limits, preload=preload, preset=preset)


@asynccontextmanager
async def clients(mesh: LocalMesh) -> AsyncIterator[dict[str, HostClient]]:
    """Yield a client of each host, by name, on one keep-alive session."""
    key_file = mesh.hosts[0].settings.key_file
    assert key_file is not None
    keyring = client_keyring(environ={}, key_file=key_file)
    async with PeerSession(keyring, sender="bench") as session:
        yield {host.name: HostClient.at(session, host.url) for host in mesh}


async def create(client: HostClient, class_name: str = ECHO) -> PagletProxyRef:
    """Create a paglet."""
    return await client.create(CreateBody(class_name=class_name))


def to(target: str) -> bytes:
    """Return the body of a dispatch or clone to `target`."""
    return msgspec.json.encode(DispatchBody(target=target))


REST = 0.05
"""Seconds between two steps that are to find the host at rest, its spare processes made."""


async def timed(step: Step, count: int, *, rest: float = 0.0) -> list[float]:
    """Return the seconds of `count` steps, one after the other, `rest` seconds apart."""
    times = []
    for _ in range(count):
        await asyncio.sleep(rest)
        began = time.perf_counter()
        await step()
        times.append(time.perf_counter() - began)
    return times


async def rate(step: Step, clients_at_once: int, seconds: float) -> tuple[float, int]:
    """Return steps a second from so many tasks at once, and how many there were."""
    done = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await step()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients_at_once)))
    return done / (time.perf_counter() - began), done


class CpuTime:
    """What hosts and their paglets computed since it was made; others on the machine do not count.

    Where cores are shared this tells more than the time that passed.
    """

    def __init__(self, mesh: LocalMesh) -> None:
        self._mesh = mesh
        self._before = self._now()

    def note(self, count: int) -> str:
        """Return what each of `count` operations took of the host and of processes below it."""
        host, below = (
            (now - before) / count * 1000
            for now, before in zip(self._now(), self._before, strict=True)
        )
        return f"CPU: hosts {host:.2f}, below {below:.2f} ms"

    def seconds(self) -> float:
        """Return what hosts and all below them computed."""
        return sum(self._now()) - sum(self._before)

    def _now(self) -> tuple[float, float]:
        host = below = 0.0
        for each in self._mesh:
            process = psutil.Process(each.pid)
            host += _computed(process)
            for child in process.children(recursive=True):
                below += _computed(child) + child.cpu_times().children_user
                below += child.cpu_times().children_system
        return host, below


def _computed(process: psutil.Process) -> float:
    """Return the seconds a process was on a core, exact to the nanosecond, unlike its ticks."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class PeakMemory:
    """The most memory that processes took since it was made, from the kernel."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._before: dict[int, int] = {}
        for pid in pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # forgets the peak so far
            self._before[pid] = psutil.Process(pid).memory_info().rss

    def grown_mib(self) -> float:
        """Return by how many MiB the one that grew most has grown."""
        return max((self._peak(pid) - self._before[pid]) / 1024**2 for pid in self._pids)

    def _peak(self, pid: int) -> int:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
