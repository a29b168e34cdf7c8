"""A job and the hosts it asks, played: what it does next is an exception or a step."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

from paglets.model.errors import TransferError
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.system.compute_slots.contract import (
    JobPhase,
    NoteAnswer,
    Offer,
    SlotAnswer,
    SlotStatus,
)
from paglets.system.compute_slots.needs import Blocker, BlockerKind, Needs
from paglets.system.compute_slots.record import JobState, JobTerms
from paglets.system.compute_slots.steps import Steps

BUSY = Blocker(BlockerKind.CORES, 1, 0, 4, is_held=True)
NEVER = Blocker(BlockerKind.CORES, 9, 4, 4, is_final=True)
GRANTED = SlotAnswer(SlotStatus.GRANTED, lease_seconds=60.0)
QUEUED = SlotAnswer(SlotStatus.QUEUED)
CANCELLED = SlotAnswer(SlotStatus.CANCELLED)
REFUSED = SlotAnswer(SlotStatus.REFUSED, reasons=("too small",))


class Gone(BaseException):
    """The job has unwound: to move, to sleep or to end."""


class Went(Gone):
    pass


class Slept(Gone):
    pass


class Ended(Gone):
    pass


@dataclass
class FakeHosts:
    """Answers in the names of hosts; what is asked is kept in order."""

    offered: list[Offer] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    answers: dict[str, SlotAnswer | None] = field(default_factory=dict)
    noted: NoteAnswer | None = field(default_factory=NoteAnswer)
    asked: list[tuple] = field(default_factory=list)

    def request(self, host):
        self.asked.append(("request", host))
        return self.answers.get(host)

    def release(self, host):
        self.asked.append(("release", host))

    def forget(self, host):
        self.asked.append(("forget", host))

    def note(self, host, phase, text="", *, is_gone=False):
        self.asked.append(("note", host, phase, text))
        return self.noted

    def offers(self):
        return list(self.offered), list(self.reasons)

    def notes(self) -> list[tuple[str, JobPhase, str]]:
        return [asked[1:] for asked in self.asked if asked[0] == "note"]

    def released(self) -> list[str]:
        return [asked[1] for asked in self.asked if asked[0] == "release"]


class FakeJob:
    """A job on a host."""

    agent_id = "job-1"

    def __init__(self, here: str = "alpha", *, refuses: tuple[str, ...] = (), **terms) -> None:
        self.state = JobState()
        self.state.job.home = "alpha"
        self.state.job.submitted_at = 1.0
        self.generation = 7
        self.refuses = refuses
        self.went, self.slept = "", -1.0
        self.hosts = FakeHosts()
        self.context = SimpleNamespace(
            host_name=here,
            mesh=SimpleNamespace(lookup=lambda name: HostRef(name, "", generation=self.generation)),
        )
        named = {"needs": Needs(), "priority": 5, "max_attempts": 3, "keep_seconds": 1e9, **terms}
        self.steps = Steps(self, JobTerms(**named), self.hosts)

    @property
    def job(self):
        return self.state.job

    @contextmanager
    def locked_state(self):
        yield self.state

    def dispatch(self, ticket):
        if ticket.destination in self.refuses:
            raise TransferError(f"{ticket.destination} is draining")
        self.went = ticket.destination
        raise Went

    def deactivate(self, policy):
        from datetime import UTC, datetime

        self.slept = (policy.activate_at - datetime.now(UTC)).total_seconds()
        raise Slept

    def dispose(self):
        raise Ended

    def advance(self):
        """Let it go on; return the step, or how it unwound."""
        try:
            return self.steps.advance()
        except Gone as gone:
            return type(gone)


def offer(host: str, *blockers: Blocker, waiting: float = 0.0) -> Offer:
    return Offer(host, blockers, tuple(str(each.kind) for each in blockers), 4.0, waiting)


def somebody() -> PagletProxyRef:
    return PagletProxyRef("http://alpha:1", "collector")
