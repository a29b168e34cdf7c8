"""PagletContext: what a paglet sees of its host.

Facts about the host, facets (`mesh`, `proxies`, `services`, `resources`, `storage`, `events`) and
the verbs that move paglets and send messages; `Paglet` has the usual ones as short forms.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NoReturn

from paglets.agent.contextevents import Events
from paglets.agent.future import ReplySet
from paglets.agent.introspection import class_name_of, encode_initial_state
from paglets.agent.mesh import Mesh
from paglets.agent.port import CREATE, LIFECYCLE_TIMEOUT, HostPort, PagletCore
from paglets.agent.proxies import Proxies
from paglets.agent.proxy import SEND_TIMEOUT, PagletProxy
from paglets.agent.resources import ResourceRegistry
from paglets.agent.services import Services
from paglets.agent.storage import Storage
from paglets.model.enums import PagletStatus
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id, parse_class_name, parse_name
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import Target, ticket_for
from paglets.wire.calls import HostFacts
from paglets.wire.hostcalls import CreateCall


class PagletContext:
    """The environment of one paglet on its present host. Made by the runtime."""

    def __init__(
        self, ref: PagletProxyRef, host: HostFacts, port: HostPort, core: PagletCore
    ) -> None:
        self._ref = ref
        self._host = host
        self._port = port
        self.core = core
        """The runtime's side; not for authors."""
        self.properties: Mapping[str, str] = MappingProxyType(dict(host.properties))
        """Properties of the host, as its owner set them."""
        self.mesh = Mesh(port)
        self.proxies = Proxies(port, host.url)
        self.services = Services(port)
        self.resources = ResourceRegistry()
        self.storage = Storage(core)
        self.events = Events(port)

    @property
    def host_name(self) -> str:
        """Name of the host."""
        return self._host.name

    @property
    def address(self) -> str:
        """URL of the host."""
        return self._host.url

    @property
    def agent_id(self) -> str:
        """Id of the paglet."""
        return self._ref.agent_id

    @property
    def ref(self) -> PagletProxyRef:
        """Reference to the paglet, for State and messages."""
        return self._ref

    @property
    def proxy(self) -> PagletProxy:
        """A proxy of the paglet itself."""
        return PagletProxy(self._port, self._ref)

    def dispatch(self, target: Target) -> NoReturn:
        """Move to another host; see `Paglet.dispatch`."""
        self.core.dispatch(ticket_for(target))

    def clone(self, target: Target | None = None) -> PagletProxy:
        """Clone to another host, or here; see `Paglet.clone`."""
        ref = self.core.clone(None if target is None else ticket_for(target))
        return PagletProxy(self._port, ref)

    def deactivate(self, policy: DeactivationPolicy | None = None) -> NoReturn:
        """Go to sleep; see `Paglet.deactivate`."""
        self.core.deactivate(policy or DeactivationPolicy())

    def dispose(self) -> NoReturn:
        """End for good; see `Paglet.dispose`."""
        self.core.dispose()

    def checkpoint(self) -> None:
        """Commit the state; see `Paglet.checkpoint`."""
        self.core.checkpoint()

    def retract(self, proxy: PagletProxy | PagletProxyRef) -> PagletProxy:
        """Bring another paglet to this host; return its proxy with the new address.

        Raises:
            TransferError: It did not come and goes on where it was.
        """
        return self.resolve(proxy).retract(self.address)

    def create(
        self,
        cls_or_name: type | str,
        state: object | None = None,
        host: str | HostRef | None = None,
        agent_id: str | None = None,
    ) -> PagletProxy:
        """Create a paglet on this or another host; return its proxy once it is durable.

        Args:
            cls_or_name: A Paglet class, or `module:QualName` where it cannot be imported here.
            state: Instance of its State, or a dict of its fields as JSON where the class cannot be
                imported; None for the defaults.
            host: Name or HostRef; None for this host.
            agent_id: A fixed id; None for a new one.

        Raises:
            ClassNotAllowedError: That host does not allow the class.
            AgentIdTakenError: `agent_id` belongs to another paglet.
            StateError: `state` does not fit the class.
        """
        name = cls_or_name if isinstance(cls_or_name, str) else class_name_of(cls_or_name)
        if agent_id is not None:
            parse_name(agent_id, what="agent id")
        derived = self._port.derive_id()
        request = CreateCall(
            class_name=parse_class_name(name),
            state=None if state is None else encode_initial_state(state),
            host=host.name if isinstance(host, HostRef) else host,
            agent_id=agent_id or derived,
            key=derived or new_id(),
        )
        created = self._port.call(CREATE, request, timeout=LIFECYCLE_TIMEOUT)
        return PagletProxy(self._port, created.ref)

    def multicast(self, message: Message, *, timeout: float = SEND_TIMEOUT) -> ReplySet[JsonValue]:
        """Send a message to every active paglet of this host but this one.

        Returns:
            Their replies, in the order in which they come.
        """
        return ReplySet(
            [
                self.proxies.get(info.agent_id).send_future(
                    replace(message, message_id=new_id()), timeout=timeout
                )
                for info in self.proxies.infos(PagletStatus.ACTIVE)
                if info.agent_id != self.agent_id
            ]
        )

    def resolve(self, to: PagletProxy | PagletProxyRef) -> PagletProxy:
        """Return `to` as a proxy; nothing is asked."""
        return to if isinstance(to, PagletProxy) else self.proxies.resolve(to)
