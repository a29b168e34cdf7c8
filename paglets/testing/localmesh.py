"""LocalMesh: several real hosts on loopback, for tests, scripts and notebooks."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paglets.config.launchfile import bundled_path
from paglets.config.settings import HostSettings, Limits, Timeouts
from paglets.model.errors import PagletsError
from paglets.testing.cutproxy import CutProxy, Fault, FaultKind
from paglets.testing.hostgroup import HostGroup, folders_of, host_names, settled
from paglets.testing.localhost import LocalHost, free_ports
from paglets.testing.waiting import wait_until


class LocalMesh(HostGroup[LocalHost]):
    """Real host processes on loopback that know each other; a context manager.

        with LocalMesh(3, agents=".") as mesh:
            tour = mesh.client().create("tour:Tour")
            tour.dispatch("beta")

    Hosts share a key made for this mesh. Everything is ended and removed at the end, whatever
    happens in between.

    Args:
        count: Number of hosts.
        agents: Folder or folders of the paglets' code.
        allow: Module prefixes of installed packages whose classes may run.
        folder: Where data and logs go, and stay; a temporary folder, removed at the end, if None.
        timeouts: Seconds that steps may take.
        limits: Bounds of each host.
        environment: Variables of the host processes.
        failpoints: By host name, as `PAGLETS_FAILPOINTS`, for the first run.
        launch: A launch.toml for all hosts, as a path or as its text; without it they start nothing
            by themselves.
        builtins: Whether they start what the bundled launch.toml declares.
        proxied: Whether each host is reached through a proxy: for `cut`, `hang` and `heal`.
        overrides: Any other fields of HostSettings, for all hosts.
    """

    def __init__(  # noqa: PLR0913 - a test chooses what it needs by name
        self,
        count: int = 3,
        *,
        agents: str | Path | Sequence[str | Path] = (),
        allow: Sequence[str] = (),
        folder: Path | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        failpoints: Mapping[str, str] | None = None,
        launch: Path | str | None = None,
        builtins: bool = False,
        proxied: bool = False,
        **overrides: object,
    ) -> None:
        super().__init__()
        self._is_temporary = folder is None
        self._is_closed = False
        self.folder = folder or Path(tempfile.mkdtemp(prefix="paglets-mesh-"))
        """Data, logs and key of the mesh."""
        self._failpoints = dict(failpoints or {})
        ports = free_ports(count)
        self._proxies = [CutProxy(port) for port in ports] if proxied else []
        self._host_ids: dict[str, str] = {}
        common = HostSettings(
            name="",
            data=self.folder,
            agents=tuple(each.resolve() for each in folders_of(agents)),
            allow=tuple(allow),
            key_file=self.key_file,
            preset="local",
            timeouts=timeouts or Timeouts(),
            limits=limits or Limits(),
        )
        common = settled(common, [bundled_path() if builtins else None, launch], overrides)
        self.hosts = self._make_hosts(common, ports, environment or {})

    def _make_hosts(
        self, common: HostSettings, ports: list[int], environment: Mapping[str, str]
    ) -> list[LocalHost]:
        """Make a host for each port; all others are its seeds, through their proxies if any."""
        urls = [proxy.url for proxy in self._proxies] or [f"http://127.0.0.1:{p}" for p in ports]
        return [
            LocalHost(
                replace(
                    common,
                    name=name,
                    data=self.folder / name,
                    port=port,
                    seeds=tuple(other for other in urls if other != url),
                    advertise=url if self._proxies else common.advertise,
                ),
                environment,
            )
            for name, port, url in zip(host_names(len(ports)), ports, urls, strict=True)
        ]

    @property
    def key_file(self) -> Path:
        """The key all of them share."""
        return self.folder / "mesh.key"

    def _start_hosts(self) -> None:
        for host in self.hosts:
            host.start(wait=False, failpoints=self._failpoints.get(host.name, ""))
        for host in self.hosts:
            host.wait_ready()
        if self._proxies:
            # Known before any of them is killed: a host that is away can be cut too.
            self._host_ids = {h.name: h.observer.health().host_id for h in self.hosts}

    def wait_converged(self, timeout: float = 30.0) -> None:
        """Wait until every running host sees every running host online, and no other.

        Raises:
            DeadlineError: They did not agree in time.
        """
        expected = {host.name for host in self.hosts if host.is_running}
        for host in self.hosts:
            if host.is_running:
                wait_until(
                    lambda host=host: self._sees(host) == expected,  # type: ignore[misc]  # default binds the loop's value
                    timeout=timeout,
                    what=f"{host.name} sees {', '.join(sorted(expected))}",
                    story=host.tail,
                )

    def _sees(self, host: LocalHost) -> set[str]:
        try:
            return {ref.name for ref in host.client.hosts(online_only=True)}
        except PagletsError:
            return set()

    def proxy(self, name: str) -> CutProxy:
        """Return the proxy in front of a host, for finer faults; only with `proxied=True`."""
        return self._proxies[self.hosts.index(self[name])]

    def cut(self, name: str) -> None:
        """Part a host from all others, both ways: connections to it and from it are reset."""
        self._part(name, FaultKind.CUT)

    def hang(self, name: str) -> None:
        """Part a host from all others without a word: what they send each other is swallowed."""
        self._part(name, FaultKind.HANG)

    def partition(self, *names: str) -> None:
        """Part hosts from all others, as a pulled cable does; only with `proxied=True`."""
        for name in names:
            self.hang(name)

    def heal(self, name: str | None = None) -> None:
        """Let a host go on and join it with the others again; without a name, all of them."""
        for host in self.hosts if name is None else [self[name]]:
            if host.is_running:
                host.resume()
        for each in self._proxies:
            each.heal(name)

    def restart(self, name: str, *, new_address: bool = False, **changes: Any) -> None:
        """Start a host again, with other settings where `changes` says so.

        Args:
            name: Which one.
            new_address: Whether it listens on another port, without its proxy if it had one.
            changes: Fields of HostSettings.
        """
        if new_address:
            changes = {"port": free_ports(1)[0], "advertise": None, **changes}
        self[name].restart(**changes)

    @property
    def is_open(self) -> bool:
        """Whether it was not closed yet."""
        return not self._is_closed

    def _part(self, name: str, kind: FaultKind) -> None:
        self.proxy(name).apply(Fault(kind), name=name)
        # A signed request names its sender: that is how the others' proxies know it.
        sender = f" {self._host_ids[name]} ".encode()
        for proxy in self._proxies:
            if proxy is not self.proxy(name):
                proxy.apply(Fault(kind, on=sender), name=name)

    def close(self) -> None:
        """End all hosts and remove what is temporary."""
        self._is_closed = True
        for host in self.hosts:
            if host.is_running:
                host.resume()
            host.kill()
        for proxy in self._proxies:
            proxy.close()
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
