"""Paglets that keep account of what happens to them, for tests of loss and doubling."""

import os
import signal
import threading
from dataclasses import dataclass, field

from paglets import (
    CloneEvent,
    Durability,
    Message,
    MobilityEvent,
    MoveFailedEvent,
    Paglet,
    PagletsError,
    RestartPolicy,
    handles,
)


@dataclass
class LedgerState:
    """What was handled, by sender and in order, and where the paglet has been."""

    numbers: dict[str, list[int]] = field(default_factory=dict)
    arrivals: int = 0
    failures: int = 0
    clones: int = 0
    trouble: str = ""
    """What goes wrong next: a hook's name and how, as `on_arrival:raise`."""
    ballast: bytes = b""
    """Makes the state large."""


class Ledger(Paglet[LedgerState]):
    """Keeps its state through everything: each reply leaves after its commit."""

    durability = Durability.MESSAGE

    def on_dispatching(self, event: MobilityEvent) -> None:
        """Have trouble, if asked for."""
        self._suffer("on_dispatching")

    def on_arrival(self, event: MobilityEvent) -> None:
        """Count, or have trouble."""
        self._suffer("on_arrival", event.attempt)
        self.state.arrivals += 1

    def on_cloning(self, event: CloneEvent) -> None:
        """Have trouble, if asked for."""
        self._suffer("on_cloning")

    def on_clone(self, event: CloneEvent) -> None:
        """Count."""
        self.state.clones += 1

    def on_move_failed(self, event: MoveFailedEvent) -> None:
        """Count."""
        self.state.failures += 1

    def _suffer(self, hook: str, attempt: int = 1) -> None:
        name, _, how = self.state.trouble.partition(":")
        if name != hook or attempt > 1:
            return
        match how:
            case "raise":
                raise RuntimeError("as asked")
            case "hang":
                threading.Event().wait(60)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                raise AssertionError(how)

    @handles("put")
    def put(self, sender: str, number: int) -> int:
        """Enter a number and return how many this sender has sent."""
        entries = self.state.numbers.setdefault(sender, [])
        entries.append(number)
        return len(entries)

    @handles("numbers")
    def numbers(self) -> dict[str, list[int]]:
        """Return what was handled."""
        return self.state.numbers

    @handles("facts")
    def facts(self) -> dict[str, int]:
        """Return the counts."""
        state = self.state
        return {"arrivals": state.arrivals, "failures": state.failures, "clones": state.clones}

    @handles("trouble")
    def trouble(self, what: str) -> None:
        """Plan what goes wrong next."""
        self.state.trouble = what

    @handles("fill")
    def fill(self, size: int) -> None:
        """Make the state so many bytes larger, of which no two compress to one."""
        self.state.ballast = os.urandom(size)

    @handles("go")
    def go(self, to: str) -> None:
        """Leave for another host."""
        self.dispatch(to)

    @handles("linger")
    def linger(self, seconds: float) -> None:
        """Be busy, deaf to everything."""
        threading.Event().wait(seconds)

    @handles("pow")
    def pow(self) -> int:
        """Hold the GIL in one long step of C code: no other thread of this process runs."""
        return (7**9_000_000 % 1_000_003) ** (3**12_000_000 % 2)

    @handles("pid")
    def pid(self) -> int:
        """Return the process id."""
        return os.getpid()


class Phoenix(Ledger):
    """The same, and started again after a crash."""

    restart = RestartPolicy.ON_CRASH


class Notes(Ledger):
    """The same with commits at life-cycle points only."""

    durability = Durability.LIFECYCLE


class Talker(Paglet[None]):
    """Sends numbers to another paglet from its own process."""

    @handles("talk")
    def talk(self, agent_id: str, first: int, count: int, name: str) -> list[int]:
        """Send numbers one after the other; return those that were acknowledged."""
        proxy = self.context.proxies.find(agent_id)
        for number in range(first, first + count):
            message = Message("put", {"sender": name, "number": number})
            proxy.send(message, retry_for=60.0, timeout=60.0)
        return list(range(first, first + count))

    @handles("talk_oneway")
    def talk_oneway(self, agent_id: str, first: int, count: int, name: str) -> list[int]:
        """Send numbers without waiting for their handlers; return those that were taken."""
        proxy = self.context.proxies.find(agent_id)
        taken = []
        for number in range(first, first + count):
            try:
                proxy.send_oneway(Message("put", {"sender": name, "number": number}))
            except PagletsError as error:
                print(number, "was not taken:", error)
            else:
                taken.append(number)
            self.sleep(0.005)
        return taken
