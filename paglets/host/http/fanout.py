"""`scope=mesh`: the same question to every online host, within the caller's time.

A host that does not answer in time is named in `unreachable`; it never fails the whole.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from paglets.host.http.asked import ApiRequest
from paglets.host.http.limits import HttpLimits
from paglets.host.http.ports import Hosts
from paglets.model.errors import PagletsError
from paglets.model.refs import HostRef
from paglets.remote.client import HostClient

T = TypeVar("T")

_SHARE = 0.8
"""Part of the caller's time that the hosts get; the rest is for the way back."""


class Clients(Protocol):
    """Makes clients of other hosts; `remote.peers.HttpPeerCalls` does."""

    def client(self, ref: HostRef) -> HostClient:
        """Return a client of a host the mesh knows."""


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What the other hosts said."""

    answers: tuple[T, ...]
    unreachable: tuple[str, ...]
    """Names of those that did not answer, or not what was asked."""


class FanOut:
    """Asks all online hosts but this one.

    Args:
        hosts: The mesh.
        own_id: Host id of this host.
        clients: Makes clients.
        limits: How many at once, and how long each may take.
    """

    def __init__(self, hosts: Hosts, own_id: str, clients: Clients, limits: HttpLimits) -> None:
        self._hosts = hosts
        self._own_id = own_id
        self._clients = clients
        self._limits = limits

    async def ask(
        self, asked: ApiRequest, question: Callable[[HostClient, float], Awaitable[T]]
    ) -> Gathered[T]:
        """Ask every online host.

        Args:
            asked: The request this is for; its budget bounds the whole.
            question: Asks one host; gets its client and the seconds it may take.
        """
        others = [ref for ref in self._hosts.hosts() if ref.host_id != self._own_id and ref.online]
        slots = asyncio.Semaphore(self._limits.fan_out)
        deadline = asyncio.get_running_loop().time() + asked.budget * _SHARE

        async def ask_one(ref: HostRef) -> T | None:
            async with slots:
                left = deadline - asyncio.get_running_loop().time()
                timeout = min(left, self._limits.fan_out_timeout)
                if timeout <= 0:
                    return None
                try:
                    return await question(self._clients.client(ref), timeout)
                except PagletsError:
                    return None

        answers = await asyncio.gather(*(ask_one(ref) for ref in others))
        return Gathered(
            tuple(answer for answer in answers if answer is not None),
            tuple(
                sorted(
                    ref.name for ref, answer in zip(others, answers, strict=True) if answer is None
                )
            ),
        )
