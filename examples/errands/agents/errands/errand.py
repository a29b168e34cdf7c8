"""A paglet that goes to every host on its list and notes what it found there."""

from dataclasses import dataclass, field

from paglets import MobilityEvent, Paglet, handles


@dataclass
class ErrandState:
    """What travels."""

    stops: list[str] = field(default_factory=list)
    """Hosts that are still to be visited."""
    found: list[str] = field(default_factory=list)


class Errand(Paglet[ErrandState]):
    """Goes from host to host until its list is empty."""

    def on_arrival(self, event: MobilityEvent) -> None:
        """Note where it is."""
        self.state.found.append(self.context.host_name)

    def run(self) -> None:
        """Go on; started anew at each host."""
        with self.locked_state() as state:
            following = state.stops.pop(0) if state.stops else None
        if following is not None:
            self.dispatch(following)

    @handles("found")
    def found(self) -> list[str]:
        """Return what it found so far."""
        with self.locked_state() as state:
            return list(state.found)
