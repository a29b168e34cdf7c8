"""What a proxy asks (`wire/hostcalls.py`), asked over HTTP: the outside twin of a child's pipe.

Not here: waiting for it from plain code (`port.py`), which host is the entry (`entry.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from paglets.agent.port import Operation
from paglets.connect.hosts import HostWays, reference
from paglets.model.enums import Verb
from paglets.model.errors import (
    InvalidRequestError,
    LifecycleError,
    NotFoundError,
    PagletMovedError,
    PagletNotFoundError,
    PagletsError,
)
from paglets.model.names import is_fixed_id, new_id
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.remote.client import HostClient
from paglets.repeating import may_be_handled_later, may_have_been_done, never, repeat
from paglets.wire import bodies
from paglets.wire import hostcalls as wire
from paglets.wire.messages import decode_message, patch_message

Q = TypeVar("Q", bound=wire.Struct)
R = TypeVar("R", bound=wire.Struct)
Handler = Callable[[Any, float], Awaitable[wire.Struct]]  # each takes the request of its operation

PAGE = "1000"
"""Entries asked for at once."""
CHASES = 8
"""Hosts at which a paglet that moves about is looked for until its state was read there."""
POLL_SECONDS = 0.2
"""Between two looks for a host that is waited for."""

_encoder = msgspec.json.Encoder()


class HttpCalls:
    """Answers the operations that make sense outside a paglet. Used from one event loop.

    Args:
        ways: Reaches the hosts.
    """

    def __init__(self, ways: HostWays) -> None:
        self._ways = ways
        self._handlers: Mapping[str, Handler] = {
            "send": self._send,
            "create": self._create,
            "lifecycle": self._lifecycle,
            "info": self._info,
            "state": self._state,
            "find": self._find,
            "list": self._list,
            "hosts": self._hosts,
            "wait_host": self._wait_host,
            "events": self._events,
            "lookup": self._lookup,
            "lease": self._lease,
        }
        self._leases: dict[str, HostClient] = {}
        """Where each lease that is held was granted."""

    @property
    def ways(self) -> HostWays:
        """How the hosts are reached."""
        return self._ways

    async def call(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> R:
        """Ask, at most for `timeout` seconds.

        Raises:
            PagletsError: As the host answered, or HostUnreachableError where none did.
            InvalidRequestError: Only a paglet can ask this.
        """
        handler = self._handlers.get(operation.name)
        if handler is None:
            raise InvalidRequestError(
                f"{operation.name} is for paglets, this code is outside of one"
            )
        return cast("R", await handler(request, timeout))

    async def _send(self, request: wire.SendCall, timeout: float) -> wire.SendReply:
        message = decode_message(request.body)
        budget, retry_for = message.budget_ms / 1000, message.retry_for_ms / 1000
        first = request.body
        if request.to.birth_id and is_fixed_id(request.to.agent_id):
            # Should it be gone, the one of this id on another host is not meant.
            first = patch_message(first, birth_id=request.to.birth_id)

        async def attempt(number: int, left: float) -> bodies.ReplyBody:
            allowed = min(budget, left)
            changes = {"attempt": number, "budget_ms": int(allowed * 1000)}
            body = first if number == 1 else patch_message(first, **changes)
            client = await self._ways.to_paglet(request.to)
            return await client.send(request.to.agent_id, body, timeout=allowed)

        worth = may_be_handled_later if retry_for else never
        reply = await repeat(attempt, seconds=timeout, is_worth_repeating=worth)
        return wire.SendReply(
            reply=bytes(reply.reply),
            address=reply.address,
            moved=reply.moved,
            stored=reply.stored,
        )

    async def _create(self, request: wire.CreateCall, timeout: float) -> wire.ProxyReply:
        client = (
            self._ways.entry if request.host is None else await self._ways.to_host(request.host)
        )
        body = bodies.CreateBody(
            class_name=request.class_name,
            state=bodies.ABSENT if request.state is None else msgspec.Raw(request.state),
            agent_id=request.agent_id,
        )
        key = request.key or new_id()
        ref = await repeat(
            lambda _number, left: client.create(body, key=key, timeout=left),
            seconds=timeout,
            is_worth_repeating=may_have_been_done,
        )
        return wire.ProxyReply(ref=ref)

    async def _lifecycle(self, request: wire.LifecycleCall, timeout: float) -> wire.ProxyReply:
        client = await self._client_for(request)
        body, key = _encoder.encode(lifecycle_body(request)), request.key or new_id()
        ref = await repeat(
            lambda _number, left: client.lifecycle(
                request.ref.agent_id, request.verb, body, key=key, timeout=left
            ),
            seconds=timeout,
            is_worth_repeating=may_have_been_done,
        )
        return wire.ProxyReply(ref=ref or request.ref)

    async def _client_for(self, request: wire.LifecycleCall) -> HostClient:
        if request.verb != Verb.RETRACT:
            return await self._ways.to_paglet(request.ref)
        if request.ticket is None:
            raise InvalidRequestError("retract needs the host to bring the paglet to")
        return await self._ways.to_host(request.ticket.destination)

    async def _info(self, request: wire.RefCall, timeout: float) -> wire.ListReply:
        return wire.ListReply(agents=(await self._located(request.ref, timeout),))

    async def _located(self, ref: PagletProxyRef, timeout: float) -> bodies.AgentInfo:
        client = await self._ways.to_paglet(ref)
        return await self._ways.find(client, ref.agent_id, timeout=timeout)

    async def _state(self, request: wire.RefCall, timeout: float) -> wire.StateReply:
        agent_id = request.ref.agent_id
        client = await self._ways.to_paglet(request.ref)
        for left in reversed(range(CHASES)):
            try:
                return wire.StateReply(state=await client.state(agent_id, timeout=timeout))
            except (NotFoundError, PagletMovedError, LifecycleError):
                if not left:
                    raise
                info = await self._located(request.ref, timeout)
                client = self._ways.on(info.host_name)
        raise AssertionError("the last chase returns or raises")

    async def _find(self, request: wire.FindCall, timeout: float) -> wire.ProxyReply:
        if request.host is not None:
            client = await self._ways.to_host(request.host)
            info = await client.show_agent(request.agent_id, timeout=timeout)
        else:
            info = await self._ways.find(self._ways.entry, request.agent_id, timeout=timeout)
        return wire.ProxyReply(ref=reference(info))

    async def _list(self, request: wire.ListCall, timeout: float) -> wire.ListReply:
        query = {"limit": PAGE}
        if request.status is not None:
            query["status"] = request.status
        if request.class_name is not None:
            query["class"] = request.class_name
        found: list[bodies.AgentInfo] = []
        while True:
            page = await self._ways.entry.list_agents(query, timeout=timeout)
            found.extend(page.agents)
            if page.next is None:
                return wire.ListReply(agents=tuple(found))
            query["after"] = page.next

    async def _hosts(self, request: wire.HostsCall, timeout: float) -> wire.HostsReply:
        query = {"online": "true"} if request.online_only else None
        listed = await self._ways.entry.hosts(query, timeout=timeout)
        found = [host for host in listed.hosts if request.name in {None, host.name}]
        return wire.HostsReply(hosts=tuple(found))

    async def _wait_host(self, request: wire.WaitHostCall, timeout: float) -> wire.HostReplyBody:
        seconds = min(request.timeout, timeout)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self._online(request.name)
                    if found is not None:
                        return wire.HostReplyBody(host=found)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            return wire.HostReplyBody(host=None)

    async def _online(self, name: str) -> HostRef | None:
        listed = await self._ways.entry.hosts({"online": "true"})
        return next((host for host in listed.hosts if host.name == name), None)

    async def _events(self, request: wire.EventsCall, timeout: float) -> wire.EventsReply:
        query = {"after": str(request.after), "limit": str(request.limit)}
        listed = await self._ways.entry.events(query, timeout=timeout)
        return wire.EventsReply(events=listed.events)

    async def _lookup(self, request: wire.LookupCall, timeout: float) -> wire.LookupReply:
        listed = await self._ways.entry.services(request, timeout=timeout)
        return wire.LookupReply(
            services=listed.services, reason=listed.reason, versions=listed.versions
        )

    async def _lease(self, request: wire.LeaseCall, timeout: float) -> wire.LeaseReply:
        provider, lease_id = request.service.provider, request.lease_id or new_id()
        body = bodies.LeaseBody(
            lease_id=lease_id, ttl_seconds=request.ttl, renews=request.lease_id is not None
        )
        client = self._leases.get(lease_id) or await self._ways.to_paglet(provider)
        try:
            try:
                await _leased(client, provider.agent_id, body, timeout)
            except PagletNotFoundError:
                if body.renews:
                    raise
                # It has moved on: whoever has it now grants it.
                client = self._ways.on((await self._located(provider, timeout)).host_name)
                await _leased(client, provider.agent_id, body, timeout)
        except PagletsError:
            self._leases.pop(lease_id, None)
            if request.ttl:
                raise
            # Giving back never fails: what the provider's host is not told ends by its TTL.
        if request.ttl:
            self._leases[lease_id] = client
        else:
            self._leases.pop(lease_id, None)
        return wire.LeaseReply(lease_id=lease_id, ttl=request.ttl)


async def _leased(
    client: HostClient, agent_id: str, body: bodies.LeaseBody, timeout: float
) -> None:
    # The lease has an id already, so asking again takes, renews or releases the same one.
    await repeat(
        lambda _number, left: client.lease(agent_id, body, timeout=left),
        seconds=timeout,
        is_worth_repeating=may_have_been_done,
    )


def lifecycle_body(request: wire.LifecycleCall) -> msgspec.Struct:
    """Return the JSON body of the route of `request.verb`."""
    match Verb(request.verb):
        case Verb.DISPATCH | Verb.CLONE:
            return bodies.DispatchBody(ticket=request.ticket)
        case Verb.RETRACT:
            return bodies.RetractBody(source=request.ref)
        case Verb.DEACTIVATE if request.policy is not None:
            return bodies.DeactivateBody(policy=request.policy)
        case Verb.DISPOSE:
            return bodies.DisposeBody(force=request.force)
        case _:
            return bodies.EmptyBody()
