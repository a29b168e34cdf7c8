"""What the holder of a lease knows of it. Pure: times are arguments.

The leases themselves, which ask the provider's host, are `ServiceLease` in `services.py` (blocking)
and `AsyncServiceLease` in `connect/asyncservices.py` (awaited).
"""

from paglets.model.errors import ConflictError
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LeaseCall, LeaseReply


class LeaseTerm:
    """Asks for a lease, and keeps what was granted.

    Args:
        body: The provider it is on.
        ttl: Seconds it lasts at first, and after a renewal that says nothing else.

    Raises:
        ValueError: `ttl` is not above 0.
    """

    def __init__(self, body: ServiceBody, ttl: float) -> None:
        self._body = body
        self._ttl = seconds_of(ttl)
        self._lease_id: str | None = None
        self.expires_at = 0.0
        """Unix seconds on this machine's clock when it ends unless renewed."""

    def take(self) -> LeaseCall:
        """Return the question for a new lease."""
        return self._call(self._ttl)

    def renew(self, ttl: float | None) -> LeaseCall:
        """Return the question to let it last `ttl` seconds from now; None: as long as at first.

        Raises:
            ConflictError: It was released, or never granted.
            ValueError: `ttl` is not above 0.
        """
        if self._lease_id is None:
            raise ConflictError(f"the lease on {self._body.name} was released: take a new one")
        return self._call(self._ttl if ttl is None else seconds_of(ttl))

    def release(self) -> LeaseCall | None:
        """Return what ends it; None where it is not held."""
        return None if self._lease_id is None else self._call(0.0)

    def granted(self, reply: LeaseReply, *, asked_at: float) -> None:
        """Keep the answer to `take` or `renew`.

        Args:
            reply: The provider's host's.
            asked_at: Unix seconds just before it was asked: the provider sleeps no earlier than
                the holder believes.
        """
        self._lease_id, self.expires_at = reply.lease_id, asked_at + reply.ttl

    def released(self) -> None:
        """Forget it; a later renewal fails."""
        self._lease_id = None

    def _call(self, ttl: float) -> LeaseCall:
        return LeaseCall(service=self._body, ttl=ttl, lease_id=self._lease_id)


def seconds_of(ttl: float) -> float:
    """Return the seconds a lease is to last; ValueError unless they are above 0."""
    if not ttl > 0:
        raise ValueError(f"ttl is seconds above 0, not {ttl!r}")
    return ttl
