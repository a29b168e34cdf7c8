"""Services for asyncio programs: the twins of `agent/services.py` and `agent/servicehandle.py`."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Self, TypeVar

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.leaseterm import LeaseTerm
from paglets.agent.port import CALL_TIMEOUT, LEASE, LOOKUP
from paglets.agent.proxy import SEND_TIMEOUT
from paglets.agent.servicecalls import encode_request, result_of
from paglets.agent.servicerecord import (
    ServiceRecord,
    another,
    best_of,
    lookup_call,
    named,
    nothing_ran,
    one_of,
    record_of,
    require_of_contract,
    require_offered,
)
from paglets.agent.services import LEASE_TTL
from paglets.connect.asyncproxy import AsyncPagletProxy
from paglets.connect.calls import HttpCalls
from paglets.model.enums import ServiceScope
from paglets.model.errors import PagletsError
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LeaseCall, LookupCall, LookupReply

Q = TypeVar("Q")
R = TypeVar("R")


class AsyncServiceHandle:
    """A typed client of one provider of a contract; made by `AsyncServices`.

    As `ServiceHandle`: one from `require` or `lookup` goes to another provider when its own is
    gone, one from `lookup_all` stays with its own.
    """

    def __init__(
        self,
        calls: HttpCalls,
        contract: ServiceContract,
        body: ServiceBody,
        again: LookupCall | None = None,
    ) -> None:
        self.contract = contract
        self._calls = calls
        self._again = again
        self._body = body
        self._proxy = AsyncPagletProxy(calls, body.provider)

    @property
    def record(self) -> ServiceRecord:
        """The provider's entry, with its present address."""
        return record_of(self._body, self._proxy.ref())

    async def call(
        self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = SEND_TIMEOUT
    ) -> R:
        """Call an operation and return its reply; arguments and errors as `ServiceHandle.call`."""
        require_of_contract(self.contract, operation)
        require_offered(self._body, operation)
        message = encode_request(operation, request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            reply = await self._proxy.exchange(message, timeout=timeout)
        except PagletsError as error:
            if not nothing_ran(error) or not await self._switch(operation):
                raise
            left = max(0.001, deadline - loop.time())
            reply = await self._proxy.exchange(message, timeout=left)
        return result_of(operation, reply, named(self._proxy.ref()))

    async def _switch(self, operation: ServiceOperation[Q, R]) -> bool:
        """Take another provider that has the operation, if there is one."""
        if self._again is None:
            return False
        found = await self._calls.call(LOOKUP, self._again, timeout=CALL_TIMEOUT)
        body = another(found, self._proxy.ref())
        if body is None or operation.name not in body.operations:
            return False
        self._body, self._proxy = body, AsyncPagletProxy(self._calls, body.provider)
        return True


class AsyncServiceLease(AsyncServiceHandle):
    """A handle that keeps a lazy resident awake until released or expired; use it in `async with`.

    Made by `AsyncServices.lease`. Where it is not released its TTL ends it.
    """

    def __init__(
        self, calls: HttpCalls, contract: ServiceContract, body: ServiceBody, ttl: float
    ) -> None:
        super().__init__(calls, contract, body)
        self._term = LeaseTerm(body, ttl)

    @property
    def expires_at(self) -> float:
        """When it ends unless renewed, in Unix seconds on this machine's clock."""
        return self._term.expires_at

    async def renew(self, ttl: float | None = None) -> None:
        """Let it last `ttl` seconds from now; as `ServiceLease.renew`.

        Raises:
            ConflictError: It has expired, was released, or its host has restarted: take a new one.
        """
        await self._ask(self._term.renew(ttl))

    async def release(self) -> None:
        """End it; a second time nothing happens."""
        if (call := self._term.release()) is not None:
            await self._ask(call)
            self._term.released()

    async def take(self) -> Self:
        """Take it; called by `AsyncServices.lease`."""
        await self._ask(self._term.take())
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.release()

    async def _ask(self, call: LeaseCall) -> None:
        asked_at = time.time()
        reply = await self._calls.call(LEASE, call, timeout=CALL_TIMEOUT)
        self._term.granted(reply, asked_at=asked_at)


class AsyncServices:
    """Looks services up by contract, as the entry host sees them; see `Services`."""

    def __init__(self, calls: HttpCalls) -> None:
        self._calls = calls

    async def require(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> AsyncServiceHandle:
        """Return a handle to the best provider; as `Services.require`.

        Raises:
            ServiceNotFoundError: There is none; `versions` has those there are.
        """
        call = lookup_call(contract, scope, capabilities, operations, host)
        body = best_of(await self._ask(one_of(call)), contract)
        return AsyncServiceHandle(self._calls, contract, body, call)

    async def lookup(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> AsyncServiceHandle | None:
        """Return a handle to the best provider, None if there is none."""
        call = lookup_call(contract, scope, capabilities, operations, host)
        found = (await self._ask(one_of(call))).services
        return AsyncServiceHandle(self._calls, contract, found[0], call) if found else None

    async def lookup_all(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
    ) -> list[AsyncServiceHandle]:
        """Return handles to all providers, best first."""
        call = lookup_call(contract, scope, capabilities, operations, host)
        found = (await self._ask(call)).services
        return [AsyncServiceHandle(self._calls, contract, body) for body in found]

    async def lease(
        self,
        contract: ServiceContract,
        *,
        scope: ServiceScope = ServiceScope.MESH,
        capabilities: Sequence[str] = (),
        operations: Sequence[ServiceOperation[Any, Any]] = (),
        host: str | None = None,
        ttl: float = LEASE_TTL,
    ) -> AsyncServiceLease:
        """Return a handle that keeps the best provider awake; as `Services.lease`.

        Raises:
            ServiceNotFoundError: There is none.
        """
        call = lookup_call(contract, scope, capabilities, operations, host)
        body = best_of(await self._ask(one_of(call)), contract)
        return await AsyncServiceLease(self._calls, contract, body, ttl).take()

    async def _ask(self, call: LookupCall) -> LookupReply:
        return await self._calls.call(LOOKUP, call, timeout=CALL_TIMEOUT)
