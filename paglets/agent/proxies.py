"""`context.proxies`: handles to other paglets, by id, by reference or by search."""

from paglets.agent.port import CALL_TIMEOUT, FIND, LIST, HostPort
from paglets.agent.proxy import PagletProxy
from paglets.model.enums import PagletStatus, require_enum
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import AgentInfo
from paglets.wire.hostcalls import FindCall, ListCall


class Proxies:
    """Makes proxies. Arguments that name a host take its name or URL."""

    def __init__(self, port: HostPort, address: str) -> None:
        self._port = port
        self._address = address

    def get(self, agent_id: str, host: str | None = None) -> PagletProxy:
        """Return a proxy of a paglet on this host, or on `host`.

        Without `host` nothing is asked: an unknown id shows at the first call.

        Raises:
            HostNotFoundError: No such host is known.
            PagletNotFoundError: `host` does not know the paglet.
        """
        if host is None:
            return self.resolve(PagletProxyRef(self._address, agent_id))
        request = FindCall(agent_id=agent_id, host=host)
        return self.resolve(self._port.call(FIND, request, timeout=CALL_TIMEOUT).ref)

    def find(self, agent_id: str) -> PagletProxy:
        """Return a proxy of a paglet wherever it is, asking the mesh where this host does not know.

        Raises:
            PagletNotFoundError: No reachable host knows it.
        """
        request = FindCall(agent_id=agent_id, search=True)
        return self.resolve(self._port.call(FIND, request, timeout=CALL_TIMEOUT).ref)

    def resolve(self, ref: PagletProxyRef) -> PagletProxy:
        """Return a proxy of what `ref` refers to; nothing is asked."""
        return PagletProxy(self._port, ref)

    def list(
        self, *, status: PagletStatus | None = None, class_name: str | None = None
    ) -> "list[PagletProxy]":
        """Return proxies of this host's paglets.

        Args:
            status: Only those in this status.
            class_name: Only those of this class, as `module:QualName`.
        """
        return [self.resolve(address_of(info)) for info in self.infos(status, class_name)]

    def infos(
        self, status: PagletStatus | None = None, class_name: str | None = None
    ) -> tuple[AgentInfo, ...]:
        """Return status, class and counts of this host's paglets; arguments as for `list`."""
        wanted = None if status is None else require_enum(status, PagletStatus, "status").value
        request = ListCall(status=wanted, class_name=class_name)
        return self._port.call(LIST, request, timeout=CALL_TIMEOUT).agents


def address_of(info: AgentInfo) -> PagletProxyRef:
    """Return the reference to a listed paglet."""
    return PagletProxyRef(info.host_url, info.agent_id, host_name=info.host_name, epoch=info.epoch)
