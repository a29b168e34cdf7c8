"""The paglets that the benchmarks run on real hosts."""

import asyncio
import os
import time
from dataclasses import dataclass, field

from paglets import Durability, Message, Paglet, PagletProxyRef, handles


@dataclass
class Ballast:
    """Bytes that travel along, and a number that changes."""

    data: bytes = b""
    handled: int = 0


class Echo(Paglet[Ballast]):
    """Answers with what it was asked."""

    @handles("echo")
    def echo(self, text: str) -> str:
        """Answer at once."""
        return text

    @handles("fill")
    def fill(self, size: int) -> int:
        """Carry `size` bytes from now on."""
        self.state.data = os.urandom(size)
        return size


class Keeper(Paglet[Ballast]):
    """Answers with what it was asked, and every answer is a durable change of its state."""

    durability = Durability.MESSAGE

    @handles("echo")
    def echo(self, text: str) -> str:
        """Count, and answer."""
        with self.locked_state() as state:
            state.handled += 1
        return text

    @handles("fill")
    def fill(self, size: int) -> int:
        """Carry `size` bytes from now on."""
        with self.locked_state() as state:
            state.data = os.urandom(size)
        return size


class Caller(Paglet[None]):
    """Calls another paglet and measures it from inside."""

    @handles("measure")
    def measure(self, to: PagletProxyRef, count: int) -> list[float]:
        """Return the seconds of `count` calls, one after the other."""
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.send(to, Message("echo", {"text": "x" * 100}))
            times.append(time.perf_counter() - began)
        return times


@dataclass
class SwarmState:
    """Nothing but its original."""

    hosts: list[str] = field(default_factory=list)


class Swarm(Paglet[SwarmState]):
    """Clones itself to other hosts."""

    @handles("swarm")
    async def swarm(self, hosts: list[str], count: int) -> int:
        """Make `count` clones in turn on `hosts`, eight at a time; return how many there are."""
        slots = asyncio.Semaphore(8)

        async def one(number: int) -> None:
            async with slots:
                await asyncio.to_thread(self.clone, hosts[number % len(hosts)])

        await asyncio.gather(*(one(number) for number in range(count)))
        return count
