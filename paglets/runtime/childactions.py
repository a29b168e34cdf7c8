"""Operations by which a paglet acts: send, create, clone, leave, commit."""

import asyncio

import msgspec

from paglets.model.enums import EnvelopeKind, PagletStatus, Verb
from paglets.model.errors import CallCycleError, InvalidRequestError, LifecycleError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.names import new_id
from paglets.model.refs import HostRef
from paglets.repeating import may_be_handled_later, repeat
from paglets.runtime.childcalls import Handler
from paglets.runtime.commits import Commits
from paglets.runtime.creation import Creation
from paglets.runtime.delivery import Delivery
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.leaving import Leaving
from paglets.runtime.ports import PeerCalls
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.targets import Targets
from paglets.runtime.verbs import Verbs
from paglets.wire import hostcalls as ops
from paglets.wire.bodies import ABSENT, CreateBody
from paglets.wire.calls import HostCall, Queued
from paglets.wire.messages import WireMessage, decode_message, patch_message
from paglets.wire.policies import decode_policy

_REMOTE_TIMEOUT = 30.0
"""Seconds another host has to create a paglet."""


class ChildActions:
    """Acts for the paglets of one host; used from its loop."""

    def __init__(  # noqa: PLR0913 - a composition point: each part is handed in once
        self,
        *,
        roster: Roster,
        delivery: Delivery,
        forwarding: Forwarding,
        creation: Creation,
        verbs: Verbs,
        leaving: Leaving,
        targets: Targets,
        commits: Commits,
        calls: PeerCalls,
    ) -> None:
        self._roster = roster
        self._delivery = delivery
        self._forwarding = forwarding
        self._creation = creation
        self._verbs = verbs
        self._leaving = leaving
        self._targets = targets
        self._commits = commits
        self._calls = calls

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "send": self.send,
            "check": self.check,
            "clone": self.clone,
            "create": self.create,
            "lifecycle": self.lifecycle,
            "depart": self.depart,
            "checkpoint": self.checkpoint,
            "watch_queue": self.watch_queue,
        }

    async def send(self, paglet: LocalPaglet, body: ops.SendCall, _call: HostCall) -> ops.SendReply:
        """Deliver a message for the paglet; one with `retry_for` again and again, under its id."""
        message = decode_message(body.body)
        if not message.retry_for_ms:
            return await self._send(body, message)
        link = paglet.link

        async def attempt(number: int, left: float) -> ops.SendReply:
            if number == 1:
                return await self._send(body, message)
            budget_ms = min(message.budget_ms, int(left * 1000))
            again = patch_message(body.body, attempt=number, budget_ms=budget_ms)
            repeated = msgspec.structs.replace(body, body=again)
            return await self._send(repeated, decode_message(again))

        return await repeat(
            attempt,
            seconds=max(message.budget_ms, message.retry_for_ms) / 1000,
            # A process that has ended waits for nothing.
            is_worth_repeating=lambda e: paglet.link is link and may_be_handled_later(e),
        )

    async def _send(self, body: ops.SendCall, message: WireMessage) -> ops.SendReply:
        if self._roster.is_here(body.to):
            target = self._roster.find(body.to.agent_id)
            reply = await self._delivery.deliver(body.to.agent_id, _with_birth(body, target))
            if reply.address is None and body.to.host_id not in {"", self._roster.me.host_id}:
                # It came here since that address was written.
                found = self._roster.find(body.to.agent_id)
                address = None if found is None else self._roster.ref(found)
                reply = msgspec.structs.replace(reply, address=address)
        else:
            deadline = asyncio.get_running_loop().time() + message.budget_ms / 1000
            reply = await self._forwarding.send_to(body.to, message, body.body, deadline=deadline)
        return ops.SendReply(
            reply=bytes(reply.reply),
            address=reply.address,
            moved=reply.moved,
            stored=reply.stored,
        )

    async def check(
        self, paglet: LocalPaglet, body: ops.CheckCall, _call: HostCall
    ) -> ops.CheckReply:
        """Check a target for a paglet that wants to leave."""
        if paglet.verb is not None:
            with paglet.doing(Verb.DISPATCH):
                pass
        paglet.require_movable(Verb.DISPATCH)
        check_id, target = await self._targets.check_for(paglet.row, body.ticket)
        return ops.CheckReply(check_id=check_id, target_name=target.name)

    async def clone(
        self, paglet: LocalPaglet, body: ops.CloneCall, _call: HostCall
    ) -> ops.ProxyReply:
        """Clone the calling paglet."""
        ticket = body.ticket
        here = ticket is None or self._is_here(ticket.destination)
        key = f"clone:{body.clone_agent_id}" if body.clone_agent_id else None
        ref = await self._verbs.clone(
            paglet.agent_id,
            None if here else ticket,
            clone_agent_id=body.clone_agent_id,
            key=key,
        )
        return ops.ProxyReply(ref=ref)

    def _is_here(self, target: str | HostRef) -> bool:
        me = self._roster.me
        if isinstance(target, HostRef):
            return target.host_id == me.host_id if target.host_id else target.url == me.url
        return target in {me.name, me.url}

    async def create(
        self, _paglet: LocalPaglet, body: ops.CreateCall, _call: HostCall
    ) -> ops.ProxyReply:
        """Create a paglet here or on another host."""
        state = ABSENT if body.state is None else msgspec.Raw(body.state)
        create = CreateBody(class_name=body.class_name, state=state, agent_id=body.agent_id)
        key = body.key or new_id()
        if body.host is None or body.host in {self._roster.me.name, self._roster.me.url}:
            return ops.ProxyReply(ref=await self._creation.create(create, key=key))
        peer = self._targets.resolve(body.host)
        self._targets.require_same_code(peer)
        ref = await self._calls.create(peer, create, key=key, timeout=_REMOTE_TIMEOUT)
        return ops.ProxyReply(ref=ref)

    async def lifecycle(
        self, _paglet: LocalPaglet, body: ops.LifecycleCall, call: HostCall
    ) -> ops.ProxyReply:
        """Run a life-cycle verb on another paglet."""
        agent_id = body.ref.agent_id
        if agent_id in call.waiting and body.verb != Verb.ACTIVATE:
            raise CallCycleError(
                f"{agent_id} waits for this call: a paglet uses its own {body.verb}() for itself",
                agent_id=agent_id,
            )
        if not self._roster.is_here(body.ref):
            return await self._lifecycle_there(body)
        return await self._lifecycle_here(body, agent_id)

    async def _lifecycle_here(self, body: ops.LifecycleCall, agent_id: str) -> ops.ProxyReply:
        verb = Verb(body.verb)
        match verb:
            case Verb.DISPATCH:
                if body.ticket is None:
                    raise InvalidRequestError("dispatch takes a target")
                ref = await self._verbs.dispatch(
                    agent_id, body.ticket, reason=EnvelopeKind.DISPATCH, key=body.key
                )
            case Verb.CLONE:
                ref = await self._verbs.clone(
                    agent_id, body.ticket, clone_agent_id=None, key=body.key
                )
            case Verb.RETRACT:
                ref = await self._verbs.retract(agent_id, body.ref, key=body.key)
            case Verb.DEACTIVATE:
                policy = decode_policy(body.policy) if body.policy else DeactivationPolicy()
                ref = await self._verbs.deactivate(agent_id, policy, key=body.key)
            case Verb.ACTIVATE:
                ref = await self._verbs.activate(agent_id, key=body.key)
            case Verb.DISPOSE:
                await self._verbs.dispose(agent_id, force=body.force, key=body.key)
                ref = body.ref
            case _:
                raise InvalidRequestError("create is an operation of its own")
        return ops.ProxyReply(ref=ref)

    async def _lifecycle_there(self, body: ops.LifecycleCall) -> ops.ProxyReply:
        if body.verb == Verb.RETRACT:
            ref = await self._verbs.retract(body.ref.agent_id, body.ref, key=body.key)
            return ops.ProxyReply(ref=ref)
        sent = await self._verbs.send_to(body)
        return ops.ProxyReply(ref=sent or body.ref)

    async def depart(self, paglet: LocalPaglet, body: ops.DepartCall, _call: HostCall) -> ops.Empty:
        """Carry out what `run()` unwound for; it hears of a failure and starts anew."""
        await self._leaving.leave(paglet, body.departure)
        return ops.Empty()

    async def checkpoint(
        self, paglet: LocalPaglet, body: ops.CheckpointCall, _call: HostCall
    ) -> ops.Empty:
        """Commit the paglet's state."""
        if paglet.row.status is not PagletStatus.ACTIVE:
            raise LifecycleError(
                f"{paglet.agent_id} is {paglet.row.status}: nothing to commit",
                agent_id=paglet.agent_id,
            )
        await self._commits.save(paglet, body.snapshot)
        return ops.Empty()

    async def watch_queue(
        self, paglet: LocalPaglet, _body: ops.Empty, _call: HostCall
    ) -> ops.Empty:
        """Tell the paglet of queued messages, those there are and those to come."""
        paglet.watches_queue = True
        if paglet.link is not None:
            paglet.link.tell(Queued(count=len(paglet.mailbox)))
        return ops.Empty()


def _with_birth(body: ops.SendCall, target: LocalPaglet | None) -> bytes:
    """Return the message; for a paglet that is not here, with which of its id is meant."""
    if target is not None or not body.to.birth_id:
        return body.body
    return patch_message(body.body, birth_id=body.to.birth_id)
