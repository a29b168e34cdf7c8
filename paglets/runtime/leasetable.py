"""The leases on the paglets of one host: who keeps which one awake, and until when. Pure.

A lease is a promise of this host to an owner, for a time: as long as it lasts, the provider is not
put to sleep for idleness. It is kept in memory only. A host that restarts has forgotten it, as its
owner hears when it renews; so nobody believes in a lease that nobody keeps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from paglets.model.errors import ConflictError, FullError, InvalidRequestError

LONGEST = 3600.0
"""Seconds a lease may be asked for at once: so long one outlasts an owner whom nobody watches."""
MOST = 10_000
"""Leases on the paglets of one host at a time."""


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """Who holds a lease."""

    host_id: str = ""
    """Host of the paglet that holds it; empty for a client outside any paglet."""
    generation: int = 0
    """Which life of that host."""
    agent_id: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease."""

    lease_id: str
    agent_id: str
    """The provider."""
    owner: LeaseOwner
    expires_at: float
    """In seconds on the clock of the table's calls."""


class LeaseTable:
    """Leases by id. Expired ones hold nothing, whether or not they were removed yet."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def take(self, lease: Lease, *, now: float) -> Lease:
        """Enter a new lease; a repeat of the same one changes its end only.

        Raises:
            InvalidRequestError: It is to end now or too late, or its id is another lease's.
            FullError: There are too many.
        """
        _require_length(lease.expires_at - now)
        present = self._leases.get(lease.lease_id)
        if present is not None and present != replace(lease, expires_at=present.expires_at):
            raise InvalidRequestError(f"lease {lease.lease_id} is another one: make a new id")
        self._forget(lambda each: each.expires_at <= now)
        if len(self._leases) >= MOST and present is None:
            raise FullError(f"this host has {MOST} leases already: release some", retry_after=1.0)
        self._leases[lease.lease_id] = lease
        return lease

    def renew(self, lease_id: str, *, until: float, now: float) -> Lease:
        """Let a lease end at `until` instead.

        Raises:
            InvalidRequestError: It is to end now or too late.
            ConflictError: It has expired or was released, or the host has restarted since.
        """
        _require_length(until - now)
        present = self._leases.get(lease_id)
        if present is None or present.expires_at <= now:
            self._leases.pop(lease_id, None)
            raise ConflictError(
                f"lease {lease_id} has expired or was released, or its host has restarted: take a "
                "new one",
                lease_id=lease_id,
            )
        renewed = replace(present, expires_at=until)
        self._leases[lease_id] = renewed
        return renewed

    def release(self, lease_id: str) -> bool:
        """End a lease; return whether there was one."""
        return self._leases.pop(lease_id, None) is not None

    def release_host(self, host_id: str, *, up_to: int) -> int:
        """End the leases of all owners on a host that is gone; return how many.

        Args:
            host_id: The host.
            up_to: The last generation of it that is gone; owners in a later life keep theirs.
        """
        return self._forget(
            lambda each: each.owner.host_id == host_id and each.owner.generation <= up_to
        )

    def release_provider(self, agent_id: str) -> int:
        """End the leases on a paglet that is gone; return how many."""
        return self._forget(lambda each: each.agent_id == agent_id)

    def holders(self, agent_id: str, *, now: float) -> list[Lease]:
        """Return the leases that keep a paglet awake now."""
        return [
            each
            for each in self._leases.values()
            if each.agent_id == agent_id and each.expires_at > now
        ]

    def _forget(self, is_over: Callable[[Lease], bool]) -> int:
        gone = [lease_id for lease_id, each in self._leases.items() if is_over(each)]
        for lease_id in gone:
            del self._leases[lease_id]
        return len(gone)


def _require_length(seconds: float) -> None:
    if not math.isfinite(seconds) or not 0 < seconds <= LONGEST:
        raise InvalidRequestError(
            f"a lease lasts more than 0 and at most {LONGEST:g} s, not {seconds:g}: renew it"
        )
