"""Paglets that write down which messages they handled."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from paglets import Durability, Message, Paglet, PagletProxyRef, RestartPolicy, handles


@dataclass
class ClerkState:
    handled: list[str] = field(default_factory=list)
    most: int = 0
    """Handlers of queued messages that ran at once, at most."""


class Clerk(Paglet[ClerkState]):
    """Writes down what it handles, in order."""

    def __init__(self) -> None:
        self.inside = 0
        self.gate = threading.Event()

    @handles("note")
    def note(self, text: str) -> int:
        self.inside += 1
        self.state.most = max(self.state.most, self.inside)
        self.state.handled.append(text)
        count = len(self.state.handled)
        self.inside -= 1
        return count

    @handles("block")
    def block(self, seconds: float = 30.0) -> bool:
        return self.gate.wait(seconds)

    @handles("open")
    def open(self) -> None:
        self.gate.set()

    @handles("handled")
    def handled(self) -> list[str]:
        return self.state.handled

    @handles("most")
    def most(self) -> int:
        return self.state.most

    @handles("relay")
    def relay(self, to: PagletProxyRef, kind: str, text: str, retry_for: float | None) -> object:
        return self.send(to, Message(kind, {"text": text}), retry_for=retry_for, timeout=30.0)

    @handles("slow note")
    def slow_note(self, text: str, seconds: float) -> int:
        threading.Event().wait(seconds)
        return self.note(text)


@dataclass
class LedgerState:
    handled: list[str] = field(default_factory=list)
    friend: PagletProxyRef | None = None
    book: Path = Path("/nowhere")


class Ledger(Paglet[LedgerState]):
    """Its state and the outcome of each message are one commit."""

    durability = Durability.MESSAGE
    restart = RestartPolicy.ON_CRASH

    def _write(self, line: str) -> int:
        """Append to the book; return how often the line stands there."""
        with self.state.book.open("a") as book:
            book.write(f"{line}\n")
        return self.state.book.read_text().splitlines().count(line)

    @handles("note")
    def note(self, text: str) -> int:
        self.state.handled.append(text)
        self._write(text)
        return len(self.state.handled)

    @handles("handled")
    def handled(self) -> list[str]:
        return self.state.handled

    @handles("die once")
    def die_once(self, text: str) -> int:
        self.state.handled.append(text)
        if self._write(text) == 1:
            os._exit(9)
        return len(self.state.handled)

    @handles("wait")
    def wait(self, seconds: float) -> None:
        self.sleep(seconds)

    @handles("pass on and die once")
    def pass_on(self, text: str) -> list[str]:
        """Send, create and clone; then die, so that all of it is done again."""
        assert self.state.friend is not None
        self.send_oneway(self.state.friend, Message("note", {"text": f"oneway {text}"}))
        self.send(self.state.friend, Message("note", {"text": f"asked {text}"}), retry_for=60.0)
        made = self.context.create(Clerk).agent_id
        clone = self.clone().agent_id
        there = self.clone("beta").agent_id
        if self._write(text) == 1:
            os._exit(9)
        self.state.handled.append(text)
        return [made, clone, there]

    @handles("change beside")
    def change_beside(self) -> None:
        self.state.handled.append("beside")

    @handles("checkpoint")
    def save(self) -> None:
        self.checkpoint()
