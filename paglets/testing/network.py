"""An unreliable network in memory: seeded loss, delay, duplicates, reordering, partitions.

`Faults` decides the fate of each message; `simulation.py` uses it for whole meshes on a virtual
clock, `MemoryNetwork` to connect real asyncio drivers in one process. Hosts are known to it by
name, and to each other by `http://NAME:8765`. Nothing here opens a socket.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import TypeAlias

from paglets.model.errors import HostUnreachableError

Handler: TypeAlias = Callable[[str, bytes, str], Awaitable[bytes]]
"""Path, body and the sender's host id in; the answer's body out."""


def url_of(name: str) -> str:
    """Return the URL of a host on these networks."""
    return f"http://{name}:8765"


def name_of(url: str) -> str:
    """Return the name in such a URL."""
    return url.removeprefix("http://").partition(":")[0]


class Faults:
    """What goes wrong between two hosts. Change it at any time; it holds for later messages.

    Requests and answers are messages of their own, so a loss of 10 % loses 19 % of the calls.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        loss: float = 0.0,
        delay: tuple[float, float] = (0.001, 0.005),
        duplicate: float = 0.0,
    ) -> None:
        self.loss = loss
        """Share of messages that vanish, 0 to 1."""
        self.delay = delay
        """Least and most seconds a message takes; a wide range reorders."""
        self.duplicate = duplicate
        """Share of messages that arrive twice, 0 to 1."""
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._blocked: set[tuple[str, str]] = set()
        self._groups: dict[str, frozenset[int]] = {}

    def block(self, source: str, target: str) -> None:
        """Let nothing more through from one host to another; the other way stays open."""
        self._blocked.add((source, target))

    def isolate(self, name: str, others: Iterable[str]) -> None:
        """Cut a host off from others, both ways."""
        for other in others:
            self.block(name, other)
            self.block(other, name)

    def partition(self, *groups: Iterable[str]) -> None:
        """Split hosts into groups; a host in two groups is a bridge, one in none reaches all."""
        members: dict[str, set[int]] = {}
        for number, group in enumerate(groups):
            for name in group:
                members.setdefault(name, set()).add(number)
        self._groups = {name: frozenset(numbers) for name, numbers in members.items()}

    def heal(self) -> None:
        """End all partitions and blocks; loss, delay and duplicates stay."""
        self._blocked.clear()
        self._groups.clear()

    def is_open(self, source: str, target: str) -> bool:
        """Return whether anything can get through from one host to another."""
        if (source, target) in self._blocked:
            return False
        if not self._groups or source not in self._groups or target not in self._groups:
            return True
        return not self._groups[source].isdisjoint(self._groups[target])

    def fate(self, source: str, target: str) -> tuple[float, ...]:
        """Return after how many seconds a message arrives: not at all, once, or twice."""
        random = self._random.random
        if (self._blocked or self._groups) and not self.is_open(source, target):
            return ()
        if self.loss and random() < self.loss:
            return ()
        least, most = self.delay
        first = least + (most - least) * random()
        if self.duplicate and random() < self.duplicate:
            return (first, least + (most - least) * random())
        return (first,)


class MemoryNetwork:
    """Connects mesh drivers of one process; time is the running loop's.

    Use it on a `VirtualLoop`, so that timeouts take no time.
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.silent: set[str] = set()
        """Hosts that accept and never answer."""
        self.requests = 0
        """Requests sent so far."""
        self._handlers: dict[str, Handler] = {}

    def serve(self, name: str, handler: Handler) -> None:
        """Answer requests for a host."""
        self._handlers[name] = handler

    def remove(self, name: str) -> None:
        """Take a host off the network: connections to it are refused."""
        self._handlers.pop(name, None)

    def transport(self, name: str, host_id: str) -> "MemoryTransport":
        """Return the network as one host sees it."""
        return MemoryTransport(self, name, host_id)

    async def exchange(self, source: tuple[str, str], url: str, path: str, body: bytes) -> bytes:
        """Carry a request and its answer; a lost message is an exchange that never ends.

        Raises:
            HostUnreachableError: There is no such host.
        """
        self.requests += 1
        name, host_id = source
        target = name_of(url)
        await self._carry(name, target)
        handler = self._handlers.get(target)
        if handler is None:
            raise HostUnreachableError(f"connection to {url} refused", url=url)
        if target in self.silent:
            await asyncio.Event().wait()
        answer = await handler(path, body, host_id)
        await self._carry(target, name)
        return answer

    async def _carry(self, source: str, target: str) -> None:
        fate = self.faults.fate(source, target)
        if not fate:
            await asyncio.Event().wait()
        await asyncio.sleep(min(fate))


class MemoryTransport:
    """One host's side of a MemoryNetwork; a `paglets.mesh.gossip.MeshTransport`."""

    def __init__(self, network: MemoryNetwork, name: str, host_id: str) -> None:
        self._network = network
        self._source = (name, host_id)

    async def request(self, peer_url: str, path: str, body: bytes, timeout: float) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            HostUnreachableError: The host refused, or did not answer within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._network.exchange(self._source, peer_url, path, body)
        except TimeoutError as error:
            raise HostUnreachableError(
                f"no answer from {peer_url} within {timeout} s", url=peer_url
            ) from error
