"""What the packaged paglets share that send workers to many hosts: one round, and who waits for it.

FanOut sends the workers, watches and ends them. Here is what an example adds: it is followed from
outside (`following.py`), so it ends when nobody asks for the result any more, and its rows say in
words for people how far each host is.
"""

import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Generic, Protocol, TypeVar

from paglets import (
    FanOut,
    Gathering,
    HostRef,
    MissingReason,
    Paglet,
    PagletProxyRef,
    Share,
)
from paglets.agent.fanout.shares import choose_hosts as choose

LOOK_SECONDS = 0.5
"""Between two looks whether anybody still waits for the result."""

R = TypeVar("R")


class Phase(Enum):
    """How far the work is on one host."""

    PENDING = "pending"
    """No worker has been heard of yet."""
    WAITING = "waiting"
    """Its worker waits for its turn."""
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class CrewPlan(Protocol):
    """What was asked for."""

    hosts: list[str]
    """Names of the hosts; empty: all that are online."""
    deadline: float
    """Seconds for all of it."""
    patience: float
    """Seconds without a question for the progress after which nobody is thought to wait for the
    result: all is ended then."""


class CrewState(Protocol):
    """State of a paglet that leads, and of its workers."""

    fan_out: FanOut

    @property
    def plan(self) -> CrewPlan:
        """What was asked for."""


S = TypeVar("S", bound=CrewState)


class Attendance:
    """Knows whether somebody still waits for the result.

    Args:
        patience: Seconds without a question after which nobody does.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._asked_at = time.monotonic()

    @property
    def is_alone(self) -> bool:
        """Whether nobody asks any more."""
        return time.monotonic() - self._asked_at > self._patience

    def asked(self) -> None:
        """Take note of a question."""
        self._asked_at = time.monotonic()


class Crew(Generic[R]):
    """Leads one round, and keeps its result until it was fetched.

    Args:
        paglet: The leader; nothing is led by a process that is not its first.
    """

    def __init__(self, paglet: Paglet[S]) -> None:
        self._paglet = paglet
        self._state: CrewState = paglet.state
        self._attendance = Attendance(paglet.state.plan.patience)
        self._gathering: Gathering[R] | None = None
        self._is_stopping = False
        self._is_interrupted = False
        self.is_done = False
        """Whether nothing changes any more."""

    def interrupt(self) -> None:
        """Take note that the process is a new one: what was under way in it is gone."""
        self._is_interrupted = True

    def asked(self) -> None:
        """Take note that somebody waits for the result."""
        self._attendance.asked()

    def stop(self) -> None:
        """End the workers; what they have not reported is lost."""
        self._is_stopping = True

    def lead(self, work: Callable[[], R]) -> None:
        """Have all hosts worked on; return when nobody asks for the result any more."""
        if self._is_interrupted:
            return
        plan = self._state.plan
        self._gathering = self._state.fan_out.start(
            work, hosts=plan.hosts or None, deadline=plan.deadline, stop=self._why_stop
        )
        self._gathering.wait()
        self.is_done = True
        while not self._attendance.is_alone and not self._paglet.sleep(LOOK_SECONDS):
            pass

    def shares(self) -> list[Share[R]]:
        """Return how far each host is."""
        return [] if self._gathering is None else self._gathering.shares()

    def workers(self) -> list[PagletProxyRef]:
        """Return the workers that have not reported, for who must end them in its place."""
        return [] if self._gathering is None else self._gathering.workers()

    def _why_stop(self) -> str:
        if self._is_stopping:
            return "was stopped"
        return "nobody waited for the result any more" if self._attendance.is_alone else ""


def phase_of(share: Share[R]) -> Phase:
    """Return the phase of a row: a share's, in the words of the examples."""
    return Phase.FAILED if share.missing is not None else Phase(share.phase.value)


def reason_of(share: Share[R], text: str = "") -> str:
    """Return why there is no result of a host, empty if there is or may be one.

    Args:
        share: The host's.
        text: What its worker did last, for people.
    """
    if share.missing is None:
        return ""
    slow = "too slow: " if share.missing.reason is MissingReason.SLOW else ""
    doing = f": {text}" if text and share.missing.reason is not MissingReason.DEAD else ""
    return f"{slow}{share.missing.text}{doing}"


def choose_hosts(plan: CrewPlan, known: Sequence[HostRef]) -> dict[str, str]:
    """Return the hosts to work on, each with the reason why it cannot be, empty if it can.

    Args:
        plan: Names the hosts, or none for all that are online or only suspected not to be.
        known: All hosts of the mesh, online or not.
    """
    chosen = choose(plan.hosts or None, known)
    return {host: "" if missing is None else missing.text for host, missing in chosen.items()}
