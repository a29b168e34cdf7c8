"""A paglet that clones itself to many hosts: whom it sends, and what becomes of them.

The part that the benchmark and the search share. It runs in the parent, in the thread of `run()`.
Neighbours: `following.py`, the client that created the parent.
"""

import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Generic, ParamSpec, Protocol, TypeVar

from paglets import (
    HostRef,
    MoveInDoubtError,
    Paglet,
    PagletNotFoundError,
    PagletProxyRef,
    PagletsError,
    PagletStatus,
    TransferTicket,
)

CLONE_SECONDS = 10.0
"""Longest wait for one host to take its worker; the others wait too."""
LOOK_SECONDS = 0.5
"""Between two looks at hosts and workers that are silent."""
ASK_SECONDS = 2.0
"""Between two questions how one worker is."""
IN_DOUBT = "has not answered yet whether it took the worker"
END_SECONDS = 5.0
"""Longest wait for hosts to end the workers that have not reported."""
GONE = frozenset({"dead", "left"})
"""Status of hosts that will not report; `suspect` ones may."""


class Phase(Enum):
    """How far the work is on one host."""

    PENDING = "pending"
    """No worker has been heard of yet."""
    WAITING = "waiting"
    """Its worker waits for its turn."""
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self in {Phase.DONE, Phase.FAILED}


class CrewRow(Protocol):
    """What the parent knows of one host."""

    host: str
    phase: Phase
    text: str
    """What it does now, for people."""
    reason: str
    """Why it failed."""
    worker: PagletProxyRef | None
    """The clone there."""


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
    """State of a paglet that leads, and of its clones."""

    left: float
    """Seconds a worker had left of the deadline when it was cloned."""
    is_stopping: bool
    is_done: bool

    @property
    def plan(self) -> CrewPlan:
        """What was asked for."""

    @property
    def rows(self) -> Sequence[CrewRow]:
        """The hosts; made by the parent before it leads."""


S = TypeVar("S", bound=CrewState)
A = ParamSpec("A")


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


class Leader(Generic[S]):
    """Clones workers, watches them and ends them.

    Args:
        paglet: The parent, with the rows of its hosts in its state.
    """

    def __init__(self, paglet: Paglet[S]) -> None:
        self._paglet = paglet
        self._began = time.monotonic()
        self._next_question = self._began + ASK_SECONDS
        self._asking: dict[str, threading.Thread] = {}
        self.attendance = Attendance(paglet.state.plan.patience)
        """Whether somebody still waits for the result."""

    def helpers(self) -> list[PagletProxyRef]:
        """Return the workers that have not reported, for who must end them in its place."""
        with self._paglet.locked_state() as state:
            return [row.worker for row in state.rows if row.worker and row.phase is not Phase.DONE]

    def lead(self) -> None:
        """Have all hosts worked on; return when nobody asks for the result any more."""
        for name in [row.host for row in self._open_rows()]:
            if not self._is_over():
                self._send_worker(name)
        while not self._is_over():
            self._watch()
            self._paglet.wait_state(_is_complete, LOOK_SECONDS)
        if self._paglet.stopping:
            return  # somebody puts it to sleep or moves it; its workers end by the deadline
        self._end_workers()
        with self._paglet.locked_state() as state:
            state.is_done = True
        while not self._paglet.sleep(LOOK_SECONDS):
            if self.attendance.is_alone:
                return

    def _is_over(self) -> bool:
        state = self._paglet.state
        return (
            self._paglet.stopping
            or _is_complete(state)
            or self.attendance.is_alone
            or self._left() <= 0
        )

    def _left(self) -> float:
        return self._paglet.state.plan.deadline - (time.monotonic() - self._began)

    def _send_worker(self, host: str) -> None:
        with self._paglet.locked_state() as state:
            state.left = self._left()
        ticket = TransferTicket(
            destination=host, timeout=max(0.1, min(CLONE_SECONDS, self._left()))
        )
        try:
            self._mark(host, self._paglet.clone(ticket).ref())
        except MoveInDoubtError as error:
            # It may run there all the same: it reports then, or ends by the deadline.
            there = self._paglet.context.mesh.lookup(host)
            agent_id = error.detail.get("agent_id")
            if there is not None and isinstance(agent_id, str):
                ref = PagletProxyRef(there.url, agent_id, host_name=host)
                self._mark(host, ref, IN_DOUBT)
        except PagletsError as error:
            self._fail(host, f"did not take the worker: {error}")

    def _mark(self, host: str, worker: PagletProxyRef, text: str = "") -> None:
        with self._paglet.locked_state() as state:
            for row in state.rows:
                if row.host == host:
                    row.worker, row.text = worker, row.text or text

    def _fail(self, host: str, reason: str) -> None:
        with self._paglet.locked_state() as state:
            for row in state.rows:
                if row.host == host and not row.phase.is_final:
                    row.phase, row.reason = Phase.FAILED, reason

    def _open_rows(self) -> list[CrewRow]:
        with self._paglet.locked_state() as state:
            return [row for row in state.rows if not row.phase.is_final]

    def _watch(self) -> None:
        """Settle rows of hosts that went away and of workers that crashed."""
        status = {
            host.name: host.status for host in self._paglet.context.mesh.hosts(online_only=False)
        }
        is_next = time.monotonic() >= self._next_question
        if is_next:
            self._next_question = time.monotonic() + ASK_SECONDS
        for row in self._open_rows():
            asking = self._asking.get(row.host)
            # A host that hangs keeps its question waiting, and nobody else's.
            is_time_to_ask = is_next and (asking is None or not asking.is_alive())
            if status.get(row.host, "left") in GONE:
                self._fail(row.host, f"the host went away while it was {row.phase.value}")
            elif row.worker is not None and status[row.host] == "alive" and is_time_to_ask:
                self._asking[row.host] = _start(self._ask_after, row, row.worker)

    def _ask_after(self, row: CrewRow, worker: PagletProxyRef) -> None:
        try:
            info = self._paglet.context.resolve(worker).info()
        except PagletNotFoundError:
            if row.text != IN_DOUBT:
                self._fail(row.host, "its worker has gone without a report")
            return
        except (PagletsError, OSError):
            return  # the mesh, or the deadline, will say what became of its host
        if info.status == PagletStatus.CRASHED.value:
            why = (info.error or "no reason given").rstrip(": ")
            self._fail(row.host, f"its worker crashed: {why}")

    def _end_workers(self) -> None:
        """Dispose of those that have not reported, and say why in their rows."""
        state = self._paglet.state
        why = "was stopped" if state.is_stopping else "nobody waited for the result any more"
        if self._left() <= 0:
            why = f"too slow: not done within {state.plan.deadline:g} s"
        for row in self._open_rows():
            doing = f" (it was {row.phase.value}{': ' if row.text else ''}{row.text})"
            self._fail(row.host, why + doing)
        failed = [row.worker for row in state.rows if row.worker and row.phase is Phase.FAILED]
        ending = [_start(self._dispose, worker) for worker in failed]
        deadline = time.monotonic() + END_SECONDS
        for thread in ending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _dispose(self, worker: PagletProxyRef) -> None:
        try:
            self._paglet.context.resolve(worker).dispose(force=True)
        except (PagletsError, OSError) as error:  # OSError: this process itself is being ended
            # Its host is away, or it has ended by itself; at the latest it does by the deadline.
            print(f"worker {worker.agent_id} on {worker.host_name}: {error}")  # noqa: T201 - its log


def choose_hosts(plan: CrewPlan, known: Sequence[HostRef]) -> dict[str, str]:
    """Return the hosts to work on, each with the reason why it cannot be, empty if it can.

    Args:
        plan: Names the hosts, or none for all that are online or only suspected not to be.
        known: All hosts of the mesh, online or not.
    """
    by_name = {host.name: host for host in known}
    # Suspects are named, so that nobody wonders where they are.
    there = sorted(host.name for host in known if host.online or host.status == "suspect")
    names = plan.hosts or there
    return {name: _obstacle(by_name.get(name)) for name in names}


def _obstacle(host: HostRef | None) -> str:
    if host is None:
        return "no host of this name is known"
    return (host.error or "") if host.online else f"not online ({host.status})"


def _start(work: Callable[A, None], *args: A.args, **kwargs: A.kwargs) -> threading.Thread:
    """Have something done that may hang with its host; ends with the process at the latest."""
    thread = threading.Thread(target=work, args=args, kwargs=kwargs, daemon=True)
    thread.start()
    return thread


def _is_complete(state: CrewState) -> bool:
    return state.is_stopping or all(row.phase.is_final for row in state.rows)
