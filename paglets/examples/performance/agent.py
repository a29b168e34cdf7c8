"""PerformanceBenchmarkAgent: clones workers over the mesh, which measure and report to it.

One class plays both parts: who was created leads (`crew.py`), who was cloned works
(`working.py`). A paglet whose process or host was started again in between ends itself: what it
measured, or whom it led, is gone.
"""

from paglets import ActivationEvent, CloneEvent, Paglet, handles
from paglets.examples.crew import Leader, Phase, choose_hosts
from paglets.examples.performance.model import (
    BenchmarkState,
    Finding,
    Note,
    Progress,
    Row,
)
from paglets.examples.performance.working import Worker


class PerformanceBenchmarkAgent(Paglet[BenchmarkState]):
    """The packaged benchmark; `paglets examples perf` creates it on the entry host."""

    def __init__(self) -> None:
        self._is_interrupted = False
        self._leader = Leader(self)

    def on_clone(self, event: CloneEvent) -> None:
        """Become a worker of the original."""
        self._is_interrupted = event.attempt > 1
        with self.locked_state() as state:
            state.parent = event.source
            state.rows = []

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one: what was under way in it is gone."""
        del event  # whatever woke it
        self._is_interrupted = True

    def run(self) -> None:
        """Lead or work, and end."""
        worker = None if self.state.parent is None else Worker(self, self.state.parent)
        if self._is_interrupted:
            if worker is not None:
                worker.give_up("its host or its process was started again")
        elif worker is not None:
            worker.work()
        else:
            known = self.context.mesh.hosts(online_only=False)
            with self.locked_state() as state:
                state.rows = [
                    Row(host, Phase.FAILED if reason else Phase.PENDING, reason=reason)
                    for host, reason in choose_hosts(state.plan, known).items()
                ]
            self._leader.lead()
        self.dispose()

    @handles("progress")
    def progress(self) -> Progress:
        """Return how far it is; asked UNQUEUED, and proof that somebody waits for the result."""
        self._leader.attendance.asked()
        helpers = self._leader.helpers()
        with self.locked_state() as state:
            return Progress(state.is_done, list(state.rows), helpers)

    @handles("stop")
    def stop(self) -> None:
        """End the workers; what they have not reported is lost."""
        with self.locked_state() as state:
            state.is_stopping = True

    @handles(Note)
    def note(self, note: Note) -> None:
        """Write down what a worker does now."""
        row = self._row(note.host)
        if row is not None:
            row.phase, row.text, row.waited = note.phase, note.text, note.waited

    @handles(Finding)
    def finding(self, found: Finding) -> None:
        """Write down what a worker found."""
        row = self._row(found.host)
        if row is None:
            return
        row.phase = Phase.FAILED if found.reason else Phase.DONE
        row.text, row.reason, row.waited = "", found.reason, found.waited
        row.machine, row.figures, row.skipped = found.machine, found.figures, found.skipped
        self.notify_state_changed()

    def _row(self, host: str) -> Row | None:
        """Return the row of a host that is not settled yet."""
        found = (row for row in self.state.rows if row.host == host and not row.phase.is_final)
        return next(found, None)
