"""MeshBenchmarkAgent: the conductor of the mesh benchmark, as those who ask for it see it."""

from paglets import ActivationEvent, Paglet, handles
from paglets.examples.crew import Attendance
from paglets.examples.meshbench.conducting import Conductor
from paglets.examples.meshbench.model import ConductorState, Count

LOOK_SECONDS = 0.5
"""Between two looks whether anybody still waits for the result."""


class MeshBenchmarkAgent(Paglet[ConductorState]):
    """The packaged mesh benchmark; `paglets examples mesh-benchmark` creates it."""

    def __init__(self) -> None:
        self._is_interrupted = False
        self._attendance = Attendance(self.state.plan.patience)

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one; what was measured is gone."""
        del event  # whatever woke it
        self._is_interrupted = True

    def run(self) -> None:
        """Measure, wait until the result was fetched, and end."""
        if not self._is_interrupted:
            Conductor(self, self._attendance).conduct()
            with self.locked_state() as state:
                state.is_done = True
            while not self._attendance.is_alone and not self.sleep(LOOK_SECONDS):
                pass
        self.dispose()

    @handles("progress")
    def progress(self) -> Count:
        """Return how far it is; asked UNQUEUED."""
        self._attendance.asked()
        with self.locked_state() as state:
            helpers = list(state.stations.values())
            if state.traveller is not None:
                helpers.append(state.traveller)
            found = list(state.ways) if state.is_done else []
            return Count(state.is_done, state.text, found, helpers, dict(state.unusable))

    @handles("stop")
    def stop(self) -> None:
        """End at the next step."""
        with self.locked_state() as state:
            state.is_stopping = True
