"""`context.mesh`: which hosts there are, as this host sees them."""

from collections.abc import Sequence

from paglets.agent.port import CALL_TIMEOUT, HOSTS, WAIT_HOST, HostPort
from paglets.model.errors import HostNotFoundError
from paglets.model.refs import HostRef
from paglets.wire.hostcalls import HostsCall, WaitHostCall


class Mesh:
    """The hosts of the mesh; every answer is this host's knowledge, no host is asked."""

    def __init__(self, port: HostPort) -> None:
        self._port = port

    def hosts(self, *, online_only: bool = True, include_self: bool = True) -> Sequence[HostRef]:
        """Return the hosts, this one first where it is included.

        Args:
            online_only: Leave out those that are dead or gone; a suspect may only be slow.
            include_self: Include the host that is asked.
        """
        request = HostsCall(online_only=online_only, include_self=include_self)
        return self._port.call(HOSTS, request, timeout=CALL_TIMEOUT).hosts

    def lookup(self, name: str) -> HostRef | None:
        """Return the host of this name, online or not; None if none is known.

        Of several, a live one comes before others, then the newest.
        """
        named = [host for host in self.hosts(online_only=False) if host.name == name]
        return max(named, key=lambda host: (host.online, host.generation), default=None)

    def is_online(self, name: str) -> bool:
        """Return whether the host of this name is believed to be up."""
        host = self.lookup(name)
        return host is not None and host.online

    def wait_for_host(self, name: str, timeout: float = CALL_TIMEOUT) -> HostRef:
        """Return the host of this name, as soon as it is online.

        Args:
            name: Whom to wait for.
            timeout: Seconds to wait.

        Raises:
            HostNotFoundError: It was not online in time.
        """
        request = WaitHostCall(name=name, timeout=timeout)
        host = self._port.call(WAIT_HOST, request, timeout=timeout).host
        if host is None:
            raise HostNotFoundError(f"no host {name!r} was online within {timeout:g} s", name=name)
        return host
