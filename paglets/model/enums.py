"""Closed values of the system: enums in Python, strings on the wire, in TOML and in JSON.

Python calls take the enum only; `require_enum` turns a raw string into a `TypeError` that says so.
"""

from enum import Enum, IntEnum, StrEnum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


def require_enum(value: object, expected: type[E], parameter: str) -> E:
    """Return `value` if it is a member of `expected`.

    Raises:
        TypeError: It is something else, such as the member's string.
    """
    if isinstance(value, expected):
        return value
    choices = ", ".join(f"{expected.__name__}.{member.name}" for member in expected)
    raise TypeError(f"{parameter} takes {choices}, not {value!r}")


class Priority(IntEnum):
    """Order in a mailbox: 1 to 10, highest first. Any integer in between is allowed too."""

    UNQUEUED = 0
    """Not queued at all: handled at once, beside the current handler."""
    MIN = 1
    NORMAL = 5
    MAX = 10


class Durability(StrEnum):
    """When a paglet's state is committed to its host's disk."""

    LIFECYCLE = "lifecycle"
    """At life-cycle points and `checkpoint()`."""
    MESSAGE = "message"
    """Also before each reply leaves, together with the outcome of the message."""


class RestartPolicy(StrEnum):
    """What the host does when a Paglet Process exits without being asked."""

    NEVER = "never"
    ON_CRASH = "on-crash"
    """Started again from its last commit, with back-off."""


class ArrivalMode(StrEnum):
    """How a paglet arrives at the target of a move."""

    ACTIVATE = "activate"
    INACTIVE = "inactive"
    """Stored as an inactive record; nothing is started."""


class ServiceScope(StrEnum):
    """How far a service is visible."""

    LOCAL = "local"
    MESH = "mesh"


class ResidentLifecycle(StrEnum):
    """When the provider of a resident service runs."""

    LAZY = "lazy"
    """Discoverable at once, started by the first call or lease."""
    EAGER = "eager"


class Launched(StrEnum):
    """What a host started a paglet for by itself, kept in its row."""

    RESIDENT = "resident"
    """A resident service of launch.toml: stays with its host."""
    PAGLET = "paglet"
    """An entry of `[[paglets]]`."""


class LaunchConfigSyncAction(StrEnum):
    """What a sync of `launch.toml` with the bundled file did or would do."""

    COPIED = "copied"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    UPDATE_AVAILABLE = "update-available"


class UnreachableStop(StrEnum):
    """What an itinerary does about a stop that cannot be reached."""

    SKIP = "skip"
    RETRY = "retry"
    STOP = "stop"


class Severity(StrEnum):
    """How grave a notification is, in rising order."""

    INFO = "info"
    """For whoever wants to know."""
    WARNING = "warning"
    """Somebody should look at it some day."""
    ERROR = "error"
    """Something failed that was asked for."""
    CRITICAL = "critical"
    """Somebody should look at it now."""

    @property
    def rank(self) -> int:
        """Its place in the order; names do not sort by gravity."""
        return list(Severity).index(self)


class MissingReason(StrEnum):
    """Why a FanOut has no result of a host."""

    UNKNOWN = "unknown"
    """No host of this name is known."""
    DEAD = "dead"
    """The host was not online, or went away."""
    REFUSED = "refused"
    """It did not take the clone."""
    SLOW = "slow"
    """There was no result within the deadline."""
    FAILED = "failed"
    """The method raised, or its result could not be sent."""
    CRASHED = "crashed"
    """The clone's process ended, or was started again: nothing is done twice."""
    STOPPED = "stopped"
    """It was stopped before."""


class SharePhase(StrEnum):
    """How far a FanOut is on one host."""

    PENDING = "pending"
    """Its clone has not begun."""
    WORKING = "working"
    DONE = "done"
    MISSING = "missing"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self in {SharePhase.DONE, SharePhase.MISSING}


class TaskStatus(StrEnum):
    """How far a task of a TaskPaglet is."""

    QUEUED = "queued"
    """Taken; another one is worked on."""
    RUNNING = "running"
    DONE = "done"
    """It has a result."""
    FAILED = "failed"
    """Its method raised, or did not end within the deadline."""
    CANCELLED = "cancelled"
    """It was cancelled before it began, or its method obeyed."""

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self not in {TaskStatus.QUEUED, TaskStatus.RUNNING}


class TaskPhase(StrEnum):
    """Life-cycle points at which an itinerary runs its tasks."""

    ARRIVAL = "arrival"
    DISPATCH = "dispatch"
    REVERTING = "reverting"


class EnvelopeKind(StrEnum):
    """Kind of movement an envelope carries."""

    DISPATCH = "dispatch"
    RETRACT = "retract"
    CLONE = "clone"


class PagletStatus(StrEnum):
    """Status of a paglet's row: the only thing recovery starts from."""

    ACTIVE = "active"
    """Has a process, or gets one when its host starts."""
    INACTIVE = "inactive"
    """Asleep on disk."""
    MOVING = "moving"
    """Promised to another host, outcome not known yet: in doubt. Never started here."""
    CLONING = "cloning"
    """The row of a clone that is promised to another host; its original lives on."""
    MOVED = "moved"
    """Tombstone: lives elsewhere, the row says where."""
    CRASHED = "crashed"
    """Its process ended without being asked, or an owed hook raised."""
    UNREADABLE = "unreadable"
    """Its state no longer fits its class; kept until the class is mended."""
    HELD = "held"
    """Its host's data folder was restored from an older copy; waits for `transfer resolve`."""


class TransferRole(StrEnum):
    """Which side of a transfer a record belongs to."""

    SOURCE = "source"
    TARGET = "target"


class TransferOutcome(StrEnum):
    """Outcome of a transfer; only the target's decision settles it."""

    UNDECIDED = "undecided"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class FileMode(StrEnum):
    """What happens to the original of a registered file when its paglet moves."""

    COPY = "copy"
    MOVE = "move"


class Hook(StrEnum):
    """The life-cycle hooks an author may override, by method name."""

    ON_CREATION = "on_creation"
    ON_DISPATCHING = "on_dispatching"
    ON_ARRIVAL = "on_arrival"
    ON_REVERTING = "on_reverting"
    ON_CLONING = "on_cloning"
    ON_CLONE = "on_clone"
    ON_CLONED = "on_cloned"
    ON_DEACTIVATING = "on_deactivating"
    ON_ACTIVATION = "on_activation"
    ON_DISPOSING = "on_disposing"
    ON_MOVE_FAILED = "on_move_failed"
    RUN = "run"


class Verb(StrEnum):
    """Life-cycle verbs, as in URLs, on the command line and in errors."""

    CREATE = "create"
    DISPATCH = "dispatch"
    CLONE = "clone"
    RETRACT = "retract"
    DEACTIVATE = "deactivate"
    ACTIVATE = "activate"
    DISPOSE = "dispose"


class MemberStatus(StrEnum):
    """What a host believes of a member of its mesh."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"
