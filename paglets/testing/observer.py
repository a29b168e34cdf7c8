"""What a test sees of a host through its API: paglets, tombstones, transfers, events, health."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from paglets.config.keys import client_keyring
from paglets.connect.loop import LoopThread
from paglets.model.enums import PagletStatus
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.wire.bodies import AgentInfo, ServiceBody, TransferInfo
from paglets.wire.hostbodies import EventBody, HealthBody

T = TypeVar("T")
_PATIENCE = 15.0
"""Seconds one question may take."""


class Observer:
    """Asks one host about itself, blocking. Raises as `HostClient` does.

    Args:
        url: Base URL of the host.
        key_file: Its key.
    """

    def __init__(self, url: str, key_file: Path) -> None:
        self._loop = LoopThread()
        keyring = client_keyring(environ={}, key_file=key_file)
        self._session = PeerSession(keyring, sender="observer")
        self._client = HostClient.at(self._session, url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.submit(work).result(_PATIENCE)

    def agents(self, *, tombstones: bool = False) -> list[AgentInfo]:
        """Return all paglets of the host, with `tombstones` those that moved away too."""
        found = self._all({})
        return found + self._all({"status": PagletStatus.MOVED.value}) if tombstones else found

    def _all(self, query: dict[str, str]) -> list[AgentInfo]:
        found: list[AgentInfo] = []
        query = {**query, "limit": "1000"}
        while True:
            page = self._wait(self._client.list_agents(query))
            found.extend(page.agents)
            if page.next is None:
                return found
            query["after"] = page.next

    def agent(self, agent_id: str) -> AgentInfo:
        """Return what the host knows of one paglet."""
        return self._wait(self._client.show_agent(agent_id))

    def logs(self, agent_id: str, *, tail: int = 200) -> list[str]:
        """Return the last lines that a paglet printed, also one that has ended."""
        return list(self._wait(self._client.logs(agent_id, tail=tail)).lines)

    def transfers(self, *, in_doubt: bool = False) -> list[TransferInfo]:
        """Return the transfers the host remembers."""
        query = {"limit": "1000", **({"in_doubt": "true"} if in_doubt else {})}
        return list(self._wait(self._client.transfers(query)).transfers)

    def events(self, *, kind: str | None = None, agent_id: str | None = None) -> list[EventBody]:
        """Return the host's events, the newest 1,000 that match."""
        query = {"limit": "1000"}
        if kind is not None:
            query["kind"] = kind
        if agent_id is not None:
            query["agent_id"] = agent_id
        return list(self._wait(self._client.events(query)).events)

    def services(self) -> list[ServiceBody]:
        """Return the services that can be called from this host."""
        return list(self._wait(self._client.services()).services)

    def health(self) -> HealthBody:
        """Return how the host is."""
        return self._wait(self._client.health())

    def close(self) -> None:
        """Close the connection."""
        self._wait(self._session.close())
        self._loop.close()
