"""Runs a search from outside any paglet; only the entry host need be reachable."""

from collections.abc import Callable
from pathlib import Path

from paglets.connect import connect
from paglets.examples.following import Follower, unqueued
from paglets.examples.grep.agent import GrepAgent
from paglets.examples.grep.model import Found, GrepPlan, GrepRow, GrepState, Hit


def run_grep(
    url: str | None, key_file: Path | None, plan: GrepPlan, show: Callable[[Hit], None]
) -> list[GrepRow]:
    """Search the hosts of a mesh; return what became of each.

    Whatever ends this, nothing is left on any host.

    Args:
        url: As for `paglets.connect`; the parent lives on this host.
        key_file: As for `paglets.connect`.
        plan: What to search.
        show: Called with each hit, soon after it was found.

    Raises:
        DeadlineError: The parent did not come to an end.
        PagletsError: As `paglets.connect`, `create` and `send` raise.
    """
    count = 0

    def take(found: Found) -> None:
        nonlocal count
        count += len(found.hits)
        for hit in found.hits:
            show(hit)

    with connect(url, key_file) as client:
        follower = Follower(client, lambda: unqueued("found", after=count), Found)
        done = follower.follow(GrepAgent, GrepState(plan), seconds=plan.deadline, show=take)
        return done.rows
