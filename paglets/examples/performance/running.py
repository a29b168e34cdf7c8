"""Runs the benchmark from outside any paglet: creates the parent, follows it, leaves nothing."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paglets import Message, PagletProxy, Priority
from paglets.connect import Client, connect
from paglets.examples.performance.agent import PerformanceBenchmarkAgent
from paglets.examples.performance.model import BenchmarkState, Phase, Plan, Progress, Row
from paglets.model.errors import DeadlineError, NotFoundError, PagletsError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Between two questions how far it is."""
GRACE_SECONDS = 45.0
"""What the parent may take beyond its deadline: one clone under way, and ending the workers."""
END_SECONDS = 20.0
"""Longest wait for the parent to end its workers after Ctrl-C; then they are ended from here."""

Show = Callable[[Sequence[Row]], None]
"""Shows how far it is."""


def run_performance(url: str | None, key_file: Path | None, plan: Plan, show: Show) -> list[Row]:
    """Have the hosts of a mesh measured; return their rows as the parent has them.

    Only the entry host need be reachable. Whatever ends this, Ctrl-C included, parent and workers
    are ended; where this process is killed, they end after the plan's patience.

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
        parent = client.create(PerformanceBenchmarkAgent, BenchmarkState(plan))
        rows: list[Row] = []
        try:
            rows = _follow(parent, plan.deadline + GRACE_SECONDS, show)
        except BaseException:
            rows = _stop(parent)
            raise
        finally:
            _end(client, parent, rows)
        return rows


def _follow(parent: PagletProxy, seconds: float, show: Show) -> list[Row]:
    deadline = time.monotonic() + seconds
    while True:
        found = _ask(parent, max(0.1, min(30.0, deadline - time.monotonic())))
        show(found.rows)
        if found.is_done:
            return found.rows
        if time.monotonic() >= deadline:
            raise DeadlineError(f"the benchmark did not end within {seconds:g} s")
        time.sleep(POLL_SECONDS)


def _ask(parent: PagletProxy, timeout: float) -> Progress:
    message = Message("progress", priority=Priority.UNQUEUED)
    return parent.send(message, Progress, timeout=timeout, retry_for=timeout)


def _stop(parent: PagletProxy) -> list[Row]:
    """Have the parent end its workers; return the rows it had last, for those it did not end."""
    rows: list[Row] = []
    deadline = time.monotonic() + END_SECONDS
    try:
        parent.send(Message("stop", priority=Priority.UNQUEUED), timeout=END_SECONDS / 4)
        while time.monotonic() < deadline:
            found = _ask(parent, END_SECONDS / 4)
            rows = found.rows
            if found.is_done:
                return []
            time.sleep(POLL_SECONDS)
    except PagletsError:
        pass  # what made the caller stop is raised; the workers that are known are ended below
    return rows


def _end(client: Client, parent: PagletProxy, rows: Sequence[Row]) -> None:
    """Dispose of workers without a result, and of the parent."""
    left = [row.worker for row in rows if row.worker and row.phase is not Phase.DONE]
    for proxy in [*(client.proxy(ref) for ref in left if ref.host_url), parent]:
        try:
            proxy.dispose(force=True)
        except NotFoundError:
            continue
        except PagletsError as error:
            # Its host is away: it ends itself when that is back.
            logger.info("%s was not disposed of: %s", proxy, error)
