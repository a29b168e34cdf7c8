"""A paglet that visits every host by an Itinerary and reports what it saw.

`paglets examples tour` runs it; the smallest complete example of moving work to data.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from paglets import CreationEvent, Itinerary, Message, Paglet, PagletProxy, Stop, connect, handles
from paglets.examples.machine import Sight, look_around
from paglets.model.errors import DeadlineError, PagletsError

POLL_SECONDS = 0.1
"""Between two looks at how far the tour is."""


@dataclass
class TourState:
    """What travels: the plan, and what was seen so far."""

    plan: Itinerary = field(default_factory=Itinerary)
    sights: list[Sight] = field(default_factory=list)
    is_done: bool = False


@dataclass
class Report:
    """How far the tour is."""

    is_done: bool
    sights: list[Sight]


class Tour(Paglet[TourState]):
    """Looks around where it is created and at each stop of its plan."""

    def on_creation(self, event: CreationEvent) -> None:
        """Begin at home."""
        self.look()

    def look(self) -> None:
        """Note what this machine is like; the task of every stop."""
        with self.locked_state() as state:
            state.sights.append(look_around(self.context.host_name))

    def run(self) -> None:
        """Go on to the next stop; started anew after each move."""
        self.state.plan.go_next(self)
        with self.locked_state() as state:
            state.is_done = True

    @handles("report")
    def report(self) -> Report:
        """Return how far the tour is."""
        with self.locked_state() as state:
            return Report(state.is_done, list(state.sights))


def plan_for(names: list[str], start: str) -> Itinerary:
    """Return a plan over all hosts but the one where the tour starts.

    Args:
        names: The hosts.
        start: The host where the tour is created.
    """
    others = [name for name in sorted(names) if name != start]
    return Itinerary(stops=[Stop(name, arrival=["look"]) for name in others])


def run_tour(url: str | None, key_file: Path | None, *, timeout: float) -> list[Sight]:
    """Send a Tour to every online host and return what it saw, in the order of its visits.

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
            return wait_for_report(tour, timeout).sights
        finally:
            tour.dispose()


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
