"""What `LocalMesh` and `DockerMesh` have in common: hosts by name, that start and end together."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from paglets.config.settings import HostSettings
from paglets.connect import Client
from paglets.host.launching import with_launch

_NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


class GroupedHost(Protocol):
    """What a mesh for tests needs of each of its hosts."""

    @property
    def name(self) -> str:
        """Its name in the mesh."""

    @property
    def client(self) -> Client:
        """A client that talks to it."""

    def kill(self) -> None:
        """End it by SIGKILL."""

    def stop(self) -> int:
        """End it politely; return its exit code."""

    def pause(self) -> None:
        """Freeze it."""


H = TypeVar("H", bound=GroupedHost)


class HostGroup(ABC, Generic[H]):
    """Hosts of one mesh, all there or none; a context manager."""

    def __init__(self) -> None:
        self.hosts: list[H] = []
        """The hosts, in the order of their names."""
        self.converged_in = 0.0
        """Seconds from when the last host was ready until each saw all others online."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> H:
        """Return the host of this name."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(f"no host {name!r}; there are {', '.join(h.name for h in self.hosts)}")

    def __iter__(self) -> Iterator[H]:
        return iter(self.hosts)

    def start(self) -> None:
        """Start all hosts and wait until each sees all others online."""
        self._start_hosts()
        begun = time.monotonic()
        self.wait_converged()
        self.converged_in = time.monotonic() - begun

    @abstractmethod
    def _start_hosts(self) -> None:
        """Start all hosts and wait until each is ready."""

    @abstractmethod
    def wait_converged(self, timeout: float = 30.0) -> None:
        """Wait until every running host sees every running host online, and no other.

        Raises:
            DeadlineError: They did not agree in time.
        """

    @abstractmethod
    def close(self) -> None:
        """End all hosts and remove what this mesh made."""

    def client(self, name: str | None = None) -> Client:
        """Return a client that talks to the host of this name, the first one by default."""
        return (self.hosts[0] if name is None else self[name]).client

    def kill(self, name: str) -> None:
        """End a host by SIGKILL, as a power cut would."""
        self[name].kill()

    def stop(self, name: str) -> int:
        """End a host politely; return its exit code."""
        return self[name].stop()

    def pause(self, name: str) -> None:
        """Freeze a host: its connections are taken, nothing answers; `heal` lets it go on."""
        self[name].pause()


def host_names(count: int) -> list[str]:
    """Return the names of a mesh of so many hosts: Greek letters, then `host-9` and so on."""
    return [*_NAMES, *(f"host-{n}" for n in range(len(_NAMES) + 1, count + 1))][:count]


def folders_of(agents: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """Return the folders of the paglets' code, of which there may be one or several."""
    return tuple(Path(each) for each in ([agents] if isinstance(agents, str | Path) else agents))


def settled(
    common: HostSettings, launches: Sequence[Path | str | None], fields: Mapping[str, object]
) -> HostSettings:
    """Return settings with what launch.tomls and then single fields change in them.

    Args:
        common: To begin with.
        launches: Each a launch.toml, as a path or as its text, or None; later ones win.
        fields: Of HostSettings, by name.
    """
    for launch in launches:
        if launch is not None:
            common = with_launch(common, launch)
    return replace(common, **fields)  # type: ignore[arg-type]  # fields by name
