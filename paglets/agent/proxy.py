"""PagletProxy: a handle to a paglet, wherever it is.

It sends messages and asks for life-cycle verbs through a HostPort; it holds no reference to the
object itself. Hosts follow a paglet that moved, and tell its present address with each reply; the
proxy keeps that, so the next call goes direct.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, overload

from paglets.agent.asynccode import current_task
from paglets.agent.future import FutureReply
from paglets.agent.port import (
    CALL_TIMEOUT,
    INFO,
    LIFECYCLE,
    LIFECYCLE_TIMEOUT,
    SEND,
    STATE,
    HostPort,
)
from paglets.model.enums import Verb
from paglets.model.errors import PagletNotFoundError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id, parse_name
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import Target, TransferTicket, ticket_for
from paglets.wire.bodies import AgentInfo
from paglets.wire.hostcalls import LifecycleCall, RefCall, SendCall, SendReply
from paglets.wire.jsonvalues import decode_json_value, decode_reply
from paglets.wire.messages import encode_message, wire_message
from paglets.wire.policies import encode_policy

T = TypeVar("T")

SEND_TIMEOUT = 30.0
"""Seconds a message has by default, from the call to the reply."""


class PagletProxy:
    """A controlled handle to a paglet. Made by `context.proxies`, `create`, `clone` and `connect`.

    It works in any thread. Calls block, and raise RuntimeError in async code of a paglet, except
    `send_future` and `send_oneway`.
    """

    def __init__(self, port: HostPort, ref: PagletProxyRef) -> None:
        parse_name(ref.agent_id, what="agent id")
        self._port = port
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
    def send(
        self,
        message: Message,
        *,
        timeout: float = ...,
        no_delay: bool = ...,
        retry_for: float | None = ...,
    ) -> JsonValue: ...
    @overload
    def send(
        self,
        message: Message,
        reply_type: type[T],
        *,
        timeout: float = ...,
        no_delay: bool = ...,
        retry_for: float | None = ...,
    ) -> T: ...
    def send(
        self,
        message: Message,
        reply_type: type[T] | None = None,
        *,
        timeout: float = SEND_TIMEOUT,
        no_delay: bool = False,
        retry_for: float | None = None,
    ) -> JsonValue | T:
        """Send a message and return what its handler returned.

        Handled at most once; with `retry_for` exactly once as long as the target's process lives,
        and for MESSAGE paglets through crashes too. Where the handler dispatched its paglet, the
        reply is a proxy of the moved paglet.

        Args:
            message: What to send.
            reply_type: Type to read the reply as; None: the plain JSON value.
            timeout: Seconds from now to the reply.
            no_delay: Fail at once where the paglet is inactive; do not wake it or queue for it.
            retry_for: Seconds (at most 600) for which the hosts repeat the message under one id.

        Raises:
            HandlerError: The handler raised; has its type, message and traceback.
            NotHandledError: The paglet has no handler for this kind.
            PagletNotFoundError: No reachable host knows the paglet.
            PagletInactiveError: It is asleep, and its policy or `no_delay` says not to wake it.
            PagletCrashedError: Its process ended before the reply.
            MoveInDoubtError: It is promised to a host that has not answered.
            CallCycleError: It waits, directly or not, for the calling paglet.
            HostUnreachableError: No answer from its host.
            DeadlineError: No reply in time; it may still be handled.
        """
        request = self._request(self.outgoing(message), (timeout, retry_for), no_delay=no_delay)
        reply = self._port.call(SEND, request, timeout=max(timeout, retry_for or 0.0))
        return self._converted(reply, reply_type)

    def outgoing(self, message: Message) -> Message:
        """Return a message as the calling paglet sends it: with its address and a derived id."""
        derived = self._port.derive_id()
        message_id = message.message_id if derived is None else derived
        return replace(message, sender=self._port.sender, message_id=message_id)

    def exchange(self, message: Message, *, timeout: float = SEND_TIMEOUT) -> SendReply:
        """Send an `outgoing` message and return the answer undecoded; raises as `send`."""
        request = self._request(message, (timeout, None))
        reply = self._port.call(SEND, request, timeout=timeout)
        self._moved_to(reply.address)
        return reply

    def exchange_future(
        self, message: Message, convert: Callable[[SendReply], T], *, timeout: float = SEND_TIMEOUT
    ) -> FutureReply[T]:
        """Send an `outgoing` message and return at once; `convert` makes the reply."""

        def converted(reply: SendReply) -> T:
            self._moved_to(reply.address)
            return convert(reply)

        return self._exchanged(message, (timeout, None), converted)

    def _exchanged(
        self,
        message: Message,
        times: tuple[float, float | None],
        convert: Callable[[SendReply], T],
    ) -> FutureReply[T]:
        # Async code awaits it and so waits; plain code that goes on does not, and may be called.
        request = self._request(message, times, is_waiting=current_task() is not None)
        longest = max(times[0], times[1] or 0.0)
        future = self._port.call_future(SEND, request, timeout=longest)
        return FutureReply(future, convert, self._port, longest, self.agent_id)

    def send_oneway(self, message: Message, *, no_delay: bool = False) -> None:
        """Send a message nobody waits for; what its handler returns or raises is dropped.

        Returns when it is handed to this host; to a MESSAGE paglet it is stored first.
        """
        body = encode_message(wire_message(self.outgoing(message), oneway=True, no_delay=no_delay))
        request = SendCall(to=self._ref, body=body)
        if current_task() is not None:
            self._port.call_future(SEND, request, timeout=SEND_TIMEOUT)
            return
        self._moved_to(self._port.call(SEND, request, timeout=SEND_TIMEOUT).address)

    @overload
    def send_future(
        self, message: Message, *, timeout: float = ..., retry_for: float | None = ...
    ) -> FutureReply[JsonValue]: ...
    @overload
    def send_future(
        self,
        message: Message,
        reply_type: type[T],
        *,
        timeout: float = ...,
        retry_for: float | None = ...,
    ) -> FutureReply[T]: ...
    def send_future(
        self,
        message: Message,
        reply_type: type[T] | None = None,
        *,
        timeout: float = SEND_TIMEOUT,
        retry_for: float | None = None,
    ) -> FutureReply[JsonValue] | FutureReply[T]:
        """Send a message and return at once; the reply is awaited or asked for later.

        Arguments as for `send`.
        """
        return self._exchanged(
            self.outgoing(message),
            (timeout, retry_for),
            lambda reply: self._converted(reply, reply_type),
        )

    def dispatch(self, target: Target) -> "PagletProxy":
        """Move the paglet to another host; return this proxy with its new address.

        Raises:
            TransferError: It did not move and goes on where it was.
            MoveInDoubtError: The target has not answered; it is never doubled.
            BusyError: Another life-cycle verb runs on it.
        """
        return self._lifecycle(Verb.DISPATCH, ticket=ticket_for(target))

    def clone(self, target: Target | None = None) -> "PagletProxy":
        """Copy the paglet to `target`, or to where it is; return the clone's proxy."""
        ticket = None if target is None else ticket_for(target)
        request = self._verb(Verb.CLONE, ticket=ticket)
        ref = self._port.call(LIFECYCLE, request, timeout=LIFECYCLE_TIMEOUT).ref
        return PagletProxy(self._port, ref)

    def retract(self, to: Target) -> "PagletProxy":
        """Bring the paglet to the host `to`; return this proxy with its new address."""
        return self._lifecycle(Verb.RETRACT, ticket=ticket_for(to))

    def deactivate(self, policy: DeactivationPolicy | None = None) -> None:
        """Put the paglet to sleep; `policy` says what wakes it."""
        request = replace_policy(self._verb(Verb.DEACTIVATE), policy or DeactivationPolicy())
        self._moved_to(self._port.call(LIFECYCLE, request, timeout=LIFECYCLE_TIMEOUT).ref)

    def activate(self) -> None:
        """Wake the paglet; nothing happens if it is awake."""
        self._lifecycle(Verb.ACTIVATE)

    def dispose(self, *, force: bool = False) -> None:
        """End the paglet for good.

        Args:
            force: Kill its process without `on_disposing`.
        """
        self._lifecycle(Verb.DISPOSE, force=force)

    def info(self) -> AgentInfo:
        """Return status, host and counts of the paglet.

        Raises:
            PagletNotFoundError: No reachable host knows it.
        """
        agents = self._port.call(INFO, RefCall(ref=self._ref), timeout=CALL_TIMEOUT).agents
        if not agents:
            raise PagletNotFoundError(f"no reachable host knows paglet {self.agent_id}")
        return agents[0]

    def state(self) -> JsonValue:
        """Return the paglet's state as JSON values, without waiting for its handlers."""
        reply = self._port.call(STATE, RefCall(ref=self._ref), timeout=CALL_TIMEOUT)
        return decode_json_value(reply.state)

    def __repr__(self) -> str:
        return f"<PagletProxy {self.agent_id} at {self.host_url}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PagletProxy) and other.agent_id == self.agent_id

    def __hash__(self) -> int:
        return hash(self.agent_id)

    def _request(
        self,
        message: Message,
        times: tuple[float, float | None],
        *,
        no_delay: bool = False,
        is_waiting: bool = True,
    ) -> SendCall:
        timeout, retry_for = times
        wire = wire_message(
            message,
            no_delay=no_delay,
            timeout=timeout,
            retry_for=retry_for or 0.0,
            path=self._port.waiting() if is_waiting else (),
        )
        return SendCall(to=self._ref, body=encode_message(wire))

    def _converted(self, reply: SendReply, reply_type: type[T] | None) -> JsonValue | T:
        self._moved_to(reply.address)
        if reply.moved:
            return PagletProxy(self._port, self._ref)
        if reply_type is None:
            return decode_json_value(reply.reply)
        return decode_reply(reply.reply, reply_type)

    def _moved_to(self, address: PagletProxyRef | None) -> None:
        if address is not None and address.agent_id == self.agent_id:
            self._ref = address

    def _verb(
        self, verb: Verb, *, ticket: TransferTicket | None = None, force: bool = False
    ) -> LifecycleCall:
        key = self._port.derive_id() or new_id()
        return LifecycleCall(ref=self._ref, verb=verb.value, ticket=ticket, force=force, key=key)

    def _lifecycle(
        self, verb: Verb, *, ticket: TransferTicket | None = None, force: bool = False
    ) -> "PagletProxy":
        request = self._verb(verb, ticket=ticket, force=force)
        self._moved_to(self._port.call(LIFECYCLE, request, timeout=LIFECYCLE_TIMEOUT).ref)
        return self


def replace_policy(request: LifecycleCall, policy: DeactivationPolicy) -> LifecycleCall:
    """Return `request` with a DeactivationPolicy."""
    return LifecycleCall(
        ref=request.ref, verb=request.verb, policy=encode_policy(policy), key=request.key
    )
