"""A paglet that visits every host by an Itinerary and reports what it saw.

The smallest complete example of moving work to data. `paglets examples tour` runs it, by
touring.py: what a Paglet Process imports should be little, so the sender is not in here.
"""

from dataclasses import dataclass, field

from paglets import CreationEvent, Itinerary, Paglet, Stop, handles
from paglets.examples.machine import Sight, look_around


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
        self.state.sights.append(look_around(event.host_name))

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
