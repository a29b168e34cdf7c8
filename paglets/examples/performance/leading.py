"""The leading part of PerformanceBenchmarkAgent: who is measured, and what becomes of them."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paglets import (
    HostRef,
    MoveInDoubtError,
    PagletProxyRef,
    PagletsError,
    PagletStatus,
    TransferTicket,
)
from paglets.examples.performance.model import BenchmarkState, Phase, Plan, Progress, Row

if TYPE_CHECKING:
    from paglets.examples.performance.agent import PerformanceBenchmarkAgent

CLONE_SECONDS = 10.0
"""Longest wait for one host to take its worker; the others wait too."""
LOOK_SECONDS = 0.5
"""Between two looks at hosts and workers that are silent."""
ASK_SECONDS = 2.0
"""Between two questions how one worker is."""
_GONE = {"dead", "left"}
"""Status of hosts that will not report; `suspect` ones may."""


class Leader:
    """Clones workers, watches them and ends them. Lives in the parent's process.

    Args:
        paglet: The parent.
    """

    def __init__(self, paglet: "PerformanceBenchmarkAgent") -> None:
        self._paglet = paglet
        self._began = time.monotonic()
        self._asked_at = self._began
        self._next_question = 0.0

    def progress(self) -> Progress:
        """Return how far it is."""
        self._asked_at = time.monotonic()
        with self._paglet.locked_state() as state:
            return Progress(state.is_done, list(state.rows))

    def lead(self) -> None:
        """Have all hosts measured; return when the result was fetched or nobody waits for it."""
        with self._paglet.locked_state() as state:
            state.rows = rows_for(state.plan, self._paglet.context.mesh.hosts(online_only=False))
            names = [row.host for row in state.rows if not row.phase.is_final]
        for name in names:
            if not self._is_over():
                self._send_worker(name)
        while not self._is_over():
            self._watch()
            self._paglet.wait_state(_is_complete, LOOK_SECONDS)
        self._end_workers()
        with self._paglet.locked_state() as state:
            state.is_done = True
        while not self._paglet.sleep(LOOK_SECONDS):
            if self._is_alone():
                return

    def _is_over(self) -> bool:
        state = self._paglet.state
        return self._paglet.stopping or _is_complete(state) or self._is_alone() or self._left() <= 0

    def _is_alone(self) -> bool:
        return time.monotonic() - self._asked_at > self._paglet.state.plan.patience

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
                self._mark(host, PagletProxyRef(there.url, agent_id, host_name=host))
        except PagletsError as error:
            self._fail(host, f"did not take the worker: {error}")

    def _mark(self, host: str, worker: PagletProxyRef) -> None:
        with self._paglet.locked_state() as state:
            for row in state.rows:
                if row.host == host:
                    row.worker = worker

    def _fail(self, host: str, reason: str) -> None:
        with self._paglet.locked_state() as state:
            for row in state.rows:
                if row.host == host and not row.phase.is_final:
                    row.phase, row.reason = Phase.FAILED, reason

    def _open_rows(self) -> list[Row]:
        with self._paglet.locked_state() as state:
            return [row for row in state.rows if not row.phase.is_final]

    def _watch(self) -> None:
        """Settle rows of hosts that went away and of workers that crashed."""
        status = {
            host.name: host.status for host in self._paglet.context.mesh.hosts(online_only=False)
        }
        is_time_to_ask = time.monotonic() >= self._next_question
        if is_time_to_ask:
            self._next_question = time.monotonic() + ASK_SECONDS
        for row in self._open_rows():
            if status.get(row.host, "left") in _GONE:
                self._fail(row.host, f"the host went away while it was {row.phase.value}")
            elif is_time_to_ask and row.worker is not None and status[row.host] == "alive":
                self._ask_after(row, row.worker)

    def _ask_after(self, row: Row, worker: PagletProxyRef) -> None:
        try:
            info = self._paglet.context.resolve(worker).info()
        except PagletsError:
            return  # the mesh, or the deadline, will say what became of its host
        if info.status == PagletStatus.CRASHED.value:
            self._fail(row.host, f"its worker crashed: {info.error or 'no reason given'}")

    def _end_workers(self) -> None:
        """Dispose of those that have not reported, and say why in their rows."""
        state = self._paglet.state
        why = "was stopped" if state.is_stopping else "nobody waited for the result any more"
        if self._left() <= 0:
            why = f"too slow: not done within {state.plan.deadline:g} s"
        for row in self._open_rows():
            doing = f" (it was {row.phase.value}{': ' if row.text else ''}{row.text})"
            self._fail(row.host, why + doing)
        for row in list(state.rows):
            if row.worker is not None and row.phase is Phase.FAILED:
                self._dispose(row.worker)

    def _dispose(self, worker: PagletProxyRef) -> None:
        try:
            self._paglet.context.resolve(worker).dispose(force=True)
        except PagletsError as error:
            # Its host is away, or it has ended by itself; at the latest it does by the deadline.
            print(f"worker {worker.agent_id} on {worker.host_name}: {error}")  # noqa: T201 - its log


def rows_for(plan: Plan, known: Sequence[HostRef]) -> list[Row]:
    """Return a row for each host of the plan, settled for those that cannot be measured.

    Args:
        plan: Names the hosts, or none for all that are online.
        known: All hosts of the mesh, online or not.
    """
    by_name = {host.name: host for host in known}
    names = plan.hosts or sorted(host.name for host in known if host.online)
    rows: list[Row] = []
    for name in dict.fromkeys(names):
        host = by_name.get(name)
        if host is None:
            reason = "no host of this name is known"
        elif not host.online:
            reason = f"not online ({host.status})"
        else:
            reason = host.error or ""
        rows.append(Row(name, Phase.FAILED if reason else Phase.PENDING, reason=reason))
    return rows


def _is_complete(state: BenchmarkState) -> bool:
    return state.is_stopping or (bool(state.rows) and all(row.phase.is_final for row in state.rows))
