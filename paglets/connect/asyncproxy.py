"""`AsyncPagletProxy`: the twin of `PagletProxy` whose calls are awaited."""

from typing import TypeVar, overload

from paglets.agent.port import CALL_TIMEOUT, INFO, LIFECYCLE, LIFECYCLE_TIMEOUT, SEND, STATE
from paglets.agent.proxy import SEND_TIMEOUT
from paglets.connect.calls import HttpCalls
from paglets.model.enums import Verb
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id, parse_name
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import Target, TransferTicket, ticket_for
from paglets.wire.bodies import AgentInfo
from paglets.wire.hostcalls import LifecycleCall, RefCall, SendCall, SendReply
from paglets.wire.jsonvalues import decode_json_value, decode_reply
from paglets.wire.messages import WireMessage, encode_message, wire_message
from paglets.wire.policies import PolicyBody, encode_policy

T = TypeVar("T")


class AsyncPagletProxy:
    """A controlled handle to a paglet, for asyncio programs; made by `AsyncClient`.

    It keeps the address that came with the last reply, so it goes on working after a move.
    """

    def __init__(self, calls: HttpCalls, ref: PagletProxyRef) -> None:
        parse_name(ref.agent_id, what="agent id")
        self._calls = calls
        self._ref = ref

    @property
    def agent_id(self) -> str:
        """Id of the paglet."""
        return self._ref.agent_id

    @property
    def host_url(self) -> str:
        """URL of the host where it was last known to be."""
        return self._ref.host_url

    def ref(self) -> PagletProxyRef:
        """Return the present address, which State and messages can hold."""
        return self._ref

    @overload
    async def send(
        self,
        message: Message,
        *,
        timeout: float = ...,
        no_delay: bool = ...,
        retry_for: float | None = ...,
    ) -> JsonValue: ...
    @overload
    async def send(
        self,
        message: Message,
        reply_type: type[T],
        *,
        timeout: float = ...,
        no_delay: bool = ...,
        retry_for: float | None = ...,
    ) -> T: ...
    async def send(
        self,
        message: Message,
        reply_type: type[T] | None = None,
        *,
        timeout: float = SEND_TIMEOUT,
        no_delay: bool = False,
        retry_for: float | None = None,
    ) -> JsonValue | T:
        """Send a message and return what its handler returned; as `PagletProxy.send`.

        Where the handler dispatched its paglet, the reply is this proxy with the new address.
        """
        sent = wire_message(message, no_delay=no_delay, timeout=timeout, retry_for=retry_for or 0.0)
        reply = await self._sent(sent, max(timeout, retry_for or 0.0))
        if reply.moved:
            return self
        if reply_type is None:
            return decode_json_value(reply.reply)
        return decode_reply(reply.reply, reply_type)

    async def exchange(self, message: Message, *, timeout: float = SEND_TIMEOUT) -> SendReply:
        """Send a message and return the answer undecoded; raises as `send`."""
        return await self._sent(wire_message(message, timeout=timeout), timeout)

    async def send_oneway(self, message: Message, *, no_delay: bool = False) -> None:
        """Send a message nobody waits for; as `PagletProxy.send_oneway`."""
        await self._sent(wire_message(message, oneway=True, no_delay=no_delay), SEND_TIMEOUT)

    async def dispatch(self, target: Target) -> "AsyncPagletProxy":
        """Move the paglet to another host; as `PagletProxy.dispatch`."""
        return await self._lifecycle(Verb.DISPATCH, ticket=ticket_for(target))

    async def clone(self, target: Target | None = None) -> "AsyncPagletProxy":
        """Copy the paglet to `target`, or to where it is; return the clone's proxy."""
        ticket = None if target is None else ticket_for(target)
        return AsyncPagletProxy(self._calls, await self._ask(Verb.CLONE, ticket=ticket))

    async def retract(self, to: Target) -> "AsyncPagletProxy":
        """Bring the paglet to the host `to`; return this proxy with its new address."""
        return await self._lifecycle(Verb.RETRACT, ticket=ticket_for(to))

    async def deactivate(self, policy: DeactivationPolicy | None = None) -> None:
        """Put the paglet to sleep; `policy` says what wakes it."""
        encoded = encode_policy(policy or DeactivationPolicy())
        await self._lifecycle(Verb.DEACTIVATE, policy=encoded)

    async def activate(self) -> None:
        """Wake the paglet; nothing happens if it is awake."""
        await self._lifecycle(Verb.ACTIVATE)

    async def dispose(self, *, force: bool = False) -> None:
        """End the paglet for good; `force` kills its process without `on_disposing`."""
        await self._lifecycle(Verb.DISPOSE, force=force)

    async def info(self) -> AgentInfo:
        """Return status, host and counts of the paglet."""
        request = RefCall(ref=self._ref)
        return (await self._calls.call(INFO, request, timeout=CALL_TIMEOUT)).agents[0]

    async def state(self) -> JsonValue:
        """Return the paglet's state as JSON values, without waiting for its handlers."""
        reply = await self._calls.call(STATE, RefCall(ref=self._ref), timeout=CALL_TIMEOUT)
        return decode_json_value(reply.state)

    def __repr__(self) -> str:
        return f"<AsyncPagletProxy {self.agent_id} at {self.host_url}>"

    async def _sent(self, message: WireMessage, timeout: float) -> SendReply:
        request = SendCall(to=self._ref, body=encode_message(message))
        reply = await self._calls.call(SEND, request, timeout=timeout)
        if reply.address is not None and reply.address.agent_id == self.agent_id:
            self._ref = reply.address
        return reply

    async def _lifecycle(
        self,
        verb: Verb,
        *,
        ticket: TransferTicket | None = None,
        policy: PolicyBody | None = None,
        force: bool = False,
    ) -> "AsyncPagletProxy":
        self._ref = await self._ask(verb, ticket=ticket, policy=policy, force=force)
        return self

    async def _ask(
        self,
        verb: Verb,
        *,
        ticket: TransferTicket | None = None,
        policy: PolicyBody | None = None,
        force: bool = False,
    ) -> PagletProxyRef:
        request = LifecycleCall(
            ref=self._ref, verb=verb.value, ticket=ticket, policy=policy, force=force, key=new_id()
        )
        return (await self._calls.call(LIFECYCLE, request, timeout=LIFECYCLE_TIMEOUT)).ref
