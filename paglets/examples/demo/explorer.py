"""The paglet of the demo: travels, looks at machines, counts lines of code, keeps notes.

Its durability is MESSAGE: what it has acknowledged survives kill -9.
"""

import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

from paglets import CloneEvent, CreationEvent, Durability, Itinerary, Paglet, handles
from paglets.examples.machine import Sight, look_around

COUNT_SECONDS = 5.0
"""Longest time for counting one share; the machine may be slow."""


@dataclass
class Count:
    """What a clone counted of its share."""

    host: str
    files: int
    lines: int
    seconds: float


@dataclass
class Logbook:
    """What an Explorer has so far."""

    is_done: bool
    sights: list[Sight]
    notes: list[str]
    counts: list[Count]


@dataclass
class ExplorerState:
    """What travels with it."""

    plan: Itinerary = field(default_factory=Itinerary)
    is_done: bool = False
    sights: list[Sight] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)


class Explorer(Paglet[ExplorerState]):
    """Visits the hosts of its plan and does small jobs by message."""

    durability = Durability.MESSAGE

    def on_creation(self, event: CreationEvent) -> None:
        """Begin where it is created."""
        self.state.sights.append(look_around(event.host_name))

    def on_clone(self, event: CloneEvent) -> None:
        """Start a logbook of its own."""
        self.state.sights = []
        self.state.notes = [f"cloned from {event.source_host_name}"]

    def look(self) -> None:
        """Read what this machine is like; the task of every stop."""
        with self.locked_state() as state:
            state.sights.append(look_around(self.context.host_name))

    def run(self) -> None:
        """Go on to the next stop; started anew after each move."""
        self.state.plan.go_next(self)
        with self.locked_state() as state:
            state.is_done = True

    @handles("logbook")
    def logbook(self) -> Logbook:
        """Return what it has so far."""
        with self.locked_state() as state:
            return Logbook(state.is_done, list(state.sights), list(state.notes), list(state.counts))

    @handles("note")
    def note(self, text: str) -> int:
        """Keep a note; return how many there are."""
        self.state.notes.append(text)
        return len(self.state.notes)

    @handles("count")
    def count(self, share: int, shares: int) -> Count:
        """Count the lines of every `shares`th module of Python's own library, from `share` on."""
        began = time.monotonic()
        files = lines = 0
        for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[share::shares]:
            if time.monotonic() - began > COUNT_SECONDS:
                break
            lines += path.read_bytes().count(b"\n")
            files += 1
        seconds = round(time.monotonic() - began, 3)
        found = Count(self.context.host_name, files, lines, seconds)
        self.state.counts.append(found)
        return found
