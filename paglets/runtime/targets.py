"""Where a move goes: from a name, HostRef or URL to a host that has said it would take the paglet.

Step 1 of the move. A refusal here changes nothing anywhere.
"""

import asyncio
import time

from paglets.model.enums import TransferOutcome
from paglets.model.errors import (
    CodeVersionError,
    HostNotFoundError,
    HostUnreachableError,
    MoveInDoubtError,
    PagletsError,
    TransferError,
)
from paglets.model.names import new_id
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.runtime.ports import PeerCalls, PeerHosts
from paglets.runtime.roster import Roster
from paglets.store.rows import PagletRow, TransferRow
from paglets.wire.bodies import CheckBody
from paglets.wire.failures import parse_error_body

_CHECK_GOOD_FOR = 60.0
"""Seconds for which a check need not be repeated when its paglet has unwound to leave."""


class Targets:
    """Resolves and checks targets for one host; used from its loop."""

    def __init__(self, roster: Roster, hosts: PeerHosts, calls: PeerCalls) -> None:
        self._roster = roster
        self._hosts = hosts
        self._calls = calls
        self._passed: dict[str, tuple[float, PeerAddress]] = {}

    def resolve(self, destination: str | HostRef) -> PeerAddress:
        """Return the address of a destination; its host id is empty for a URL nobody knows.

        Raises:
            HostNotFoundError: No host of this name; the message lists those that are known.
        """
        if isinstance(destination, HostRef):
            known = self._hosts.by_id(destination.host_id) if destination.host_id else None
            return _address(known or destination)
        if "://" in destination:
            url = destination.rstrip("/")
            if url == self._roster.me.url:
                return self._roster.me
            for host in self._hosts.hosts():
                if host.url == url:
                    return _address(host)
            return PeerAddress("", "", url)
        if destination == self._roster.me.name:
            return self._roster.me
        found = self._hosts.lookup(destination)
        if found is None:
            known_names = sorted(
                {self._roster.me.name, *(host.name for host in self._hosts.hosts())}
            )
            raise HostNotFoundError(
                f"no host is called {destination!r}; known are {', '.join(known_names)}",
                host=destination,
            )
        return _address(found)

    def require_same_code(self, peer: PeerAddress) -> None:
        """Refuse a host of other code for a creation, as the check does for a move.

        Raises:
            CodeVersionError: Names the difference.
        """
        known = self._hosts.by_id(peer.host_id) if peer.host_id else None
        mine = self._hosts.self_ref().code_version
        if known is not None and known.code_version != mine:
            raise CodeVersionError(
                known.error or f"{known.name} runs {known.code_version}, this host {mine}",
                expected=mine,
                found=known.code_version,
            )

    async def check(self, row: PagletRow, ticket: TransferTicket) -> PeerAddress:
        """Ask the ticket's destination whether it would take the paglet of `row`.

        Raises:
            TransferError: It would not, or cannot be reached after the ticket's retries; `reason`
                is the code of what stood in the way.
        """
        try:
            peer = self.resolve(ticket.destination)
        except HostNotFoundError as error:
            raise TransferError(error.message, reason=error.code) from error
        if peer.host_id == self._roster.me.host_id:
            return peer
        me = self._hosts.self_ref()
        body = CheckBody(
            class_name=row.manifest.class_name,
            state_class=row.manifest.state_class,
            state_bytes=row.state.size,
            ticket=ticket,
            source=self._roster.me,
            code_version=me.code_version,
            agent_id=row.agent_id,
            birth_id=row.birth_id,
        )
        for attempt in range(ticket.retries + 1):
            try:
                answer = await self._calls.check(peer, body, timeout=ticket.timeout)
                return PeerAddress(answer.host_id, answer.name, peer.url or answer.url)
            except HostUnreachableError as error:
                if attempt == ticket.retries:
                    raise _refused(peer, error) from error
                await asyncio.sleep(ticket.retry_interval)
            except PagletsError as error:
                raise _refused(peer, error) from error
        raise AssertionError("the last attempt returns or raises")

    async def check_for(self, row: PagletRow, ticket: TransferTicket) -> tuple[str, PeerAddress]:
        """Check for a paglet that is about to unwind; the id stands for the passed check."""
        target = await self.check(row, ticket)
        now = time.monotonic()
        self._passed = {k: v for k, v in self._passed.items() if v[0] > now}
        check_id = new_id()
        self._passed[check_id] = (now + _CHECK_GOOD_FOR, target)
        return check_id, target

    def passed(self, check_id: str | None) -> PeerAddress | None:
        """Return the target of a check that passed a moment ago, once."""
        found = self._passed.pop(check_id, None) if check_id is not None else None
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    def outcome(self, record: TransferRow | None) -> PagletProxyRef | None:
        """Return the address an outgoing transfer led to, or raise what came of it instead."""
        if record is None:
            return None
        match record.outcome:
            case TransferOutcome.ACCEPTED:
                return PagletProxyRef(
                    host_url=record.peer.url,
                    agent_id=record.agent_id,
                    host_id=record.peer.host_id,
                    host_name=record.peer.name,
                    epoch=record.epoch,
                    birth_id=record.birth_id,
                )
            case TransferOutcome.REFUSED:
                reason = parse_error_body(record.reason, 409) if record.reason else None
                raise TransferError(
                    f"{record.peer.name} refused {record.agent_id}",
                    reason=reason_of(reason) if reason else "refused",
                )
            case TransferOutcome.UNDECIDED:
                raise MoveInDoubtError(
                    f"{record.peer.name} has not answered yet",
                    transfer_id=record.transfer_id,
                    agent_id=record.agent_id,
                )


def _address(host: HostRef) -> PeerAddress:
    return PeerAddress(host.host_id, host.name, host.url)


def reason_of(error: PagletsError) -> str:
    """Return the code of what stood in the way: a target's own word where it gave one."""
    own = error.detail.get("reason") if isinstance(error, TransferError) else None
    return own if isinstance(own, str) else error.code


def _refused(peer: PeerAddress, error: PagletsError) -> TransferError:
    name = peer.name or peer.url
    return TransferError(
        f"{name} would not take it, nothing has changed: {error.message}",
        reason=reason_of(error),
        target=name,
    )
