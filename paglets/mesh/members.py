"""What a host believes of one member, and what follows from news about it.

Pure values, shared by the table, the engine and the driver.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import msgspec

from paglets.mesh.messages import AnyRumour, Identity, Record
from paglets.model.enums import MemberStatus

_RANK = {
    MemberStatus.ALIVE: 0,
    MemberStatus.SUSPECT: 1,
    MemberStatus.DEAD: 2,
    MemberStatus.LEFT: 3,
}

Precedence: TypeAlias = tuple[int, int, int]


class Member(msgspec.Struct, frozen=True, gc=False):
    """One line of the table. Never changed, only replaced."""

    identity: Identity
    incarnation: int
    status: MemberStatus
    since: float
    """When this host came to believe so; seconds on its monotonic clock."""

    @property
    def host_id(self) -> str:
        """Its data folder's id."""
        return self.identity.host_id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.identity.name

    @property
    def generation(self) -> int:
        """Which of its lives this is."""
        return self.identity.generation

    @property
    def is_live(self) -> bool:
        """Whether it is alive or merely suspect."""
        return is_live(self.status)


class Change(StrEnum):
    """What happened to a member, in the eyes of this host."""

    JOINED = "joined"
    """New, restarted, or back from the dead."""
    UPDATED = "updated"
    """It says something else of itself: tags, properties, code version, URL."""
    SUSPECTED = "suspected"
    REFUTED = "refuted"
    """It was suspect and is not any more."""
    DIED = "died"
    LEFT = "left"
    RECORD = "record"
    """One of its records changed."""


@dataclass(frozen=True, slots=True)
class MemberEvent:
    """A change, with the member as it is after it."""

    change: Change
    member: Member
    record: Record | None = None
    """The record that changed; its payload is None if it was withdrawn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a piece of news."""

    rumours: tuple[AnyRumour, ...] = ()
    """To be passed on."""
    events: tuple[MemberEvent, ...] = ()
    """To be told to subscribers."""
    refuted: bool = False
    """We were accused and said no."""
    renewed: bool = False
    """We took a higher generation: another life of our id or name was known."""

    def __add__(self, other: "Outcome") -> "Outcome":
        if other is NOTHING:
            return self
        if self is NOTHING:
            return other
        return Outcome(
            self.rumours + other.rumours,
            self.events + other.events,
            self.refuted or other.refuted,
            self.renewed or other.renewed,
        )


NOTHING = Outcome()
"""Nothing was new."""


def is_live(status: MemberStatus) -> bool:
    """Return whether a status is alive or suspect."""
    return status is MemberStatus.ALIVE or status is MemberStatus.SUSPECT


def precedence(generation: int, incarnation: int, status: MemberStatus) -> Precedence:
    """Return the key by which two beliefs about one host id are ordered; the higher one holds."""
    return generation, incarnation, _RANK[status]
