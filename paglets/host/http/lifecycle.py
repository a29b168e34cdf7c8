"""`POST /agents/{id}/{verb}`: paglets are moved, put to sleep, woken and ended."""

from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest, json_answer
from paglets.host.http.ports import Creation, Departures, Inactivity, Leases
from paglets.host.http.routing import Handler
from paglets.model.enums import EnvelopeKind
from paglets.model.errors import InvalidRequestError
from paglets.model.names import parse_name
from paglets.model.transfer import TransferTicket
from paglets.wire.bodies import (
    Address,
    DeactivateBody,
    DispatchBody,
    DisposeBody,
    EmptyBody,
    LeaseBody,
    RetractBody,
)
from paglets.wire.policies import decode_policy


class LifecycleRoutes:
    """Hands life-cycle verbs to the runtime; each takes an Idempotency-Key.

    Args:
        creation: Ends paglets.
        departures: Moves and copies them.
        inactivity: Puts them to sleep and wakes them.
        leases: Keeps them awake.
    """

    def __init__(
        self, creation: Creation, departures: Departures, inactivity: Inactivity, leases: Leases
    ) -> None:
        self._leases = leases
        self._creation = creation
        self._departures = departures
        self._inactivity = inactivity

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {
            "dispatch_agent": self.dispatch,
            "clone_agent": self.clone,
            "retract_agent": self.retract,
            "deactivate_agent": self.deactivate,
            "activate_agent": self.activate,
            "dispose_agent": self.dispose,
            "lease_agent": self.lease,
        }

    async def dispatch(self, asked: ApiRequest) -> Answer:
        """Move a paglet to another host."""
        body = asked.decode(DispatchBody)
        ticket = _ticket(body)
        if ticket is None:
            raise InvalidRequestError("dispatch needs a target or a ticket")
        if body.agent_id is not None:
            raise InvalidRequestError("agent_id is for clone only")
        if body.reason not in {EnvelopeKind.DISPATCH, EnvelopeKind.RETRACT}:
            raise InvalidRequestError(f"reason is {body.reason[:40]!r}; it is dispatch or retract")
        reason = EnvelopeKind(body.reason)
        ref = await self._departures.dispatch(
            asked.id("agent_id"), ticket, reason=reason, key=asked.key
        )
        return json_answer(Address(ref=ref))

    async def clone(self, asked: ApiRequest) -> Answer:
        """Copy a paglet, here or to another host."""
        body = asked.decode(DispatchBody)
        clone_id = body.agent_id
        if clone_id is not None:
            parse_name(clone_id, what="agent id")
        ref = await self._departures.clone(
            asked.id("agent_id"), _ticket(body), clone_agent_id=clone_id, key=asked.key
        )
        return json_answer(Address(ref=ref), 201)

    async def retract(self, asked: ApiRequest) -> Answer:
        """Bring a paglet to this host."""
        body = asked.decode(RetractBody)
        ref = await self._departures.retract(asked.id("agent_id"), body.source, key=asked.key)
        return json_answer(Address(ref=ref))

    async def deactivate(self, asked: ApiRequest) -> Answer:
        """Put a paglet to sleep."""
        try:
            policy = decode_policy(asked.decode(DeactivateBody).policy)
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidRequestError(f"activate_at is no time: {error}") from error
        ref = await self._inactivity.deactivate(asked.id("agent_id"), policy, key=asked.key)
        return json_answer(Address(ref=ref))

    async def activate(self, asked: ApiRequest) -> Answer:
        """Wake a paglet."""
        asked.decode(EmptyBody)
        ref = await self._inactivity.activate(asked.id("agent_id"), key=asked.key)
        return json_answer(Address(ref=ref))

    async def dispose(self, asked: ApiRequest) -> Answer:
        """End a paglet for good."""
        force = asked.decode(DisposeBody).force
        await self._creation.dispose(asked.id("agent_id"), force=force, key=asked.key)
        return ApiAnswer(204)

    async def lease(self, asked: ApiRequest) -> Answer:
        """Take, renew or release a lease on a paglet."""
        return json_answer(await self._leases.serve(asked.id("agent_id"), asked.decode(LeaseBody)))


def _ticket(body: DispatchBody) -> TransferTicket | None:
    if body.ticket is not None and body.target is not None:
        raise InvalidRequestError("give a target or a ticket, not both")
    if body.target is not None:
        return TransferTicket(destination=body.target)
    return body.ticket
