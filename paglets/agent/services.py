"""`context.services`: find a service by its contract, call it, keep it awake, offer one.

Lookups answer from the local registry and the gossip, which asks nobody; calls are ordinary
messages to the providing paglet (`servicehandle.py`).
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from paglets.agent.contracts import ServiceContract, ServiceOperation, contract_manifest
from paglets.agent.leaseterm import LeaseTerm
from paglets.agent.port import ADVERTISE, CALL_TIMEOUT, LEASE, LOOKUP, WITHDRAW, HostPort
from paglets.agent.servicehandle import ServiceHandle
from paglets.agent.servicerecord import best_of, lookup_call, one_of, require_tellable
from paglets.model.enums import ServiceScope, require_enum
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import AdvertiseCall, LeaseCall, LookupCall, LookupReply, WithdrawCall

LEASE_TTL = 60.0
"""Seconds a lease lasts without renewal."""


class ServiceLease(ServiceHandle):
    """A handle that keeps a lazy resident awake until released or expired.

    Use it in `with`. Released with its owner too; that of a client outside ends by its TTL.
    """

    def __init__(
        self, port: HostPort, contract: ServiceContract, body: ServiceBody, ttl: float
    ) -> None:
        super().__init__(port, contract, body)
        self._term = LeaseTerm(body, ttl)
        self._ask(self._term.take())

    @property
    def expires_at(self) -> float:
        """When it ends unless renewed, in Unix seconds on this machine's clock."""
        return self._term.expires_at

    def renew(self, ttl: float | None = None) -> None:
        """Let it last `ttl` seconds from now; None: as long as it was asked for at first.

        Raises:
            ConflictError: It has expired, was released, or its host has restarted: take a new one.
            HostUnreachableError: The provider's host does not answer.
            ValueError: `ttl` is not above 0.
        """
        self._ask(self._term.renew(ttl))

    def release(self) -> None:
        """End it; a second time nothing happens.

        Never fails because of the provider's host: what that cannot be told ends by its TTL.
        """
        if (call := self._term.release()) is not None:
            self._ask(call)
            self._term.released()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _ask(self, call: LeaseCall) -> None:
        asked_at = time.time()
        reply = self._port.call(LEASE, call, timeout=CALL_TIMEOUT)
        self._term.granted(reply, asked_at=asked_at)


class Services:
    """Looks services up by contract, and advertises the calling paglet's own."""

    def __init__(self, port: HostPort) -> None:
        self._port = port
        self.provides: Callable[[ServiceOperation[Any, Any]], bool] = _unknown
        """Whether the calling paglet has a method for an operation; set by the runtime."""

    def require(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> ServiceHandle:
        """Return a handle to the best provider: a local one, else on the least loaded host.

        Args:
            contract: What is needed: name and version must be the same.
            scope: `LOCAL` looks at this host only.
            capabilities: The provider must have all of these.
            operations: The provider must have all of these; by default some may be missing.
            host: Name of the host it must be on.

        Raises:
            ServiceNotFoundError: There is none; `versions` has those there are.
        """
        call = lookup_call(contract, scope, capabilities, operations, host)
        body = best_of(self._ask(one_of(call)), contract)
        return ServiceHandle(self._port, contract, body, lambda: self._ask(call))

    def lookup(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> ServiceHandle | None:
        """Return a handle to the best provider, None if there is none; as `require`."""
        call = lookup_call(contract, scope, capabilities, operations, host)
        found = self._ask(one_of(call)).services
        if not found:
            return None
        return ServiceHandle(self._port, contract, found[0], lambda: self._ask(call))

    def lookup_all(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> list[ServiceHandle]:
        """Return handles to all providers, best first; arguments as for `require`."""
        call = lookup_call(contract, scope, capabilities, operations, host)
        return [ServiceHandle(self._port, contract, body) for body in self._all(call)]

    def lease(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
        ttl: float = LEASE_TTL,
    ) -> ServiceLease:
        """Return a handle that keeps the best provider awake; a lazy one runs when this returns.

        Args:
            contract: As for `require`, and so are the others.
            scope: As there.
            capabilities: As there.
            operations: As there.
            host: As there.
            ttl: Seconds it lasts unless renewed, at most an hour. It ends sooner if released, and
                when the calling paglet ends, leaves or sleeps, or its host dies.

        Raises:
            ServiceNotFoundError: There is none.
            HostUnreachableError: The provider's host does not answer.
            ValueError: `ttl` is not above 0.
            PagletsError: The provider cannot be started.
        """
        call = lookup_call(contract, scope, capabilities, operations, host)
        body = best_of(self._ask(one_of(call)), contract)
        return ServiceLease(self._port, contract, body, ttl)

    def advertise(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Offer `contract` in the calling paglet's name until it leaves this host, ends or crashes.

        So say it again in `on_arrival` and `on_activation`. What the class declares in `services`
        is offered without this, also while it sleeps through a restart of its host; of such a
        contract this replaces scope, capabilities and metadata.

        Args:
            contract: Each of its operations has a `@provides` method.
            scope: `LOCAL`: paglets of this host only.
            capabilities: What callers may ask for beyond the contract.
            metadata: What else callers may want to know.

        Raises:
            TypeError: An operation has no `@provides` method, or something is no text.
            ValueError: A capability is empty, longer than 64 characters or has a comma.
            TooLargeError: Capabilities and metadata are more than the mesh carries, about 3 KiB.
        """
        for operation in contract.operations:
            if not self.provides(operation):
                raise TypeError(
                    f"{contract.name} cannot be advertised: no method is marked @provides for its "
                    f"operation {operation.name!r}"
                )
        require_tellable(capabilities, metadata or {})
        request = AdvertiseCall(
            name=contract.name,
            version=contract.version,
            operations=contract_manifest(contract).operations,
            scope=require_enum(scope, ServiceScope, "scope"),
            capabilities=tuple(capabilities),
            metadata=dict(metadata or {}),
        )
        self._port.call(ADVERTISE, request, timeout=CALL_TIMEOUT)

    def withdraw(self, contract: ServiceContract) -> None:
        """Offer `contract` no longer; nothing happens if it was not offered."""
        request = WithdrawCall(name=contract.name, version=contract.version)
        self._port.call(WITHDRAW, request, timeout=CALL_TIMEOUT)

    def _all(self, call: LookupCall) -> list[ServiceBody]:
        """Return all providers, of which one answer holds some hundreds."""
        # The same draw for each page, else a provider could be on two of them or on none.
        call = msgspec.structs.replace(call, seed=1 + secrets.randbits(32))
        found: dict[tuple[str, str, str], ServiceBody] = {}
        while True:
            reply = self._ask(msgspec.structs.replace(call, skip=len(found)))
            before = len(found)
            for body in reply.services:
                ref = body.provider
                found.setdefault((ref.agent_id, ref.host_id, ref.birth_id), body)
            if reply.is_last or len(found) == before:
                return list(found.values())

    def _ask(self, call: LookupCall) -> LookupReply:
        return self._port.call(LOOKUP, call, timeout=CALL_TIMEOUT)


def _unknown(_operation: ServiceOperation[Any, Any]) -> bool:
    """Outside any paglet, where nothing can be advertised anyway."""
    return True
