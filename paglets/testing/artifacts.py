"""Keeps what helps to understand a failed test of a mesh, by host: log, events, tables."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from paglets.connect import Client
from paglets.model.errors import PagletsError
from paglets.testing.observer import Observer

_LINES = 100_000
"""Of each log; more than any test writes."""


class ToldHost(Protocol):
    """What `LocalHost` and `HostContainer` offer here."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def client(self) -> Client:
        """Talks to it."""

    @property
    def observer(self) -> Observer:
        """What it says about itself."""

    def tail(self, lines: int = 30) -> str:
        """Its last lines."""


_QUESTIONS: dict[str, Callable[[ToldHost], object]] = {
    "hosts": lambda host: host.client.hosts(online_only=False),
    "agents": lambda host: host.observer.agents(tombstones=True),
    "events": lambda host: host.observer.events(),
    "transfers": lambda host: host.observer.transfers(),
}


def keep_story(hosts: Iterable[ToldHost], folder: Path) -> None:
    """Write each host's log, events, paglets, transfers and table of hosts under `folder`.

    A host that does not answer leaves the reason in place of what it would have said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for host in hosts:
        (folder / f"{host.name}.log").write_text(host.tail(_LINES))
        for what, ask in _QUESTIONS.items():
            _keep(folder / f"{host.name}.{what}.json", partial(ask, host))


def _keep(path: Path, ask: Callable[[], object]) -> None:
    try:
        told = ask()
    except (PagletsError, TimeoutError, OSError, AssertionError) as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told, enc_hook=str)))
