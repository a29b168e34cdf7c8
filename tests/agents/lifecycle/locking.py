"""Paglets that wait: for state, for messages, for the end of their stay."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from paglets import (
    DeactivationPolicy,
    Message,
    MobilityEvent,
    Paglet,
    Priority,
    handles,
    state_locked,
)


@dataclass
class DeskState:
    numbers: list[int] = field(default_factory=list)
    is_open: bool = False
    notes: list[str] = field(default_factory=list)


class Desk(Paglet[DeskState]):
    """One handler at a time, UNQUEUED messages beside it."""

    @handles("put")
    def put(self, number: int) -> None:
        with self.locked_state() as state:
            state.numbers.append(number)

    @handles("wait for numbers")
    def wait_for_numbers(self, count: int, seconds: float) -> bool:
        return self.wait_state(lambda state: len(state.numbers) >= count, seconds)

    @handles("wait for a message")
    def wait_for_a_message(self, seconds: float) -> bool:
        return self.wait_message(seconds)

    @handles("ring")
    def ring(self) -> None:
        self.notify_message()

    @handles("nest")
    @state_locked
    def nest(self) -> int:
        with self.locked(), self.locked_state() as state:
            return len(state.numbers)

    @handles("open")
    def open(self) -> None:
        self.state.is_open = True
        self.notify_state_changed()

    @handles("wait until open")
    def wait_until_open(self, seconds: float) -> bool:
        return self.wait_state(lambda state: state.is_open, seconds)

    @handles("sleep")
    def rest(self, seconds: float) -> list[bool]:
        return [self.sleep(seconds), self.stopping]

    @handles("wait until cancelled")
    def wait_until_cancelled(self, message: Message) -> None:
        deadline = time.monotonic() + 10
        while not message.cancelled and time.monotonic() < deadline:
            self.sleep(0.01)
        self.state.notes.append("cancelled" if message.cancelled else "never cancelled")

    @handles("notes")
    def tell_notes(self) -> list[str]:
        return self.state.notes

    @handles("leave and clean")
    def leave_and_clean(self, to: str) -> None:
        try:
            try:
                self.dispatch(to)
            except BaseException:
                self.state.notes.append("swallowed")
        finally:
            self.state.notes.append("finally")
        self.state.notes.append("went on")

    @handles("leave from a thread")
    def leave_from_a_thread(self, to: str) -> str:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            error = pool.submit(self.dispatch, to).exception(10)
        return type(error).__name__


@dataclass
class LingererState:
    book: Path = Path("/nowhere")
    rounds: int = 0
    seconds: float = 0.0


class Lingerer(Paglet[LingererState]):
    """Its `run()` has a little to do when it is told to stop."""

    run_grace = 5.0

    def run(self) -> None:
        while not self.sleep(10.0):
            pass
        threading.Event().wait(self.state.seconds)
        with self.locked_state() as state:
            state.rounds += 1

    @handles("rounds")
    def rounds(self) -> int:
        return self.state.rounds


class Rude(Paglet[None]):
    """Tries to leave in a hook of leaving."""

    def on_dispatching(self, event: MobilityEvent) -> None:
        self.deactivate(DeactivationPolicy())


class Pacer(Paglet[DeskState]):
    """`run()` and handlers share the state under the lock."""

    def run(self) -> None:
        for _ in range(100):
            with self.locked_state() as state:
                state.numbers.append(len(state.numbers))

    @handles("put")
    @state_locked
    def put(self) -> int:
        self.state.numbers.append(len(self.state.numbers))
        return len(self.state.numbers)

    @handles("numbers")
    def numbers(self) -> list[int]:
        with self.locked_state() as state:
            return list(state.numbers)

    @handles("urgent")
    def urgent(self) -> int:
        return int(Priority.UNQUEUED)
