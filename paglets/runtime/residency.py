"""What a host does about its residents: decisions from launch.toml, a row, and the time. Pure.

`residents.py` acts on them. A resident has one row under its fixed id, made when it is first
declared; from then on launch.toml and recovery both look at that row, so it never runs twice.
"""

from dataclasses import dataclass
from enum import Enum, auto

from paglets.model.enums import Launched, PagletStatus, ResidentLifecycle
from paglets.model.inactive import DeactivationPolicy
from paglets.model.launch import ResidentService
from paglets.store.rows import PagletRow

RESTING = DeactivationPolicy()
"""Of a lazy resident that is not needed now: the first message wakes it."""

RETIRED = DeactivationPolicy(activate_on_message=False, queue_messages=False)
"""Of one that launch.toml no longer declares: its state is kept, and it serves nobody."""


class Next(Enum):
    """What a starting host does with a resident."""

    CREATE = auto()
    """There is no row: make one, asleep, with the state of launch.toml."""
    START = auto()
    REST = auto()
    """Put the row to sleep, without a process, so that the first call wakes it."""
    WAIT = auto()
    """It sleeps already and is woken by the first call."""
    LEAVE_ALONE = auto()
    """The row under its id is another's, or a person has to decide about it."""


def decide_next(row: PagletRow | None, service: ResidentService, *, has_messages: bool) -> Next:
    """Decide what a starting host does with a declared resident.

    Args:
        row: The row under its id, if there is one.
        service: Its declaration.
        has_messages: Whether messages are stored with the row; they were acknowledged.
    """
    if row is None or row.status is PagletStatus.MOVED:
        return Next.CREATE
    is_lazy = service.lifecycle is ResidentLifecycle.LAZY
    if objection(row, service) is not None or row.status in _UNDECIDED:
        return Next.LEAVE_ALONE
    if row.status is PagletStatus.UNREADABLE:
        return Next.LEAVE_ALONE if is_lazy else Next.START
    if not is_lazy or (has_messages and row.status is not PagletStatus.INACTIVE):
        return Next.START
    return Next.WAIT if _is_resting(row) else Next.REST


_UNDECIDED = {PagletStatus.MOVING, PagletStatus.CLONING, PagletStatus.HELD}
"""Statuses that another host, or a person, has to end."""


def _is_resting(row: PagletRow) -> bool:
    return row.status is PagletStatus.INACTIVE and row.policy == RESTING


def objection(row: PagletRow, service: ResidentService) -> str | None:
    """Return why the row under a resident's id is not that resident's, None if it is."""
    if row.manifest.class_name == service.class_name:
        return None
    return (
        f"{row.agent_id} is a {row.manifest.class_name}, {service.place} declares "
        f"{service.class_name}: `paglets agent dispose {row.agent_id}` makes room, or give the "
        "entry another agent_id"
    )


def is_retired(row: PagletRow, declared: frozenset[str]) -> bool:
    """Whether a row was made for a resident that launch.toml no longer declares."""
    return (
        row.launched is Launched.RESIDENT
        and row.agent_id not in declared
        and row.status
        in {
            PagletStatus.ACTIVE,
            PagletStatus.INACTIVE,
            PagletStatus.CRASHED,
            PagletStatus.UNREADABLE,
        }
    )


@dataclass(slots=True)
class IdleWatch:
    """Notices that a lazy resident has had nothing to do for a while.

    Nothing is counted on the way of a message: `calls`, which grows with each, is compared between
    looks, so a resident sleeps at most one look later than its idle timeout says.
    """

    calls: int
    since: float
    """Since when nothing has happened, in seconds on the clock of the looks."""

    def look(self, calls: int, *, is_busy: bool, now: float) -> float:
        """Return for how many seconds it has been idle.

        Args:
            calls: How many frames its process has been sent.
            is_busy: Whether it has messages, or somebody holds a lease.
            now: The time of this look.
        """
        if is_busy or calls != self.calls:
            self.calls, self.since = calls, now
        return now - self.since


def look_interval(idle_timeouts: list[float]) -> float:
    """Return the seconds between looks: short against the shortest timeout, else seldom."""
    return min(15.0, max(0.02, min(idle_timeouts, default=60.0) / 4))
