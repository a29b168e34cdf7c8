"""Paglets with an itinerary."""

from dataclasses import dataclass, field

from paglets import (
    DeactivationPolicy,
    Itinerary,
    MobilityEvent,
    MoveFailedEvent,
    Paglet,
    Stop,
    handles,
)


@dataclass
class TourState:
    itinerary: Itinerary = field(default_factory=Itinerary)
    notes: list[str] = field(default_factory=list)
    rest: int = 1_000_000
    """Moves to make."""


class Tourist(Paglet[TourState]):
    """Follows its plan from `run()` and notes what is called."""

    def _note(self, what: str) -> None:
        with self.locked_state() as state:
            state.notes.append(f"{what}@{self.context.host_name}")

    def on_arrival(self, event: MobilityEvent) -> None:
        self._note("on_arrival")

    def on_reverting(self, event: MobilityEvent) -> None:
        self._note("on_reverting")

    def on_move_failed(self, event: MoveFailedEvent) -> None:
        self._note(f"failed {event.target_host_name}")

    def look(self) -> None:
        self._note("look")

    def pack(self) -> None:
        self._note("pack")

    def hurry(self) -> None:
        self._note("hurry")

    async def sing(self) -> None:
        self._note("sing")

    def run(self) -> None:
        if self.state.itinerary.stops and self.state.rest > 0:
            self.state.rest -= 1
            if not self.state.itinerary.go_next(self):
                self._note("done")

    @handles("plan")
    def plan(self, stops: list[str], circular: bool = False) -> None:
        plan = self.state.itinerary
        plan.stops = [Stop(host) for host in stops]
        plan.circular = circular

    @handles("insert")
    def insert(self, host: str) -> None:
        """Make a host the next stop."""
        plan = self.state.itinerary
        plan.stops.insert(plan.position + 1, Stop(host, arrival=["look"]))

    @handles("next")
    def next(self) -> bool:
        return self.state.itinerary.go_next(self)

    @handles("notes")
    def notes(self) -> list[str]:
        return self.state.notes

    @handles("sleep")
    def fall_asleep(self) -> None:
        self.deactivate(DeactivationPolicy())
