"""Which call of the host some author's code runs for: the message, hook or `run()` at hand.

A context variable, so it follows threads of ours and asyncio tasks. It says who waits, from what
ids of sent messages are derived, and whether the paglet has asked to leave. `DepartureUnwind` is
how it leaves: no `except Exception` of an author stops it, and catching it changes nothing.
"""

import hashlib
import itertools
from contextvars import ContextVar
from enum import Enum, auto
from typing import NoReturn

from paglets.wire.calls import Departure


class DepartureUnwind(BaseException):
    """Unwinds code of a paglet that leaves. Not for authors."""


class ScopeKind(Enum):
    """What the author's code was called for."""

    QUEUED = auto()
    """A message of the mailbox: one at a time."""
    UNQUEUED = auto()
    """A message beside another."""
    HOOK = auto()
    """A hook after which the paglet goes on here; it may depart."""
    LEAVING = auto()
    """A hook of a life-cycle call that is under way; it cannot start another."""
    RUN = auto()
    """`run()`, or the itinerary going on by itself."""


class CallScope:
    """One call of author's code.

    Args:
        kind: What for.
        message_id: Id of the message being handled, else empty.
        message_kind: Its kind.
        path: Agent ids that wait for this call to return, outermost first, this one last.
        derive_from: What ids made in it are derived from; None: they are random.
    """

    __slots__ = (
        "_ordinals",
        "departure",
        "derive_from",
        "is_over",
        "is_refused",
        "kind",
        "message_id",
        "message_kind",
        "path",
        "refusal",
    )

    def __init__(
        self,
        kind: ScopeKind,
        *,
        message_id: str = "",
        message_kind: str = "",
        path: tuple[str, ...] = (),
        derive_from: str | None = None,
    ) -> None:
        self.kind = kind
        self.message_id = message_id
        self.message_kind = message_kind
        self.path = path
        self.derive_from = derive_from
        self.departure: Departure | None = None
        """What it unwound with: from then on it asks the host for nothing else."""
        self.is_over = False
        """The gate closed on `run()`: its calls to the host unwind."""
        self.is_refused = False
        """`not_handled()` was called in it, so NotHandledError is its own answer."""
        self.refusal: Exception | None = None
        """What its last `dispatch()` was refused with: where it passes on, the sender's answer."""
        self._ordinals = itertools.count()

    @property
    def is_unwinding(self) -> bool:
        """Whether a call to the host made now unwinds instead."""
        return self.is_over or self.departure is not None

    def depart(self, departure: Departure) -> NoReturn:
        """Record the wish to leave, the first one only, and unwind.

        Raises:
            DepartureUnwind: Always.
        """
        if self.departure is None:
            self.departure = departure
        raise DepartureUnwind(departure.verb)

    def derive_id(self) -> str | None:
        """Return the id of the next thing sent or made: the same in a second run of the call."""
        if self.derive_from is None:
            return None
        text = f"{self.derive_from}:{next(self._ordinals)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


_current: ContextVar[CallScope | None] = ContextVar("paglets_call", default=None)

current_scope = _current.get
"""Return the scope of the calling code; None in threads that an author started."""

enter_scope = _current.set
"""Make a scope the present one; returns the token for `leave_scope`."""

leave_scope = _current.reset
"""Make the scope before the present one again."""
