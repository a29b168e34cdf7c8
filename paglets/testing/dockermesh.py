"""DockerMesh: several hosts in containers on a network of their own.

    with DockerMesh(3, agents="agents") as mesh:
        tour = mesh.client().create("tour:Tour")
        tour.dispatch("beta")
        mesh.kill("beta")

The surface of `LocalMesh`, so that the same tests run on both; what a test does to one host is on
`mesh["beta"]` too. Everything is removed at the end, whatever happens in between (`reaper.py`).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import NotFound
from testcontainers.core.network import Network

from paglets.config.settings import HostSettings, Limits, Timeouts
from paglets.model.errors import PagletsError
from paglets.model.names import new_id
from paglets.testing.archives import fill_volume
from paglets.testing.containersettings import DATA, PORT
from paglets.testing.engine import engine, host_image
from paglets.testing.hostcontainer import HostContainer
from paglets.testing.hostgroup import HostGroup, folders_of, host_names, settled
from paglets.testing.reaper import MESH_LABEL, labels, run_id, sweep
from paglets.testing.waiting import wait_until

_START_TIMEOUT = 60.0
"""Seconds in which all hosts of a mesh become ready, on a machine that starts them all at once."""


class DockerMesh(HostGroup[HostContainer]):
    """Hosts in containers that know each other; a context manager.

    Args:
        count: Number of hosts.
        agents: Folder or folders of the paglets' code.
        allow: Module prefixes of packages in the image whose classes may run.
        image: What to run; None: as `engine.host_image` says.
        timeouts: Seconds that steps may take.
        limits: Bounds of each host.
        failpoints: By host name, as `PAGLETS_FAILPOINTS`, for the first run.
        launch: A launch.toml for all hosts, as a path or as its text; without it they start nothing
            by themselves.
        builtins: Whether they start what the launch.toml of the image declares.
        overrides: Any other fields of HostSettings, for all hosts. `seeds` are the first two hosts
            unless said; `("hosts",)` is a name that stands for all of them.
    """

    def __init__(  # noqa: PLR0913 - a test chooses what it needs by name
        self,
        count: int = 3,
        *,
        agents: str | Path | Sequence[str | Path] = (),
        allow: Sequence[str] = (),
        image: str | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        failpoints: Mapping[str, str] | None = None,
        launch: Path | str | None = None,
        builtins: bool = False,
        **overrides: object,
    ) -> None:
        super().__init__()
        self._builtins = builtins
        self.image = image or host_image()
        """What the hosts run."""
        self.id = f"paglets-{run_id()}-{new_id()[:6]}"
        """Names what belongs to this mesh."""
        self._failpoints = dict(failpoints or {})
        self._folders = folders_of(agents)
        self._network = Network(docker_network_kw={"labels": labels(self.id)})
        self._former: dict[str, str] = {}
        self._names = host_names(count)
        common = HostSettings(
            name="",
            data=Path(DATA),
            allow=tuple(allow),
            seeds=tuple(f"http://{name}:{PORT}" for name in self._names[:2]),
            preset="local",
            timeouts=timeouts or Timeouts(),
            limits=limits or Limits(),
        )
        self._settings = settled(common, [launch], overrides)

    def _start_hosts(self) -> None:
        self._network.create()
        self.hosts = [
            HostContainer(
                name,
                image=self.image,
                settings=self._settings,
                network=self._network,
                mesh=self.id,
                builtins=self._builtins,
            )
            for name in self._names
        ]
        if self._folders:
            fill_volume(self.image, f"{self.id}-agents", list(self._folders))
        for host in self.hosts:
            host.start(wait=False, failpoints=self._failpoints.get(host.name, ""))
        for host in self.hosts:
            host.wait_ready(timeout=_START_TIMEOUT)

    def wait_converged(self, timeout: float = 30.0) -> None:
        """Wait until every running host sees every running host, where it is now, and no other.

        Raises:
            DeadlineError: They did not agree in time.
        """
        reached = [host for host in self.hosts if host.is_running and host.address]
        expected = {host.name: host.settings.advertise or host.internal_url for host in reached}
        for host in reached:
            wait_until(
                lambda host=host: _seen_by(host) == expected,  # type: ignore[misc]  # default binds the loop's value
                timeout=timeout,
                what=f"{host.name} sees {', '.join(sorted(expected))}",
                interval=0.05,
                story=lambda host=host: f"{_seen_by(host)}\n{host.tail()}",  # type: ignore[misc]  # as above
            )

    def partition(self, *names: str) -> None:
        """Take hosts off the network: nobody reaches them, nor does the test, until `heal`."""
        network = engine().networks.get(self._network.id)
        for name in names:
            self._former[name] = self[name].address
            network.disconnect(self[name].container, force=True)

    def heal(self, name: str | None = None, *, new_address: bool = False) -> None:
        """Let a host go on, and join it to the network again.

        Args:
            name: Which one; None for all.
            new_address: Whether it gets another address than it had.
        """
        for host in self.hosts if name is None else [self[name]]:
            host.resume()
            if host.is_running and not host.address:
                if new_address:
                    self._take(self._former[host.name])
                network = engine().networks.get(self._network.id)
                network.connect(host.container, aliases=host.aliases)

    def restart(self, name: str, *, new_address: bool = False, **changes: Any) -> None:
        """Start a host again, with other settings where `changes` says so.

        Args:
            name: Which one.
            new_address: Whether it gets another address than it had.
            changes: Fields of HostSettings.
        """
        host = self[name]
        former = host.address
        if host.is_running:
            host.stop()
        if new_address:
            self._take(former)
        host.restart(**changes)

    def _take(self, address: str) -> None:
        """Let something else have an address that a host gave up.

        Most engines give the lowest one that is free, which may be another's that is down. One that
        goes through all of them in turn gives no address again so soon.
        """
        for _ in self.hosts:
            stand_in = engine().containers.run(
                self.image,
                entrypoint=["sleep", "3600"],
                network=self._network.name,
                labels=labels(self.id),
                init=True,
                healthcheck={"test": ["NONE"]},
                detach=True,
            )
            stand_in.reload()
            (joined,) = stand_in.attrs["NetworkSettings"]["Networks"].values()
            if str(joined["IPAddress"]) == address:
                return

    @property
    def is_open(self) -> bool:
        """Whether its hosts are there."""
        return bool(self.hosts)

    def close(self) -> None:
        """End all hosts and remove whatever this mesh made."""
        hosts, self.hosts = self.hosts, []
        for host in hosts:
            host.remove()
        sweep(f"{MESH_LABEL}={self.id}")
        with suppress(NotFound):
            self._network.remove()


def _seen_by(host: HostContainer) -> dict[str, str]:
    try:
        return {ref.name: ref.url for ref in host.client.hosts(online_only=True)}
    except PagletsError:
        return {}
