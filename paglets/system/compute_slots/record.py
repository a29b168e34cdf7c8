"""What a job carries with it: its own record, beside the State that its author wrote."""

from dataclasses import dataclass, field

from paglets.model.refs import PagletProxyRef
from paglets.system.compute_slots.contract import JobOutcome, JobWishes
from paglets.system.compute_slots.needs import Needs


@dataclass(frozen=True)
class JobTerms:
    """What a job asks for: what its class says, unless its submitter said otherwise."""

    needs: Needs
    priority: int
    max_attempts: int
    keep_seconds: float


@dataclass
class JobRecord:
    """How far a job is. Only the runtime of jobs writes it; all that it decides is in it."""

    home: str = ""
    """Name of the host to which it returns; the one where it was made, if empty."""
    wishes: JobWishes = field(default_factory=JobWishes)
    report_to: PagletProxyRef | None = None
    ticket: str = ""
    """Of its submission; empty where its paglet was made without one."""
    is_expected: bool = False
    """Whether its home has said that it is the one that was submitted."""
    submitted_at: float = 0.0
    host: str = ""
    """Host whose slot it has or waits for."""
    going_to: str = ""
    """Host to which it set off; still there where it did not arrive."""
    attempts: int = 0
    """How often it was begun."""
    failures: int = 0
    """Attempts that ended badly, by their own fault: not when a host was restarted."""
    begun_in: int = 0
    """Generation of the host that computes it now; 0 while nobody does."""
    retry_at: float = 0.0
    """When the next attempt may begin, in Unix seconds."""
    pauses: int = 0
    """Pauses in a row in which nothing changed; they grow."""
    is_cancelled: bool = False
    outcome: JobOutcome | None = None
    """How it ended; once here it never changes, and nothing is computed again."""
    is_reported: bool = False
    """Whether `report_to` has been told, or cannot be."""


@dataclass(kw_only=True)
class JobState:
    """Base of the State of a ComputeJob: write `class PiState(JobState)` with your own fields."""

    job: JobRecord = field(default_factory=JobRecord)
    """The job's own record; not for authors."""
