"""ServiceHandle: a typed client of one provider of a contract.

Calls are ordinary messages to the providing paglet, so they follow it when it moves.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.future import FutureReply
from paglets.agent.port import HostPort
from paglets.agent.proxy import SEND_TIMEOUT, PagletProxy
from paglets.agent.servicecalls import encode_request, result_of
from paglets.agent.servicerecord import (
    ServiceRecord,
    another,
    named,
    nothing_ran,
    record_of,
    require_of_contract,
    require_offered,
)
from paglets.model.errors import PagletsError
from paglets.model.message import Message
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupReply, SendReply

Q = TypeVar("Q")
R = TypeVar("R")

Again = Callable[[], LookupReply]
"""Looks up the providers once more."""


class ServiceHandle:
    """A typed client of one provider of a contract; made by `context.services`.

    One from `require` or `lookup` goes to another provider when its own is gone; one from
    `lookup_all` stays with its own, so that each of them is asked.
    """

    def __init__(
        self,
        port: HostPort,
        contract: ServiceContract,
        body: ServiceBody,
        again: Again | None = None,
    ) -> None:
        self.contract = contract
        self._port = port
        self._again = again
        self._body = body
        self._proxy = PagletProxy(port, body.provider)

    @property
    def record(self) -> ServiceRecord:
        """The provider's entry, with its present address."""
        return record_of(self._body, self._proxy.ref())

    def call(
        self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = SEND_TIMEOUT
    ) -> R:
        """Call an operation and return its reply.

        Where the provider is gone and nothing can have run, providers are looked up once more and
        the next one is asked; every other failure is raised.

        Args:
            operation: One of the contract's.
            request: As the operation says.
            timeout: Seconds to the reply.

        Raises:
            TypeError: `request` is not of the operation's type, or the operation not of the
                contract.
            InvalidRequestError: A field of `request` does not fit; `operation` and `field` say
                which. Raised here before anything is sent, or by the provider.
            ServiceNotFoundError: The provider does not have this operation.
            ServiceReplyError: The provider's reply is not what the contract says.
            PagletsError: As `PagletProxy.send` raises.
        """
        message = self._message(operation, request)
        deadline = time.monotonic() + timeout
        try:
            reply = self._proxy.exchange(message, timeout=timeout)
        except PagletsError as error:
            if not nothing_ran(error) or not self._switch(operation):
                raise
            reply = self._proxy.exchange(message, timeout=max(0.001, deadline - time.monotonic()))
        return self._result(operation, reply)

    def call_future(
        self, operation: ServiceOperation[Q, R], request: Q, *, timeout: float = SEND_TIMEOUT
    ) -> FutureReply[R]:
        """Call an operation without waiting; for async code. Arguments as for `call`.

        No other provider is asked where this one is gone.
        """
        message = self._message(operation, request)
        return self._proxy.exchange_future(
            message, lambda reply: self._result(operation, reply), timeout=timeout
        )

    def _message(self, operation: ServiceOperation[Q, R], request: Q) -> Message:
        require_of_contract(self.contract, operation)
        require_offered(self._body, operation)
        # Numbered once: a second attempt is the same message, and later ones keep their ids.
        return self._proxy.outgoing(encode_request(operation, request))

    def _switch(self, operation: ServiceOperation[Q, R]) -> bool:
        """Take another provider that has the operation, if there is one."""
        if self._again is None:
            return False
        body = another(self._again(), self._proxy.ref())
        if body is None or operation.name not in body.operations:
            return False
        self._body, self._proxy = body, PagletProxy(self._port, body.provider)
        return True

    def _result(self, operation: ServiceOperation[Q, R], reply: SendReply) -> R:
        return result_of(operation, reply, named(self._proxy.ref()))
