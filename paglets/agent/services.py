"""`context.services`: find a service by its contract, call it, keep it awake, offer one.

Lookups answer from the local registry, which gossip keeps current; calls are ordinary messages to
the providing paglet.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.future import FutureReply
from paglets.agent.port import ADVERTISE, CALL_TIMEOUT, LEASE, LOOKUP, WITHDRAW, HostPort
from paglets.agent.proxy import PagletProxy
from paglets.model.enums import ServiceScope, require_enum
from paglets.model.errors import ServiceNotFoundError
from paglets.model.message import Message
from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import AdvertiseCall, LeaseCall, LookupCall, WithdrawCall

Q = TypeVar("Q")
R = TypeVar("R")

LEASE_TTL = 60.0
"""Seconds a lease lasts without renewal."""


@dataclass(frozen=True)
class ServiceRecord:
    """An entry of the service registry: who provides what, and where."""

    name: str
    version: str
    provider: PagletProxyRef
    operations: tuple[str, ...] = ()
    scope: ServiceScope = ServiceScope.MESH
    capabilities: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    host_name: str = ""


class ServiceHandle:
    """A typed client of one provider of a contract."""

    def __init__(self, port: HostPort, contract: ServiceContract, body: ServiceBody) -> None:
        self.contract = contract
        self._port = port
        self._body = body
        self._proxy = PagletProxy(port, body.provider)

    @property
    def record(self) -> ServiceRecord:
        """The provider's entry, with its present address."""
        body = self._body
        return ServiceRecord(
            name=body.name,
            version=body.version,
            provider=self._proxy.ref(),
            operations=body.operations,
            scope=body.scope,
            capabilities=body.capabilities,
            metadata=body.metadata,
            host_name=body.host_name,
        )

    def call(self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = 30.0) -> R:
        """Call an operation and return its reply.

        Args:
            operation: One of the contract's.
            request: As the operation says.
            timeout: Seconds to the reply.

        Raises:
            TypeError: `request` is not of the operation's type.
            ServiceNotFoundError: The provider does not have this operation.
            PagletsError: As `PagletProxy.send` raises.
        """
        message = self._message(operation, request)
        return self._proxy.send(message, operation.reply, timeout=timeout)

    def call_future(
        self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = 30.0
    ) -> FutureReply[R]:
        """Call an operation without waiting; for async code. Arguments as for `call`."""
        message = self._message(operation, request)
        return self._proxy.send_future(message, operation.reply, timeout=timeout)

    def _message(self, operation: ServiceOperation[Q, R], request: Q) -> Message:
        if operation.name not in self._body.operations:
            offered = ", ".join(self._body.operations) or "none"
            raise ServiceNotFoundError(
                f"the provider of {self._body.name} on {self._body.host_name} has no operation "
                f"{operation.name!r}; it has {offered}"
            )
        if not isinstance(request, operation.request):
            raise TypeError(
                f"{operation.name} takes a {operation.request.__name__}, "
                f"not a {type(request).__name__}"
            )
        return Message.of(request, kind=operation.name)


class ServiceLease(ServiceHandle):
    """A handle that keeps a lazy resident awake until released or expired.

    Use it in `with`. Released with its owner too.
    """

    def __init__(
        self, port: HostPort, contract: ServiceContract, body: ServiceBody, ttl: float
    ) -> None:
        super().__init__(port, contract, body)
        self._ttl = ttl
        self._lease_id: str | None = None
        self._expires_at = 0.0
        self._ask(ttl)

    @property
    def expires_at(self) -> float:
        """When it ends unless renewed, in Unix seconds on this machine's clock."""
        return self._expires_at

    def renew(self, ttl: float | None = None) -> None:
        """Let it last `ttl` seconds from now; None: as long as it was asked for at first.

        Raises:
            ConflictError: It has expired; take a new one.
        """
        self._ask(self._ttl if ttl is None else ttl)

    def release(self) -> None:
        """End it; a second time nothing happens."""
        if self._lease_id is not None:
            self._ask(0.0)
            self._lease_id = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _ask(self, ttl: float) -> None:
        request = LeaseCall(service=self._body, ttl=ttl, lease_id=self._lease_id)
        # Before the question: the provider sleeps no earlier than we believe.
        asked_at = time.time()
        reply = self._port.call(LEASE, request, timeout=CALL_TIMEOUT)
        self._lease_id, self._expires_at = reply.lease_id, asked_at + reply.ttl


class Services:
    """Looks services up by contract, and advertises the calling paglet's own."""

    def __init__(self, port: HostPort) -> None:
        self._port = port

    def require(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
    ) -> ServiceHandle:
        """Return a handle to the best provider.

        Args:
            contract: What is needed.
            scope: `LOCAL` looks at this host only.
            capabilities: The provider must have all of these.

        Raises:
            ServiceNotFoundError: There is none.
        """
        return ServiceHandle(self._port, contract, self._best(contract, scope, capabilities))

    def lookup(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
    ) -> ServiceHandle | None:
        """Return a handle to the best provider, None if there is none."""
        found = self.lookup_all(contract, scope=scope, capabilities=capabilities)
        return found[0] if found else None

    def lookup_all(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
    ) -> list[ServiceHandle]:
        """Return handles to all providers, best first."""
        bodies = self._find(contract, scope, capabilities)
        return [ServiceHandle(self._port, contract, body) for body in bodies]

    def lease(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        ttl: float = LEASE_TTL,
    ) -> ServiceLease:
        """Return a handle that keeps the best provider awake for `ttl` seconds, renewable.

        Raises:
            ServiceNotFoundError: There is none.
        """
        return ServiceLease(self._port, contract, self._best(contract, scope, ()), ttl)

    def advertise(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Offer `contract` in the calling paglet's name, for as long as it lives on this host.

        What the class declares in `services` is advertised without this.
        """
        request = AdvertiseCall(
            name=contract.name,
            version=contract.version,
            operations=contract.operation_names,
            scope=require_enum(scope, ServiceScope, "scope"),
            capabilities=tuple(capabilities),
            metadata=dict(metadata or {}),
        )
        self._port.call(ADVERTISE, request, timeout=CALL_TIMEOUT)

    def withdraw(self, contract: ServiceContract) -> None:
        """Offer `contract` no longer; nothing happens if it was not offered."""
        request = WithdrawCall(name=contract.name, version=contract.version)
        self._port.call(WITHDRAW, request, timeout=CALL_TIMEOUT)

    def _best(
        self, contract: ServiceContract, scope: ServiceScope, capabilities: Sequence[str]
    ) -> ServiceBody:
        bodies = self._find(contract, scope, capabilities)
        if not bodies:
            raise ServiceNotFoundError(
                f"nobody provides {contract.name} version {contract.version} "
                f"({scope.value}); see `paglets service list`",
                name=contract.name,
            )
        return bodies[0]

    def _find(
        self, contract: ServiceContract, scope: ServiceScope, capabilities: Sequence[str]
    ) -> tuple[ServiceBody, ...]:
        request = LookupCall(
            name=contract.name,
            version=contract.version,
            scope=require_enum(scope, ServiceScope, "scope"),
            capabilities=tuple(capabilities),
        )
        return self._port.call(LOOKUP, request, timeout=CALL_TIMEOUT).services
