"""`SeedPeers`: the hosts of a fixed list of URLs, asked one by one, without a mesh.

What a host knows of others when it does not gossip: clients, tests, and a host while its mesh is
not up. Each seed is asked for ever, whatever it answers, with back-off and jitter. Implements
`runtime.ports.PeerHosts`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from paglets.model.errors import HostNotFoundError, PagletsError
from paglets.model.refs import HostRef
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeedTiming:
    """How often seeds are asked, in seconds. Shorter finds hosts sooner and costs a call each."""

    interval: float = 2.0
    """Between two questions to a seed that answers."""
    retry: float = 0.25
    """After the first failure; doubles with each."""
    retry_limit: float = 10.0
    """Longest pause after a failure."""
    timeout: float = 3.0
    """For one question."""


class SeedPeers:
    """Hosts at given URLs. Use as `async with`: asks while it is open.

    Args:
        session: Connections and keys.
        seeds: Base URLs.
        self_ref: Returns this host as others should see it.
        timing: How often to ask.
    """

    def __init__(
        self,
        session: PeerSession,
        seeds: Sequence[str],
        self_ref: Callable[[], HostRef],
        timing: SeedTiming | None = None,
    ) -> None:
        self._session = session
        self._seeds = tuple(dict.fromkeys(seeds))
        self._self_ref = self_ref
        self._timing = timing or SeedTiming()
        self._by_id: dict[str, HostRef] = {}
        self._found: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._follow(url), name=f"seed {url}") for url in self._seeds
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def self_ref(self) -> HostRef:
        """Return this host as others should see it."""
        return self._self_ref()

    def hosts(self) -> Sequence[HostRef]:
        """Return every host that ever answered, but this one."""
        return tuple(self._by_id.values())

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`, this host included."""
        named = [ref for ref in (self._self_ref(), *self._by_id.values()) if ref.name == name]
        return max(named, key=lambda ref: ref.generation, default=None)

    def by_id(self, host_id: str) -> HostRef | None:
        """Return the host with this id, this host included."""
        own = self._self_ref()
        return own if own.host_id == host_id else self._by_id.get(host_id)

    async def wait_for_host(self, name: str, *, timeout: float) -> HostRef:
        """Return the host called `name` once it is online.

        Raises:
            HostNotFoundError: It was not within `timeout` seconds; names those that are known.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    changed = self._changed
                    found = self.lookup(name)
                    if found is not None and found.online:
                        return found
                    await changed.wait()
        except TimeoutError:
            known = ", ".join(sorted(ref.name for ref in self._by_id.values())) or "none"
            raise HostNotFoundError(
                f"no host {name} is online after {timeout:g} s; known: {known}", name=name
            ) from None

    async def _follow(self, url: str) -> None:
        failures = 0
        while True:
            try:
                await self._ask(url)
                failures = 0
            except PagletsError as error:
                if failures == 0:
                    logger.warning("seed did not answer: %s seed=%s", error, url)
                failures += 1
                self._mark_offline(url)
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        timing = self._timing
        pause = timing.interval
        if failures:
            pause = min(timing.retry * 2 ** min(failures - 1, 16), timing.retry_limit)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret

    async def _ask(self, url: str) -> None:
        health = await HostClient.at(self._session, url).health(timeout=self._timing.timeout)
        if health.host_id == self._self_ref().host_id:
            return
        ref = HostRef(
            name=health.name,
            url=health.url or url,
            code_version=health.code_version,
            last_seen=health.time,
            active_count=health.active,
            inactive_count=health.inactive,
            host_id=health.host_id,
            generation=health.generation,
        )
        replaced = self._found.get(url)
        if replaced not in {None, ref.host_id}:
            self._by_id.pop(str(replaced), None)
        self._found[url] = ref.host_id
        self._by_id[ref.host_id] = ref
        self._notify()

    def _mark_offline(self, url: str) -> None:
        ref = self._by_id.get(self._found.get(url, ""))
        if ref is not None and ref.online:
            self._by_id[ref.host_id] = replace(ref, online=False, status="dead")
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
