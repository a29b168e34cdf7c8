"""Paglets that perform tasks, and one that has them performed."""

import os
import signal
import threading
from dataclasses import dataclass, field

from paglets import (
    DeactivationPolicy,
    Durability,
    Message,
    Paglet,
    PagletProxyRef,
    Priority,
    ServiceOperation,
    TaskClient,
    TaskPaglet,
    TaskReport,
    TaskState,
    TaskTicket,
    handles,
    performs,
)

GO_ON = threading.Event()
"""Lets a task that waits for it go on, in a test's own process."""


@dataclass
class Steps:
    count: int = 3
    fail_at: int = -1
    wait_at: int = -1
    """Waits there until it is told to go on, cancelled, or to leave."""
    hang_at: int = -1
    """Waits there and looks at nothing."""
    move_at: int = -1
    to: str = ""
    die_at: int = -1
    """Its process is killed there, once."""


@dataclass
class Walk:
    hosts: list[str] = field(default_factory=list)
    pids: int = 0


@dataclass
class ChoreState(TaskState):
    hosts: list[str] = field(default_factory=list)
    """Where each step was made."""
    pids: set[int] = field(default_factory=set)
    has_died: bool = False
    may_go_on: bool = False


WORK = ServiceOperation("work", Steps, Walk)
ECHO = ServiceOperation("echo", Steps, Steps)


class Chores(TaskPaglet[ChoreState]):
    @performs(WORK)
    def work(self, steps: Steps) -> Walk:
        if not self.state.tasks or len(self.state.hosts) >= steps.count:
            self.state.hosts, self.state.pids = [], set()
        for step in range(len(self.state.hosts), steps.count):
            self.task.report(step / steps.count, f"step {step}")
            self.state.pids.add(os.getpid())
            self._obey(steps, step)
            self.state.hosts.append(self.context.host_name)
        return Walk(self.state.hosts, len(self.state.pids))

    @performs(ECHO)
    def echo(self, steps: Steps) -> Steps:
        return steps

    @handles("go on")
    def go_on(self) -> None:
        with self.locked_state() as state:
            state.may_go_on = True

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)

    def _obey(self, steps: Steps, step: int) -> None:
        if step == steps.fail_at:
            raise ValueError(f"step {step} is too steep")
        if step == steps.hang_at:
            GO_ON.wait()
        if step == steps.move_at and self.context.host_name != steps.to:
            self.dispatch(steps.to)
        if step == steps.die_at and not self.state.has_died:
            self.state.has_died = True
            self.checkpoint()
            os.kill(os.getpid(), signal.SIGKILL)
        while step == steps.wait_at and not self.state.may_go_on:
            self.sleep(0.02)
            self.task.check()


class DurableChores(Chores):
    durability = Durability.MESSAGE


@dataclass
class BossState:
    ticket: TaskTicket | None = None
    told: list[str] = field(default_factory=list)
    walk: Walk | None = None
    failed: str = ""


class Boss(Paglet[BossState]):
    """Has a task performed and sleeps meanwhile."""

    durability = Durability.MESSAGE

    @handles("order")
    def order(self, worker: PagletProxyRef, steps: Steps, sleep: bool = False) -> None:
        client = TaskClient(self.context.resolve(worker), WORK)
        self.state.ticket = client.start(steps, tell=self.ref).ticket
        if sleep:
            self.deactivate(DeactivationPolicy())

    @handles(TaskReport)
    def on_task(self, report: TaskReport) -> None:
        if report.is_final and self.state.walk is None and not self.state.failed:
            self.state.told.append(report.status.value)
            if report.failure is None:
                self.state.walk = report.result_of(WORK)
            else:
                self.state.failed = report.failure.message

    @handles("ask")
    def ask(self, timeout: float) -> list[str]:
        """Ask for the task that is noted, as after a restart."""
        ticket = self.state.ticket
        assert ticket is not None
        task = TaskClient(self.context.resolve(ticket.worker), WORK).resume(ticket)
        return task.result(timeout).hosts


def unqueued(kind: str) -> Message:
    return Message(kind, priority=Priority.UNQUEUED)
