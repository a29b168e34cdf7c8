"""Paglets that have their clones on other hosts do something."""

import os
import signal
import threading
from dataclasses import dataclass, field

from paglets import CloneEvent, Durability, FanOut, Message, Paglet, Priority, handles

HANG = threading.Event()
"""Never set, but by tests in whose process it hangs."""


@dataclass
class Look:
    host: str
    pid: int


@dataclass
class CountState:
    fan_out: FanOut = field(default_factory=FanOut)
    word: str = ""
    mood: dict[str, str] = field(default_factory=dict)
    """What a clone does, by its host: raise, hang, crash, odd."""
    found: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Count(Paglet[CountState]):
    def on_clone(self, event: CloneEvent) -> None:
        self.state.notes.append(f"clone of {event.source.agent_id}")

    def run(self) -> None:
        self.state.notes.append("run")

    @handles("count")
    def count(
        self, hosts: list[str] | None = None, deadline: float = 20.0, word: str = ""
    ) -> dict[str, object]:
        self.state.word = word
        found = self.state.fan_out.gather(self.look, hosts=hosts, deadline=deadline)
        return {
            "results": {host: look.host for host, look in found.results.items()},
            "missing": {host: [m.reason.value, m.text] for host, m in found.missing.items()},
        }

    @handles("moods")
    def moods(self, mood: dict[str, str]) -> None:
        self.state.mood = mood

    @handles("notes")
    def notes(self) -> list[str]:
        return self.state.notes

    @handles("note")
    def note(self, text: str) -> None:
        with self.locked_state() as state:
            state.notes.append(text)

    def look(self) -> Look:
        assert self.state.fan_out.leader is not None
        text = f"{self.state.word} of {self.context.host_name} {self.state.notes[-1][:8]}"
        note = Message("note", {"text": text}, priority=Priority.UNQUEUED)
        self.send(self.state.fan_out.leader, note)
        match self.state.mood.get(self.context.host_name):
            case "raise":
                raise ValueError("not here")
            case "hang":
                HANG.wait()
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "large":
                return Look("x" * 1_000_000, 1)
        return Look(self.context.host_name, os.getpid())

    # What a gathering does not take.
    async def look_later(self) -> Look:
        return self.look()


class DurableCount(Count):
    durability = Durability.MESSAGE

    @handles("note")
    def note(self, text: str) -> None:
        """Keep nothing: an UNQUEUED handler of a MESSAGE paglet may not change the state."""
