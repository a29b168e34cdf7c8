"""Who a host is: name, ids, URL and code, as told to paglets, peers and people."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from paglets.model.refs import HostRef
from paglets.model.transfer import PeerAddress
from paglets.wire.calls import HostFacts


@dataclass(kw_only=True)
class HostIdentity:
    """One run of a host. Made once its store is open and its port is bound.

    Two fields change: `code_version`, in development, when `--reload` renews the code, and `url`
    when the network gives this machine another address (`host/addressing.py`).
    """

    host_id: str
    name: str
    url: str
    """Advertised base URL."""
    bind: str
    """Address and port it listens on."""
    generation: int
    boots: int
    code_version: str
    tags: tuple[str, ...] = ()
    properties: dict[str, str]
    capabilities: tuple[str, ...] = ()

    @property
    def address(self) -> PeerAddress:
        """Where it is, for envelopes and tombstones."""
        return PeerAddress(self.host_id, self.name, self.url)

    def facts(self) -> HostFacts:
        """Return what its paglets may know without asking."""
        return HostFacts(
            host_id=self.host_id,
            name=self.name,
            url=self.url,
            properties=self.properties,
            code_version=self.code_version,
        )

    def ref(self, *, active: int = 0, inactive: int = 0, now: float = 0.0) -> HostRef:
        """Return this host as others see it."""
        return HostRef(
            name=self.name,
            url=self.url,
            online=True,
            code_version=self.code_version,
            last_seen=now,
            active_count=active,
            inactive_count=inactive,
            host_id=self.host_id,
            generation=self.generation,
            tags=self.tags,
            properties=self.properties,
            capabilities=self.capabilities,
        )


def bind_socket(address: str, port: int) -> socket.socket:
    """Bind the listening socket, so that the host knows its port before anything is composed.

    Args:
        address: `::` listens on IPv6 and IPv4.
        port: 0 takes a free one.

    Raises:
        OSError: The address is not ours, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def advertised_url(bind: str, port: int, *, scheme: str, seeds: tuple[str, ...]) -> str:
    """Return the URL others reach this host at, where its owner did not say one.

    For a wildcard address it is the local address that the way to the first seed, or else to
    anywhere, leaves by; nothing is sent to find out.
    """
    host = bind
    if is_wildcard(bind):
        host = outgoing_address(seeds) or socket.gethostname()
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}"


def is_wildcard(bind: str) -> bool:
    """Whether an address to listen on means all of them, so that none of them can be advertised."""
    return _is_address(bind) and ipaddress.ip_address(bind).is_unspecified


def local_address(bound: str) -> str:
    """Return where this machine itself reaches `ADDRESS:PORT` that a host listens on."""
    address, _, port = bound.rpartition(":")
    if address in {"0.0.0.0", ""}:  # noqa: S104 - compared, not bound
        address = "127.0.0.1"
    elif address == "::":
        address = "::1"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_loopback(url: str) -> bool:
    """Whether a host with this URL can be reached from its own machine only."""
    name = urlsplit(url).hostname or ""
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def outgoing_address(seeds: tuple[str, ...]) -> str | None:
    """Return the local address a datagram to the first seed would leave by; none is sent.

    May wait for the name service. None if there is no network.
    """
    candidates = [urlsplit(seed if "://" in seed else f"//{seed}").hostname for seed in seeds]
    # A documentation address stands for anywhere.
    for name in [*candidates, "192.0.2.1"]:
        if name and (found := address_towards(name)) is not None:
            return found
    return None


def address_towards(host: str) -> str | None:
    """Return the local address a datagram to `host` would leave by; none is sent.

    Args:
        host: An address; for a name this waits for the name service.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            found = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if ipaddress.ip_address(found).is_unspecified else found
