"""PerformanceBenchmarkAgent: clones workers over the mesh, which measure and report to it.

One class plays both parts: who was created leads (`crew.py`), its clones work (`working.py`).
"""

from paglets import ActivationEvent, Paglet, Share, handles
from paglets.examples.crew import Crew, Phase, phase_of, reason_of
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
        self._crew: Crew[Finding] = Crew(self)
        self._notes: dict[str, Note] = {}

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one."""
        del event  # whatever woke it
        self._crew.interrupt()

    def run(self) -> None:
        """Lead, and end."""
        self._crew.lead(self.measure)
        self.dispose()

    def measure(self) -> Finding:
        """Measure this host; called in each worker."""
        return Worker(self).work()

    @handles("progress")
    def progress(self) -> Progress:
        """Return how far it is; asked UNQUEUED, and proof that somebody waits for the result."""
        self._crew.asked()
        is_done = self._crew.is_done
        rows = [row_of(share, self._notes.get(share.host)) for share in self._crew.shares()]
        return Progress(is_done, rows, self._crew.workers())

    @handles("stop")
    def stop(self) -> None:
        """End the workers; what they have not reported is lost."""
        self._crew.stop()

    @handles(Note)
    def note(self, note: Note) -> None:
        """Write down what a worker does now."""
        self._notes[note.host] = note


def row_of(share: Share[Finding], note: Note | None) -> Row:
    """Return how far a host is.

    Args:
        share: What the leader knows of it.
        note: What its worker told last.
    """
    text = "" if note is None else note.text
    row = Row(share.host, phase_of(share), reason=reason_of(share, text), worker=share.worker)
    found = share.result
    if found is not None:
        row.phase = Phase.FAILED if found.reason else Phase.DONE
        row.reason, row.waited = found.reason, found.waited
        row.machine, row.figures, row.skipped = found.machine, found.figures, found.skipped
    elif note is not None:
        row.waited = note.waited
        if not share.phase.is_final:
            row.phase, row.text = note.phase, text
    return row
