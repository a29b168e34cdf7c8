"""Life-cycle verbs by agent id, wherever the paglet is: done here, or sent on to its host.

The one entry for the HTTP API and for paglets that act on others.
"""

from collections.abc import Awaitable, Callable

import msgspec

from paglets.model.enums import EnvelopeKind, PagletStatus, Verb
from paglets.model.errors import LifecycleError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.cloning import Clones
from paglets.runtime.common import Common
from paglets.runtime.creation import Creation
from paglets.runtime.departures import Departures
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.ports import PeerCalls
from paglets.wire.bodies import (
    DeactivateBody,
    DispatchBody,
    DisposeBody,
    EmptyBody,
)
from paglets.wire.hostcalls import LifecycleCall
from paglets.wire.policies import PolicyBody, encode_policy

Here = Callable[[], Awaitable[PagletProxyRef | None]]


class Verbs:
    """Runs life-cycle verbs for one host's callers; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        common: Common,
        *,
        departures: Departures,
        clones: Clones,
        inactivity: Inactivity,
        creation: Creation,
        forwarding: Forwarding,
        calls: PeerCalls,
    ) -> None:
        self._roster = common.roster
        self._departures = departures
        self._clones = clones
        self._inactivity = inactivity
        self._creation = creation
        self._forwarding = forwarding
        self._calls = calls
        timeouts = common.timeouts
        self._patience = timeouts.outcome + timeouts.quiesce + timeouts.hook

    async def dispatch(
        self, agent_id: str, ticket: TransferTicket, *, reason: EnvelopeKind, key: str | None
    ) -> PagletProxyRef:
        """Move a paglet; see `Departures.dispatch`."""
        body = DispatchBody(ticket=ticket, reason=reason.value)
        return await self._address(
            Verb.DISPATCH,
            agent_id,
            body,
            key,
            lambda: self._departures.dispatch(agent_id, ticket, reason=reason, key=key),
        )

    async def clone(
        self,
        agent_id: str,
        ticket: TransferTicket | None,
        *,
        clone_agent_id: str | None,
        key: str | None,
    ) -> PagletProxyRef:
        """Copy a paglet; see `Clones.clone`."""
        body = DispatchBody(ticket=ticket, agent_id=clone_agent_id)
        return await self._address(
            Verb.CLONE,
            agent_id,
            body,
            key,
            lambda: self._clones.clone(agent_id, ticket, clone_agent_id=clone_agent_id, key=key),
        )

    async def retract(
        self, agent_id: str, source: PagletProxyRef | None, *, key: str | None
    ) -> PagletProxyRef:
        """Bring a paglet to this host: its owner is asked to dispatch it here.

        Raises:
            PagletNotFoundError: Nobody who answered has it.
            TransferError: It could not come.
        """
        paglet = self._roster.find(agent_id)
        if paglet is not None and paglet.row.status is not PagletStatus.MOVED:
            return self._roster.ref(paglet)
        peer = await self._owner(agent_id, source)
        me = self._roster.me
        # The owner knows this host by its URL even where its mesh has not heard of it yet.
        ticket = TransferTicket(destination=me.url)
        body = DispatchBody(ticket=ticket, reason=EnvelopeKind.RETRACT.value)
        ref = await self._send(peer, agent_id, Verb.DISPATCH, body, key)
        if ref is None:
            raise LifecycleError(f"{peer.name} gave no address for {agent_id}")
        return ref

    async def deactivate(
        self, agent_id: str, policy: DeactivationPolicy, *, key: str | None
    ) -> PagletProxyRef:
        """Put a paglet to sleep; see `Inactivity.deactivate`."""
        body = DeactivateBody(policy=encode_policy(policy))
        return await self._address(
            Verb.DEACTIVATE,
            agent_id,
            body,
            key,
            lambda: self._inactivity.deactivate(agent_id, policy, key=key),
        )

    async def activate(self, agent_id: str, *, key: str | None) -> PagletProxyRef:
        """Wake a paglet; see `Inactivity.activate`."""
        return await self._address(
            Verb.ACTIVATE,
            agent_id,
            EmptyBody(),
            key,
            lambda: self._inactivity.activate(agent_id, key=key),
        )

    async def dispose(self, agent_id: str, *, force: bool, key: str | None) -> None:
        """End a paglet for good; see `Creation.dispose`."""

        async def here() -> None:
            await self._creation.dispose(agent_id, force=force, key=key)

        await self._run(Verb.DISPOSE, agent_id, DisposeBody(force=force), key, here)

    async def _address(
        self, verb: Verb, agent_id: str, body: msgspec.Struct, key: str | None, here: Here
    ) -> PagletProxyRef:
        ref = await self._run(verb, agent_id, body, key, here)
        if ref is None:
            raise LifecycleError(f"{verb} of {agent_id} gave no address")
        return ref

    async def _run(
        self, verb: Verb, agent_id: str, body: msgspec.Struct, key: str | None, here: Here
    ) -> PagletProxyRef | None:
        paglet = self._roster.find(agent_id)
        if paglet is not None and paglet.row.status is not PagletStatus.MOVED:
            return await here()
        peer = await self._owner(agent_id, None)
        return await self._send(peer, agent_id, verb, body, key)

    async def _owner(self, agent_id: str, source: PagletProxyRef | None) -> PeerAddress:
        paglet = self._roster.find(agent_id)
        if paglet is not None and paglet.row.peer is not None:
            return paglet.row.peer
        if source is not None and source.host_url not in {"", self._roster.me.url}:
            return PeerAddress(source.host_id, source.host_name, source.host_url)
        found = await self._forwarding.locate(agent_id)
        return PeerAddress("", found.host_name, found.host_url)

    async def send_to(self, call: LifecycleCall) -> PagletProxyRef | None:
        """Run a verb on a paglet of another host, as a paglet of this one asked."""
        body: msgspec.Struct
        match Verb(call.verb):
            case Verb.DISPATCH | Verb.CLONE:
                body = DispatchBody(ticket=call.ticket)
            case Verb.DEACTIVATE:
                body = DeactivateBody(policy=call.policy or PolicyBody())
            case Verb.DISPOSE:
                body = DisposeBody(force=call.force)
            case _:
                body = EmptyBody()
        ref = call.ref
        peer = PeerAddress(ref.host_id, ref.host_name, ref.host_url)
        return await self._send(peer, ref.agent_id, Verb(call.verb), body, call.key)

    async def _send(
        self,
        peer: PeerAddress,
        agent_id: str,
        verb: Verb,
        body: msgspec.Struct,
        key: str | None,
    ) -> PagletProxyRef | None:
        return await self._calls.lifecycle(
            peer,
            agent_id,
            verb.value,
            msgspec.json.encode(body),
            key=key or new_id(),
            timeout=self._patience,
        )
