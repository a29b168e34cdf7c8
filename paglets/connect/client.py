"""`Client`: what `paglets.connect()` returns, for plain code and notebooks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from paglets.agent.contextevents import Events
from paglets.agent.introspection import class_name_of, encode_initial_state
from paglets.agent.mesh import Mesh
from paglets.agent.port import CALL_TIMEOUT, CREATE, FIND, LIFECYCLE_TIMEOUT, LIST
from paglets.agent.proxy import PagletProxy
from paglets.agent.services import Services
from paglets.connect.calls import HttpCalls
from paglets.connect.entry import find_entry
from paglets.connect.hosts import HostWays
from paglets.connect.loop import LoopThread
from paglets.connect.port import HttpPort
from paglets.model.names import new_id, parse_class_name, parse_name
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.remote.session import PeerSession
from paglets.wire.bodies import AgentInfo
from paglets.wire.hostcalls import CreateCall, FindCall, ListCall

SENDER = "connect"
"""What hosts see in requests."""


class Client:
    """A mesh as seen through one host. Made by `connect`; close it, or use it in `with`.

    Its calls block and work in any thread, also where an event loop runs.
    """

    def __init__(self, session: PeerSession, url: str, loop: LoopThread, *, direct: bool) -> None:
        self._session = session
        self._loop = loop
        self._port = HttpPort(HttpCalls(HostWays(session, url, direct=direct)), loop)
        self.url = url
        """The entry host."""
        self.mesh = Mesh(self._port)
        """Hosts by name, and waiting for one."""
        self.services = Services(self._port)
        """Finds services, calls them and keeps them awake; own services are for paglets."""
        self.events = Events(self._port)
        """The event log of the entry host, to read."""

    def create(
        self,
        cls_or_name: type | str,
        state: object | None = None,
        host: str | HostRef | None = None,
        agent_id: str | None = None,
    ) -> PagletProxy:
        """Create a paglet; return its proxy once it is durable.

        Args:
            cls_or_name: A Paglet class, or `module:QualName` where it cannot be imported here.
            state: Instance of its State, or a dict of its fields as JSON where the class cannot be
                imported; None for the defaults.
            host: Name, HostRef or URL; None for the entry host.
            agent_id: A fixed id; None for a new one.

        Raises:
            ClassNotAllowedError: That host does not allow the class.
            AgentIdTakenError: `agent_id` belongs to another paglet.
            StateError: `state` does not fit the class.
            HostUnreachableError: The host does not answer.
        """
        request = creation(cls_or_name, state, host, agent_id)
        created = self._port.call(CREATE, request, timeout=LIFECYCLE_TIMEOUT)
        return PagletProxy(self._port, created.ref)

    def proxy(self, paglet: str | PagletProxyRef, host: str | None = None) -> PagletProxy:
        """Return a proxy of a paglet.

        Args:
            paglet: Its id, which is looked for, or a reference, for which nothing is asked.
            host: With an id: the only host to ask; None for all of the mesh.

        Raises:
            PagletNotFoundError: No reachable host knows the id.
        """
        if isinstance(paglet, PagletProxyRef):
            return PagletProxy(self._port, paglet)
        found = self._port.call(FIND, finding(paglet, host), timeout=CALL_TIMEOUT)
        return PagletProxy(self._port, found.ref)

    def hosts(self, *, online_only: bool = True) -> Sequence[HostRef]:
        """Return the hosts of the mesh as the entry host sees them.

        Args:
            online_only: Leave out those that are dead or gone; a suspect may only be slow.
        """
        return self.mesh.hosts(online_only=online_only)

    def agents(self) -> tuple[AgentInfo, ...]:
        """Return what the entry host knows of its own paglets, tombstones included."""
        return self._port.call(LIST, ListCall(), timeout=CALL_TIMEOUT).agents

    def close(self) -> None:
        """Close all connections; a second time nothing happens."""
        try:
            closing = self._loop.submit(self._session.close())
        except RuntimeError:
            return
        closing.result(CALL_TIMEOUT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"


def connect(
    url: str | None = None, key_file: str | Path | None = None, *, direct: bool = False
) -> Client:
    """Return a client of a mesh, for code outside any paglet.

    Args:
        url: The host to talk to; None: `PAGLETS_URL`, else the only host that runs here, else
            port 8765 of this machine. All other hosts are reached through it.
        key_file: The key to sign with; None: `PAGLETS_KEY_FILE`, `PAGLETS_KEY`, else the one
            under `~/.paglets/keys` that the host uses.
        direct: Connect to each host itself; for clients inside the hosts' network.

    Raises:
        HostUnreachableError: Nothing answers there.
        UnauthorizedError: This user has no key of that host; `key_id` names it.
        InvalidRequestError: The URL or the key is malformed, or several hosts run here.
    """
    loop = LoopThread()
    try:
        path = None if key_file is None else Path(key_file)
        entry = loop.submit(find_entry(url, path)).result(CALL_TIMEOUT)
        session = PeerSession(entry.keyring, sender=SENDER)
        return Client(session, entry.url, loop, direct=direct)
    except BaseException:
        loop.close()
        raise


def creation(
    cls_or_name: type | str,
    state: object | None,
    host: str | HostRef | None,
    agent_id: str | None,
) -> CreateCall:
    """Return what `create` asks; arguments as for `Client.create`."""
    name = cls_or_name if isinstance(cls_or_name, str) else class_name_of(cls_or_name)
    return CreateCall(
        class_name=parse_class_name(name),
        state=None if state is None else encode_initial_state(state),
        host=host.name if isinstance(host, HostRef) else host,
        agent_id=None if agent_id is None else parse_name(agent_id, what="agent id"),
        key=new_id(),
    )


def finding(agent_id: str, host: str | None) -> FindCall:
    """Return what `proxy` asks; arguments as for `Client.proxy`."""
    parse_name(agent_id, what="agent id")
    return FindCall(agent_id=agent_id, host=host, search=host is None)
