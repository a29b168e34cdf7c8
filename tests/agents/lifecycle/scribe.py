"""A paglet that writes down every hook that is called, and fails in one of them if told to."""

import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from paglets import (
    ActivationEvent,
    CloneEvent,
    CreationEvent,
    DeactivationPolicy,
    DisposalEvent,
    Message,
    MobilityEvent,
    MoveFailedEvent,
    Paglet,
    PersistencyEvent,
    RestartPolicy,
    TransferTicket,
    handles,
)

HANG_SECONDS = 3600.0


@dataclass
class ScribeState:
    book: Path = Path("/nowhere")
    """File that all paglets of one scenario append to."""
    trouble: dict[str, str] = field(default_factory=dict)
    """By hook: `raise`, `hang`, `exit` or `kill`; `kill once` does so in the first call only."""
    creation_goes: str | None = None
    """Where `on_creation` goes."""
    run_goes: dict[str, str] = field(default_factory=dict)
    """From host to host, by `run()`."""
    arrival_goes: dict[str, str] = field(default_factory=dict)
    """From host to host, by `on_arrival`."""
    makes_namesake: bool = False
    """Whether `on_dispatching` puts another paglet of the same id in its own way."""
    tally: int = 0


class Scribe(Paglet[ScribeState]):
    """Appends `agent_id hook(detail)@host` to its book, one line a call."""

    def _called(self, hook: str, detail: str = "", attempt: int = 1) -> None:
        trouble = self.state.trouble.get(hook, "")
        mine = f"{self.agent_id} {hook}"
        again = self.state.book.exists() and mine in self.state.book.read_text()
        told = ", ".join(filter(None, (detail, f"attempt {attempt}" if attempt > 1 else "")))
        with self.state.book.open("a") as book:
            told = f"({told})" if told else ""
            book.write(f"{mine}{told}@{self.context.host_name}\n")
        if trouble.endswith(" once"):
            trouble = "" if again else trouble.removesuffix(" once")
        match trouble:
            case "raise":
                raise ValueError(f"{hook} does not like it")
            case "hang":
                threading.Event().wait(HANG_SECONDS)
            case "exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait(HANG_SECONDS)

    def on_creation(self, event: CreationEvent) -> None:
        self._called("on_creation", attempt=event.attempt)
        where, self.state.creation_goes = self.state.creation_goes, None
        if where is not None:
            self.dispatch(where)

    def on_dispatching(self, event: MobilityEvent) -> None:
        self._called("on_dispatching", event.reason)
        if self.state.makes_namesake:
            host = event.target_host_name
            self.context.create(Namesake, host=host, agent_id=self.agent_id)

    def on_arrival(self, event: MobilityEvent) -> None:
        self._called("on_arrival", event.reason, event.attempt)
        where = self.state.arrival_goes.pop(self.context.host_name, None)
        if where is not None:
            self.dispatch(where)

    def on_reverting(self, event: MobilityEvent) -> None:
        self._called("on_reverting", event.reason)

    def on_cloning(self, event: CloneEvent) -> None:
        self._called("on_cloning")

    def on_clone(self, event: CloneEvent) -> None:
        self._called("on_clone", attempt=event.attempt)

    def on_cloned(self, event: CloneEvent) -> None:
        self._called("on_cloned")

    def on_deactivating(self, event: PersistencyEvent) -> None:
        self._called("on_deactivating", event.reason)

    def on_activation(self, event: ActivationEvent) -> None:
        self._called("on_activation", event.reason)

    def on_disposing(self, event: DisposalEvent) -> None:
        self._called("on_disposing", event.reason)

    def on_move_failed(self, event: MoveFailedEvent) -> None:
        self._called("on_move_failed", "restarted" if event.restarted else "")

    def run(self) -> None:
        self._called("run")
        where = self.state.run_goes.pop(self.context.host_name, None)
        if where is not None:
            self.dispatch(where)
        self.sleep(HANG_SECONDS)

    @handles("ping")
    def ping(self) -> str:
        return self.context.host_name

    @handles("count")
    def count(self) -> int:
        self.state.tally += 1
        return self.state.tally

    @handles("trouble")
    def make_trouble(self, hook: str, what: str) -> None:
        self.state.trouble[hook] = what

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)

    @handles("go with ticket")
    def go_with_ticket(self, destination: str, required_capabilities: list[str]) -> None:
        self.dispatch(
            TransferTicket(
                destination=destination, required_capabilities=tuple(required_capabilities)
            )
        )

    @handles("copy")
    def copy(self, to: str | None = None) -> str:
        return self.clone(to).agent_id

    @handles("rest")
    def rest(self) -> None:
        self.deactivate(DeactivationPolicy())

    @handles("end")
    def end(self) -> None:
        self.dispose()

    @handles("crash")
    def crash(self, message: Message) -> None:
        print("about to crash", file=sys.stderr, flush=True)
        os._exit(message.args.get("code", 9))


class StubbornScribe(Scribe):
    """One that is restarted after a crash."""

    restart = RestartPolicy.ON_CRASH


class Namesake(Paglet[None]):
    """One that has the id of another."""
