"""Sends a Tour (tour.py) over the mesh and waits for its report; code outside any paglet."""

import time
from dataclasses import dataclass
from pathlib import Path

from paglets import Message, PagletProxy, connect
from paglets.examples.machine import Sight
from paglets.examples.tour import Report, Tour, TourState, plan_for
from paglets.model.errors import DeadlineError, PagletsError

POLL_SECONDS = 0.1
"""Between two looks at how far the tour is."""


@dataclass(frozen=True)
class Seen:
    """What a tour came home with."""

    sights: list[Sight]
    """In the order of its visits."""
    missed: list[str]
    """Hosts that were online when it began and could not be visited."""


def run_tour(url: str | None, key_file: Path | None, *, timeout: float) -> Seen:
    """Send a Tour to every online host and return what it saw.

    Args:
        url: As for `paglets.connect`.
        key_file: As for `paglets.connect`.
        timeout: Seconds for all of it.

    Raises:
        DeadlineError: It was not done in time; it has been disposed of.
        PagletsError: As `paglets.connect`, `create` and `send` raise.
    """
    with connect(url, key_file) as client:
        names = [host.name for host in client.hosts()]
        start = next((host.name for host in client.hosts() if host.url == client.url), names[0])
        tour = client.create(Tour, TourState(plan_for(names, start)), host=start)
        try:
            sights = wait_for_report(tour, timeout).sights
        finally:
            tour.dispose()
    return Seen(sights, sorted(set(names) - {sight.host for sight in sights}))


def wait_for_report(tour: PagletProxy, timeout: float) -> Report:
    """Return the report of a tour that is done.

    Raises:
        DeadlineError: It was not done within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"the tour was not done within {timeout:g} s")
        try:
            # Repeated under one id while the paglet is between two hosts.
            report = tour.send(Message("report"), Report, timeout=left, retry_for=left)
        except PagletsError as error:
            if not error.retryable:
                raise
            continue
        if report.is_done:
            return report
        time.sleep(POLL_SECONDS)
