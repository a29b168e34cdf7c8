"""COMPUTE_SLOTS: what every host answers about jobs, its own and those submitted to it.

A host has two parts in it. Where a job is *submitted* is its home: the host knows it from then
until its result is given up. Where it *runs* the host gives it a slot: so many cores, so much
memory, for as long as it says that it is there. Times are Unix seconds of the host that answers,
lengths are seconds, amounts bytes. Not here: who is served first (`slots.py`), the job itself
(`job.py`).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.model.enums import Priority
from paglets.model.errors import InvalidRequestError
from paglets.model.message import JsonValue
from paglets.model.names import parse_class_name, parse_name
from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.needs import Blocker, Needs

NORMAL_PRIORITY = int(Priority.NORMAL)
"""Of jobs whose class says nothing else."""


class JobPhase(StrEnum):
    """How far a job is."""

    PLACING = "placing"
    """At home; no host has taken it yet."""
    QUEUED = "queued"
    """Asleep on the host that will run it, or on its way there."""
    RUNNING = "running"
    RETURNING = "returning"
    """It has ended and cannot get home yet; its outcome is safe with it."""
    DONE = "done"
    """At home with its result."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it has ended and is home."""
        return self in {JobPhase.DONE, JobPhase.FAILED, JobPhase.CANCELLED}


class SlotStatus(StrEnum):
    """How a job stands with a host."""

    GRANTED = "granted"
    QUEUED = "queued"
    REFUSED = "refused"
    """This host can never run it."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It has no slot here and waits for none: its lease has ended."""


@dataclass(frozen=True)
class JobWishes:
    """What a submitter sets for one job; None: what its class says."""

    cores: float | None = None
    memory_bytes: int | None = None
    temp_bytes: int | None = None
    max_load_per_cpu: float | None = None
    tags: tuple[str, ...] | None = None
    priority: int | None = None
    """1 to 10."""
    max_attempts: int | None = None
    """How often it is begun before it counts as failed."""
    keep_seconds: float | None = None
    """How long its outcome is kept at home."""

    def needs(self, of_class: Needs) -> Needs:
        """Return the needs of the job, given those of its class."""
        return Needs(
            cores=of_class.cores if self.cores is None else self.cores,
            memory_bytes=of_class.memory_bytes if self.memory_bytes is None else self.memory_bytes,
            temp_bytes=of_class.temp_bytes if self.temp_bytes is None else self.temp_bytes,
            max_load_per_cpu=of_class.max_load_per_cpu
            if self.max_load_per_cpu is None
            else self.max_load_per_cpu,
            tags=of_class.tags if self.tags is None else self.tags,
        )

    def __post_init__(self) -> None:
        self.needs(Needs())  # checks the figures
        if self.priority is not None:
            require_priority(self.priority)
        if self.max_attempts is not None and self.max_attempts < 1:
            raise InvalidRequestError("max_attempts is 1 or more")
        if self.keep_seconds is not None and self.keep_seconds < 0:
            raise InvalidRequestError("keep_seconds is not below 0")


@dataclass(frozen=True)
class JobOrder:
    """Announce a job to its home, before its paglet is made there."""

    job_id: str
    """Its agent id."""
    class_name: str
    """`module:QualName` of a ComputeJob."""
    ticket: str = ""
    """Another one for each attempt to submit it, and in the job's record: of several jobs that are
    made under one id, the first that speaks is it."""

    def __post_init__(self) -> None:
        parse_name(self.job_id, what="job id")
        parse_class_name(self.class_name)


@dataclass(frozen=True)
class Announced:
    """A job's home expects it."""

    is_new: bool
    """False: it is there already, and must not be made again."""
    job: PagletProxyRef
    """Where it is, or will be made."""


@dataclass(frozen=True)
class SlotRequest:
    """A job asks for a slot on this host; asked again it hears how it stands now."""

    job_id: str
    class_name: str
    job: PagletProxyRef
    """Where it is now, to be told when it may run."""
    home: str
    """Name of its home."""
    needs: Needs = field(default_factory=Needs)
    priority: int = NORMAL_PRIORITY
    submitted_at: float = 0.0

    def __post_init__(self) -> None:
        parse_name(self.job_id, what="job id")
        require_priority(self.priority)


@dataclass(frozen=True)
class SlotAnswer:
    """How a job stands with this host."""

    status: SlotStatus
    lease_seconds: float = 0.0
    """GRANTED: how long the slot is kept without another word of the job."""
    reasons: tuple[str, ...] = ()
    """QUEUED and REFUSED: why."""


@dataclass(frozen=True)
class Renewal:
    """A running job says that it is there, and what it has taken so far."""

    job_id: str
    memory_used_bytes: int = 0
    temp_used_bytes: int = 0


@dataclass(frozen=True)
class JobName:
    """Which job."""

    job_id: str


@dataclass(frozen=True)
class Known:
    """Whether the host knew the job."""

    is_known: bool


@dataclass(frozen=True)
class Offer:
    """How a host would serve a job that came now."""

    host_name: str
    blockers: tuple[Blocker, ...]
    """Nothing: it could begin at once."""
    reasons: tuple[str, ...]
    """The same in words."""
    cores: float
    """All that jobs may use together."""
    cores_waiting: float
    """What jobs need that have a slot or wait for one."""

    @property
    def is_final(self) -> bool:
        """Whether this host can never run it."""
        return any(blocker.is_final for blocker in self.blockers)


@dataclass(frozen=True)
class JobNote:
    """A job tells a host how far it is; its home, or where it waits to get home."""

    job_id: str
    class_name: str
    job: PagletProxyRef
    home: str
    phase: JobPhase
    host: str = ""
    """Host whose slot it has or waits for."""
    text: str = ""
    """Why it is not further, or how it failed."""
    priority: int = NORMAL_PRIORITY
    submitted_at: float = 0.0
    ticket: str = ""
    """As in its JobOrder."""
    is_gone: bool = False
    """Its paglet is about to be no more."""


@dataclass(frozen=True)
class NoteAnswer:
    """What the host knows of it beyond."""

    is_cancelled: bool = False
    """It is to end."""
    is_surplus: bool = False
    """Another one was made under its id before: it is to vanish, and has done nothing yet."""


@dataclass(frozen=True)
class JobQuery:
    """Which jobs to list."""

    prefix: str = ""
    """Only jobs whose id begins so."""
    after: str = ""
    """Only jobs whose id sorts after this one: the next page."""
    limit: int = 500
    """Most jobs in one answer."""


@dataclass(frozen=True)
class JobInfo:
    """What one host knows of a job."""

    job_id: str
    class_name: str
    phase: JobPhase
    home: str
    host: str
    """Host whose slot it has or waits for; empty while none has taken it."""
    priority: int
    submitted_at: float
    since: float
    """When the phase began."""
    text: str = ""
    cores: float | None = None
    """None where only its home answers."""
    is_cancelled: bool = False
    """It is to end, and has not heard of it yet."""


@dataclass(frozen=True)
class JobList:
    """Jobs by id: those submitted to this host and those that have or want a slot of it."""

    jobs: tuple[JobInfo, ...]
    next: str | None = None
    """Pass as `after` for the next page; None on the last."""


@dataclass(frozen=True)
class WhyAnswer:
    """Why a job is not further."""

    job: JobInfo
    blockers: tuple[Blocker, ...] = ()
    reasons: tuple[str, ...] = ()
    """Each in a sentence with its figures."""


@dataclass(frozen=True)
class HostQuery:
    """The request of operations that need no arguments."""


@dataclass(frozen=True)
class SlotStatistics:
    """How full a host is with jobs."""

    host_name: str
    cores: float
    cores_granted: float
    memory_bytes: int
    memory_granted_bytes: int
    temp_bytes: int
    temp_granted_bytes: int
    load_per_cpu: float
    running: int
    queued: int
    at_home: int
    """Jobs whose home it is."""


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed."""

    type: str
    """Class name of the exception."""
    message: str
    traceback: str = ""
    """Its last lines."""


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended. There is one for each job, and it never changes."""

    phase: JobPhase
    """DONE, FAILED or CANCELLED."""
    result: JsonValue = None
    failure: JobFailure | None = None
    host: str = ""
    """Where it ended."""
    attempts: int = 0
    """How often it was begun."""
    ended_at: float = 0.0


@dataclass(frozen=True)
class JobReport:
    """Sent to the `report_to` of a job when it has ended, under one message id."""

    job_id: str
    outcome: JobOutcome


class Step(StrEnum):
    """What `run()` of a job does next."""

    COMPUTE = "compute"
    REPORT = "report"


@dataclass(frozen=True)
class NextStep:
    """Answer of a job to itself."""

    step: Step


@dataclass(frozen=True)
class Nudge:
    """A host has a job look how it stands."""

    is_cancelled: bool = False
    """It is to end."""


@dataclass(frozen=True)
class Nudged:
    """The job has looked."""


def require_priority(priority: int) -> None:
    """Check a priority.

    Raises:
        InvalidRequestError: It is not 1 to 10.
    """
    if not Priority.MIN <= priority <= Priority.MAX:
        raise InvalidRequestError(f"priority is {priority}; a job's is 1 to 10")


SUBMIT = ServiceOperation("submit", JobOrder, Announced)
REQUEST = ServiceOperation("request", SlotRequest, SlotAnswer)
RENEW = ServiceOperation("renew", Renewal, SlotAnswer)
RELEASE = ServiceOperation("release", JobName, Known)
OFFER = ServiceOperation("offer", Needs, Offer)
NOTE = ServiceOperation("note", JobNote, NoteAnswer)
STATUS = ServiceOperation("status", JobName, JobInfo)
LIST = ServiceOperation("list", JobQuery, JobList)
WHY = ServiceOperation("why", JobName, WhyAnswer)
CANCEL = ServiceOperation("cancel", JobName, Known)
FORGET = ServiceOperation("forget", JobName, Known)
STATISTICS = ServiceOperation("statistics", HostQuery, SlotStatistics)

COMPUTE_SLOTS = ServiceContract(
    "compute-slots",
    (SUBMIT, REQUEST, RENEW, RELEASE, OFFER, NOTE, STATUS, LIST, WHY, CANCEL, FORGET, STATISTICS),
)

ADVANCE = ServiceOperation("job-advance", HostQuery, NextStep)
NUDGE = ServiceOperation("job-nudge", Nudge, Nudged)
OUTCOME = ServiceOperation("job-outcome", HostQuery, JobOutcome)
"""What a job itself answers."""
