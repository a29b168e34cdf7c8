"""Runs the mesh benchmark from outside any paglet; only the entry host need be reachable."""

from collections.abc import Callable
from pathlib import Path

from paglets.connect import connect
from paglets.examples.following import Follower, unqueued
from paglets.examples.meshbench.agents import MeshBenchmarkAgent
from paglets.examples.meshbench.model import ConductorState, Count, CrossPlan


def run_mesh_benchmark(
    url: str | None, key_file: Path | None, plan: CrossPlan, show: Callable[[str], None]
) -> Count:
    """Measure every way between the hosts of a mesh; whatever ends this, nothing is left on them.

    Args:
        url: As for `paglets.connect`; the conductor lives on this host.
        key_file: As for `paglets.connect`.
        plan: What to measure.
        show: Told what is measured now.

    Raises:
        DeadlineError: The conductor did not come to an end.
        PagletsError: As `paglets.connect`, `create` and `send` raise.
    """
    with connect(url, key_file) as client:
        follower = Follower(client, lambda: unqueued("progress"), Count)
        return follower.follow(
            MeshBenchmarkAgent,
            ConductorState(plan),
            seconds=plan.deadline,
            show=lambda count: show(count.text),
        )
