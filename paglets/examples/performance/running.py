"""Runs the benchmark from outside any paglet; only the entry host need be reachable."""

from collections.abc import Callable, Sequence
from pathlib import Path

from paglets.connect import connect
from paglets.examples.following import Follower, unqueued
from paglets.examples.performance.agent import PerformanceBenchmarkAgent
from paglets.examples.performance.model import BenchmarkState, Plan, Progress, Row

Show = Callable[[Sequence[Row]], None]
"""Shows how far it is."""


def run_performance(url: str | None, key_file: Path | None, plan: Plan, show: Show) -> list[Row]:
    """Have the hosts of a mesh measured; return their rows.

    Whatever ends this, Ctrl-C included, parent and workers are ended; where this process is
    killed, they end after the plan's patience.

    Args:
        url: As for `paglets.connect`; the parent lives on this host.
        key_file: As for `paglets.connect`.
        plan: What to measure.
        show: Called after each look at the parent.

    Raises:
        DeadlineError: The parent did not come to an end.
        PagletsError: As `paglets.connect`, `create` and `send` raise.
    """
    with connect(url, key_file) as client:
        follower = Follower(client, lambda: unqueued("progress"), Progress)
        done = follower.follow(
            PerformanceBenchmarkAgent,
            BenchmarkState(plan),
            seconds=plan.deadline,
            show=lambda found: show(found.rows),
        )
        return done.rows
