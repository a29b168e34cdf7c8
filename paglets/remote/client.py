"""`HostClient`: the API of one host as typed calls.

Used by the command line, by `paglets.connect`, by hosts towards their peers and by tests; all
have the same errors, those of `model/errors.py`, whether they arose there, on the way or here.

Not here: sockets and signatures (`remote/session.py`), moves (`remote/transfers.py`), proxies
(`paglets.connect`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Self

import msgspec

from paglets.model.errors import FullError
from paglets.model.refs import PagletProxyRef
from paglets.remote.endpoint import Endpoint, Query, decode_answer, limited
from paglets.remote.session import PeerSession
from paglets.remote.sse import read_events
from paglets.wire import bodies, hostbodies
from paglets.wire.hostcalls import LookupCall
from paglets.wire.messages import patch_message

_STATE_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""The largest state a host may be set to hold."""
_DRAIN_GRACE = 30.0
"""Seconds beyond its deadline that the last moves of a drain may take."""
VERDICT_GRACE = 1.0
"""Seconds after a message's time in which its host's own word on it is still awaited."""
_DEFAULT_RETRY_SECONDS = 1.0
"""Pause after a 429 that names none."""


class HostClient:
    """Calls to one host. Cheap to make; the session behind it is shared.

    Every method takes `timeout` in seconds and raises what `PeerSession.request` does; `query`
    holds the query parameters that `wire/routes.py` lists for the route.

    Args:
        endpoint: The host.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @classmethod
    def at(cls, session: PeerSession, url: str, *, host_id: str = "") -> Self:
        """Return a client of the host at `url`; as `Endpoint`."""
        return cls(Endpoint(session, url, host_id=host_id))

    @property
    def url(self) -> str:
        """Base URL of the host that is asked."""
        return self._endpoint.url

    @property
    def endpoint(self) -> Endpoint:
        """The host, for calls that are not here."""
        return self._endpoint

    def on_host(self, name: str) -> "HostClient":
        """Return a client of the host called `name`, reached through this one, one hop."""
        return HostClient(self._endpoint.on_host(name))

    async def health(self, *, timeout: float = 10.0) -> hostbodies.HealthBody:
        """Return how the host is."""
        return await self._endpoint.get(
            self._endpoint.call("health", timeout=timeout), hostbodies.HealthBody
        )

    async def hosts(self, query: Query | None = None, *, timeout: float = 10.0) -> bodies.HostList:
        """Return the hosts of its mesh."""
        call = self._endpoint.call("hosts", query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.HostList)

    async def records(
        self, query: Query | None = None, *, timeout: float = 10.0
    ) -> bodies.RecordList:
        """Return a page of what hosts and paglets have told the whole mesh, as it knows it."""
        call = self._endpoint.call("records", query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.RecordList)

    async def show_service(
        self, name: str, version: str = "", *, timeout: float = 10.0
    ) -> bodies.ContractList:
        """Return the contracts of a service that the host provides itself, with their schemas."""
        query = {"version": version} if version else None
        call = self._endpoint.call("show_service", name, query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.ContractList)

    async def services(
        self, wanted: LookupCall | None = None, *, timeout: float = 10.0
    ) -> bodies.ServiceList:
        """Return the services that can be called from there, the best provider first."""
        query = None if wanted is None else _service_query(wanted)
        call = self._endpoint.call("services", query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.ServiceList)

    async def events(
        self, query: Query | None = None, *, timeout: float = 10.0
    ) -> hostbodies.EventList:
        """Return events of the host, or with `scope=mesh` of all hosts by time."""
        call = self._endpoint.call("events", query=query, timeout=timeout)
        return await self._endpoint.get(call, hostbodies.EventList)

    async def follow_events(
        self, query: Query | None = None, *, timeout: float
    ) -> AsyncGenerator[hostbodies.EventList, None]:
        """Yield events as they happen, each batch with the number `missed` before it.

        Args:
            query: As for `events`.
            timeout: Seconds after which the stream ends with HostUnreachableError, however lively.
        """
        call = self._endpoint.call("events", query=query, timeout=timeout)
        async with (
            self._endpoint.open(replace(call, headers={"Accept": "text/event-stream"})) as answer,
            aclosing(read_events(answer.content)) as batches,
        ):
            async for batch in batches:
                yield batch

    async def list_agents(
        self, query: Query | None = None, *, timeout: float = 10.0
    ) -> bodies.AgentList:
        """Return a page of paglets."""
        call = self._endpoint.call("list_agents", query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.AgentList)

    async def show_agent(
        self, agent_id: str, query: Query | None = None, *, timeout: float = 10.0
    ) -> bodies.AgentInfo:
        """Return what is known of a paglet; `search=mesh` asks the other hosts too."""
        call = self._endpoint.call("show_agent", agent_id, query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.AgentInfo)

    async def state(self, agent_id: str, *, timeout: float = 30.0) -> bytes:
        """Return a paglet's state as JSON."""
        call = self._endpoint.call("agent_state", agent_id, timeout=timeout)
        return (await self._endpoint.send(limited(call, _STATE_LIMIT_BYTES))).body

    async def logs(
        self, agent_id: str, *, tail: int = 200, timeout: float = 10.0
    ) -> bodies.LogBody:
        """Return the last `tail` lines a paglet printed."""
        query = {"tail": str(tail)}
        call = self._endpoint.call("agent_logs", agent_id, query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.LogBody)

    async def create(
        self, body: bodies.CreateBody, *, key: str | None = None, timeout: float = 30.0
    ) -> PagletProxyRef:
        """Create a paglet; a repeat with the same `key` gives the first one's outcome."""
        call = self._endpoint.call("create_agent", body=body, key=key, timeout=timeout)
        return (await self._endpoint.get(call, bodies.Address)).ref

    async def lifecycle(
        self,
        agent_id: str,
        verb: str,
        body: bytes = b"{}",
        *,
        key: str | None = None,
        timeout: float = 30.0,
    ) -> PagletProxyRef | None:
        """Dispatch, clone, retract, deactivate, activate or dispose; None after a dispose.

        Args:
            agent_id: The paglet.
            verb: As in `model.enums.Verb`.
            body: The JSON body of that route.
            key: A repeat with the same one gives the first one's outcome; made up if left out.
            timeout: Seconds.
        """
        call = self._endpoint.call(f"{verb}_agent", agent_id, body=body, key=key, timeout=timeout)
        answer = await self._endpoint.send(call)
        return decode_answer(answer, bodies.Address).ref if answer.body else None

    async def lease(
        self, agent_id: str, body: bodies.LeaseBody, *, timeout: float = 30.0
    ) -> bodies.LeaseAnswer:
        """Take, renew or release a lease on a paglet."""
        call = self._endpoint.call(
            "lease_agent", agent_id, body=msgspec.json.encode(body), timeout=timeout
        )
        return decode_answer(await self._endpoint.send(call), bodies.LeaseAnswer)

    async def send(self, agent_id: str, body: bytes, *, timeout: float = 30.0) -> bodies.ReplyBody:
        """Deliver an encoded message (`wire/messages.py`) and return the answer to it.

        A full mailbox is tried again after its Retry-After as long as there is time left: such a
        message was certainly not queued.

        Args:
            agent_id: The paglet.
            body: With a budget of `timeout`.
            timeout: Seconds the message has; the host says what became of it when they are over.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        left = timeout
        while True:
            call = self._endpoint.call(
                "send_message", agent_id, body=body, timeout=left + VERDICT_GRACE
            )
            try:
                return await self._endpoint.get(call, bodies.ReplyBody)
            except FullError as error:
                pause = _seconds(error.detail.get("retry_after"))
                left = deadline - asyncio.get_running_loop().time() - pause
                if left <= 0:
                    raise
            await asyncio.sleep(pause)
            body = patch_message(body, budget_ms=int(left * 1000))

    async def transfers(
        self, query: Query | None = None, *, timeout: float = 10.0
    ) -> bodies.TransferList:
        """Return a page of transfers."""
        call = self._endpoint.call("list_transfers", query=query, timeout=timeout)
        return await self._endpoint.get(call, bodies.TransferList)

    async def resolve(
        self, transfer_id: str, action: str, *, timeout: float = 30.0
    ) -> bodies.TransferInfo:
        """Settle a transfer by an operator's word: `resume` or `drop`."""
        body = bodies.ResolveBody(action=action)
        call = self._endpoint.call("resolve_transfer", transfer_id, body=body, timeout=timeout)
        return await self._endpoint.get(call, bodies.TransferInfo)

    async def drain(self, to: str, *, deadline: float) -> bodies.DrainAnswer:
        """Empty the host: its paglets move to `to` (`auto`: anywhere) or sleep.

        Args:
            to: A host name or `auto`.
            deadline: Seconds for all of it.
        """
        body = bodies.DrainBody(to=to, deadline_seconds=deadline)
        call = self._endpoint.call("drain", body=body, timeout=deadline + _DRAIN_GRACE)
        return await self._endpoint.get(call, bodies.DrainAnswer)


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else _DEFAULT_RETRY_SECONDS


def _service_query(wanted: LookupCall) -> dict[str, str]:
    parameters = {
        "name": wanted.name,
        "version": wanted.version,
        "operations": ",".join(wanted.operations),
        "capabilities": ",".join(wanted.capabilities),
        "host": wanted.host,
        "scope": wanted.scope.value,
        "limit": str(wanted.limit or ""),
    }
    return {name: value for name, value in parameters.items() if value}
