"""HostContainer: one host in a container of its own, under a test's control.

    with HostContainer("alpha", agents=["agents"]) as alpha:
        tour = alpha.client.create("tour:Tour")

A testcontainers DockerContainer, so its builders work too. It is hardened as compose.yaml does it,
its data outlive it in a volume, and it has the surface of `LocalHost`, so tests run on both.
"""

import http.client
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from docker.models.containers import Container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from paglets.config.settings import HostSettings
from paglets.connect import Client, connect
from paglets.model.errors import DeadlineError, PagletsError
from paglets.model.names import new_id
from paglets.testing.archives import fill_volume, read_file
from paglets.testing.containersettings import AGENTS, DATA, HOME, KEY_FILE, PORT, command_of
from paglets.testing.engine import engine, engine_host, host_image, is_local
from paglets.testing.localhost import START_TIMEOUT, free_ports
from paglets.testing.observer import Observer
from paglets.testing.reaper import MESH_LABEL, labels, run_id, sweep
from paglets.testing.waiting import wait_until

ALL = "hosts"
"""A name in the network of a mesh that stands for all its hosts."""
_STOP_TIMEOUT = 15
"""Seconds until `stop` becomes a kill, as in compose.yaml."""


class HostContainer(DockerContainer):
    """A host in a container. Start it by `with` or `start`; `remove` ends it.

    Args:
        name: What others call it, and its alias in `network`.
        image: What to run; None: as `engine.host_image` says.
        agents: Folders of the paglets' code, copied into a volume.
        settings: What it is started with, beside name, places and port.
        network: Where its peers are; None: the engine's default, without peers.
        mesh: Hosts with the same word here share a key and the agents' code.
        builtins: Whether it starts what the launch.toml of the image declares.
    """

    def __init__(  # noqa: PLR0913 - a test chooses what it needs by name
        self,
        name: str = "alpha",
        *,
        image: str | None = None,
        agents: Sequence[str | Path] = (),
        settings: HostSettings | None = None,
        network: Network | None = None,
        mesh: str | None = None,
        builtins: bool = False,
    ) -> None:
        super().__init__(image or host_image())
        self._is_alone = mesh is None
        self._builtins = builtins
        self.mesh = mesh or f"paglets-{run_id()}-{new_id()[:6]}"
        """Names its volumes, which hosts of one mesh share."""
        wanted = settings or HostSettings(name=name, data=Path(DATA), preset="local")
        self.settings = replace(
            wanted,
            name=name,
            data=Path(DATA),
            agents=(Path(AGENTS),),
            key_file=Path(KEY_FILE),
            bind="0.0.0.0",  # noqa: S104 - in a network of its own
            port=PORT,
        )
        """What it is started with."""
        self.port = free_ports(1)[0]
        """Where it is published; the same over all its runs."""
        self._failpoints = ""
        self._failpoint_log = ""
        self._client: Client | None = None
        self._observer: Observer | None = None
        self._key = Path(tempfile.mkdtemp(prefix="paglets-key-")) / "mesh.key"
        self.data_volume = f"{self.mesh}-data-{name}"
        """Name of the volume of its data."""
        self._mount_volumes(agents)
        self._confine(network)
        address = "127.0.0.1" if is_local() else "0.0.0.0"  # noqa: S104 - asked for by variable
        self.ports = {f"{PORT}/tcp": (address, self.port)}  # type: ignore[dict-item]  # the SDK takes both

    def _mount_volumes(self, agents: Sequence[str | Path]) -> None:
        for volume, path in (
            (self.data_volume, HOME),
            (f"{self.mesh}-keys", str(Path(KEY_FILE).parent)),
            (f"{self.mesh}-agents", AGENTS),
        ):
            engine().volumes.create(volume, labels=labels(self.mesh))
            self.with_volume_mapping(volume, path, "rw")
        if agents:
            fill_volume(self.image, f"{self.mesh}-agents", [Path(each) for each in agents])

    def _confine(self, network: Network | None) -> None:
        """Give it its networks and folders, and no rights beyond them."""
        if network is not None:
            self.with_network(network).with_network_aliases(*self.aliases)
        self.with_kwargs(
            labels=labels(self.mesh),
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            pids_limit=4096,
            hostname=self.name,
            # Readiness is asked from outside; probes of many hosts at once cost more than hosts.
            healthcheck={"test": ["NONE"]},
        )
        self.with_tmpfs_mount("/tmp")  # noqa: S108 - in the container

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    @property
    def aliases(self) -> list[str]:
        """The names its peers find it by: its own, and one that all hosts of a mesh have."""
        return [self.name, ALL]

    @property
    def url(self) -> str:
        """Where the test reaches it; peers reach it at `internal_url`."""
        return f"http://{engine_host()}:{self.port}"

    @property
    def address(self) -> str:
        """Its address among its peers; empty while it has none."""
        networks = self.container.attrs["NetworkSettings"]["Networks"]
        return next((str(each["IPAddress"]) for each in networks.values()), "")

    @property
    def internal_url(self) -> str:
        """Where its peers reach it."""
        return f"http://{self.address}:{PORT}"

    @property
    def container(self) -> Container:
        """The docker SDK's container, as it is now."""
        found: Container = self.get_wrapped_container()
        found.reload()
        return found

    @property
    def is_running(self) -> bool:
        """Whether its processes are there."""
        return self._container is not None and self.container.status in {"running", "paused"}

    @property
    def key_file(self) -> Path:
        """A copy of the mesh's key, for clients outside; there once the host is ready."""
        if not self._key.exists():
            content = read_file(self.container, KEY_FILE)
            assert content is not None, f"{self.name} has no key yet"
            self._key.touch(mode=0o600)
            self._key.write_bytes(content)
        return self._key

    @property
    def client(self) -> Client:
        """A client that talks to this host, made at first use."""
        if self._client is None:
            self._client = connect(self.url, key_file=self.key_file)
        return self._client

    @property
    def observer(self) -> Observer:
        """What this host says about itself; asked anew each time."""
        if self._observer is None:
            self._observer = Observer(self.url, self.key_file)
        return self._observer

    def start(self, *, wait: bool = True, failpoints: str = "") -> Self:
        """Start it, again too; with `wait`, return when it is ready.

        Args:
            wait: Whether to wait until it answers as ready.
            failpoints: As `PAGLETS_FAILPOINTS`, for this run only.

        Raises:
            DeadlineError: It did not become ready; the message holds its last lines.
        """
        if self._container is None or failpoints != self._failpoints:
            self._create(failpoints)
        else:
            self._container.start()
        if wait:
            self.wait_ready()
        return self

    def _create(self, failpoints: str) -> None:
        """Start a new container on the same volumes: variables are given when it is made."""
        if self._container is not None:
            self._container.remove(force=True)
        self._failpoints = failpoints
        self._failpoint_log = f"{HOME}/failpoints-{new_id()[:6]}"
        command, variables = command_of(self.settings)
        if self._builtins:
            del variables["PAGLETS_LAUNCH"]
        armed = {"PAGLETS_FAILPOINTS": failpoints, "PAGLETS_FAILPOINT_LOG": self._failpoint_log}
        self.env = {**variables, **(armed if failpoints else {})}
        self.with_command(command)
        # Its reaper is an image that has to be pulled; reaper.py does the same without one.
        theirs, testcontainers_config.ryuk_disabled = testcontainers_config.ryuk_disabled, True
        try:
            super().start()
        finally:
            testcontainers_config.ryuk_disabled = theirs

    def wait_ready(self, *, timeout: float = START_TIMEOUT) -> None:
        """Wait until it answers; DeadlineError with its last lines if it does not."""

        def is_ready() -> bool:
            if not self.is_running:
                raise DeadlineError(f"host {self.name} ended while it started:\n{self.tail()}")
            return self._says_it_is_ready()

        wait_until(
            is_ready,
            timeout=timeout,
            what=f"host {self.name} is ready",
            interval=0.1,
            story=self.tail,
        )

    def _says_it_is_ready(self) -> bool:
        asking = http.client.HTTPConnection(engine_host(), self.port, timeout=2)
        try:
            asking.request("GET", "/readyz")
            return asking.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asking.close()

    def wait_failpoint(self, name: str, *, hits: int = 1, timeout: float = 20.0) -> None:
        """Wait until this host has come to a failpoint `hits` times since it was armed."""

        def was_hit() -> bool:
            lines = (read_file(self.container, self._failpoint_log) or b"").decode().splitlines()
            return sum(1 for line in lines if line.split()[0] == name) >= hits

        what = f"{self.name} hits {name}"
        wait_until(was_hit, timeout=timeout, what=what, interval=0.05, story=self.tail)

    def kill(self) -> None:
        """End it by SIGKILL, as `docker kill` does, and wait until it is gone."""
        if self.is_running:
            self.container.kill()
            self.container.wait(timeout=20)
        self._forget_clients()

    def wait_gone(self, *, timeout: float = 20.0) -> int:
        """Wait until it ends by itself, such as by a failpoint; return its exit code."""
        code = int(self.container.wait(timeout=timeout)["StatusCode"])
        self._forget_clients()
        return code

    def stop(  # type: ignore[override]  # ours keeps the container, as LocalHost does
        self, *, timeout: float = _STOP_TIMEOUT
    ) -> int:
        """End it politely, as `docker stop` does; return its exit code. `start` starts it again."""
        self.container.stop(timeout=int(timeout))
        return self.wait_gone()

    def pause(self) -> None:
        """Freeze it: the kernel still takes its connections, nothing answers."""
        self.container.pause()

    def resume(self) -> None:
        """Let it go on, if it is paused."""
        if self.is_running and self.container.status == "paused":
            self.container.unpause()

    def restart(self, *, failpoints: str = "", **changes: Any) -> None:
        """Start it again, with other settings where `changes` says so."""
        if self.is_running:
            self.stop()
        if changes:
            self.settings = replace(self.settings, **changes)
            self.get_wrapped_container().remove(force=True)
            self._container = None
        self.start(failpoints=failpoints)

    def tail(self, lines: int = 30) -> str:
        """Return the last lines it printed."""
        if self._container is None:
            return "(nothing printed)"
        return bytes(self._container.logs(tail=lines)).decode(errors="replace")

    def statuses(self) -> dict[str, str]:
        """Return the status of each of its paglets, tombstones too; {} if it does not answer."""
        try:
            return {info.agent_id: info.status for info in self.observer.agents(tombstones=True)}
        except PagletsError:
            return {}

    def remove(self) -> None:
        """End it at once and forget its data."""
        self._forget_clients()
        if self._container is not None:
            self._container.remove(force=True, v=True)
            self._container = None
        if self._is_alone:
            sweep(f"{MESH_LABEL}={self.mesh}")
        self._key.unlink(missing_ok=True)
        self._key.parent.rmdir()

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def _forget_clients(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._observer is not None:
            self._observer.close()
            self._observer = None
