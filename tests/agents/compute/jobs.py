"""Jobs that tests submit, and who hears of them."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from paglets import (
    ComputeJob,
    Durability,
    JobReport,
    JobState,
    Needs,
    Paglet,
    RestartPolicy,
    handles,
    submit_job,
)


@dataclass
class SumState(JobState):
    numbers: list[int] = field(default_factory=list)


class Sum(ComputeJob[SumState]):
    """Adds numbers."""

    needs = Needs(cores=0.25)

    def compute(self) -> int:
        return sum(self.state.numbers)


@dataclass
class GateState(JobState):
    folder: Path = field(default_factory=Path)
    """Where it writes down that it began, and waits for `go-ID`."""
    step: int = 0


class Gate(ComputeJob[GateState]):
    """Runs until it is let go; each begin is written down."""

    needs = Needs(cores=1)

    def begin(self) -> None:
        with (self.state.folder / "begun").open("a") as book:
            book.write(f"{self.agent_id} {self.context.host_name} {os.getpid()}\n")

    def wait(self) -> None:
        gate = self.state.folder / f"go-{self.agent_id}"
        while not gate.exists():
            threading.Event().wait(0.01)  # not self.sleep(): it listens to nobody

    def compute(self) -> str:
        self.begin()
        self.wait()
        return f"ran on {self.context.host_name}"


class Polite(Gate):
    """Returns early when it is told to stop."""

    def wait(self) -> None:
        while not (self.state.folder / f"go-{self.agent_id}").exists():
            if self.sleep(0.01):
                return


class Counting(Gate):
    """Goes on from its last checkpoint."""

    def compute(self) -> int:
        self.begin()
        if self.state.step == 0:
            self.state.step = 10
            self.checkpoint()
            self.state.step = 99  # never committed
            self.wait()
        return self.state.step


class Raising(ComputeJob[GateState]):
    def compute(self) -> None:
        raise ZeroDivisionError("nothing to divide by")


class Unstable(ComputeJob[GateState]):
    """Fails at first."""

    retry_on = (OSError,)

    def compute(self) -> int:
        if self.state.job.attempts < 2:
            raise ConnectionResetError("the database hung up")
        return self.state.job.attempts


class Dying(ComputeJob[GateState]):
    max_attempts = 2

    def compute(self) -> None:
        print("about to die")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


class Misfit(ComputeJob[GateState]):
    """Leaves something in its state that cannot be kept."""

    def compute(self) -> int:
        self.state.step = "many"
        return 1


class Large(ComputeJob[GateState]):
    def compute(self) -> str:
        return "x" * 2_000_000


class Odd(ComputeJob[GateState]):
    def compute(self) -> object:
        return object()


class Hungry(ComputeJob[GateState]):
    needs = Needs(cores=0.25, memory_bytes=50 * 2**20)

    def compute(self) -> int:
        return len(bytearray(400 * 2**20))


@dataclass
class Area:
    width: float
    height: float


class Drawing(ComputeJob[GateState]):
    def compute(self) -> Area:
        return Area(2.0, 3.0)


@dataclass
class CollectorState:
    reports: list[str] = field(default_factory=list)


class Collector(Paglet[CollectorState]):
    """Submits jobs and writes down how they ended."""

    durability = Durability.MESSAGE
    restart = RestartPolicy.ON_CRASH

    @handles("submit")
    def submit(self, numbers: list[int], job_id: str) -> bool:
        state = SumState(numbers=numbers)
        return submit_job(self.context, Sum, state, job_id=job_id, report_to=self.ref).is_new

    @handles(JobReport)
    def hear(self, report: JobReport) -> None:
        outcome = report.outcome
        self.state.reports.append(f"{report.job_id} {outcome.phase.value} {outcome.result}")

    @handles("reports")
    def reports(self) -> list[str]:
        return self.state.reports


class Ordinary(Paglet[CollectorState]):
    """No job at all."""


@dataclass
class TinyState(JobState):
    ledger: Path = field(default_factory=Path)
    number: int = 0
    seconds: float = 0.05


class Tiny(ComputeJob[TinyState]):
    """Squares a number, and writes down when it did."""

    needs = Needs(cores=0.25)

    def note(self, what: str) -> None:
        line = f"{what} {self.agent_id} {self.context.host_name} {time.monotonic_ns()}\n"
        fd = os.open(self.state.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)

    def compute(self) -> int:
        self.note("begin")
        threading.Event().wait(self.state.seconds)  # the work
        self.note("end")
        return self.state.number**2
