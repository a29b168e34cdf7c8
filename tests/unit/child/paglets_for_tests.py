"""Paglets that the child's tests load, as an author would write them."""

import sys
import threading
from dataclasses import dataclass, field
from typing import ClassVar

from paglets import (
    CloneEvent,
    DeactivationPolicy,
    Durability,
    FileMode,
    Itinerary,
    Message,
    MobilityEvent,
    MoveFailedEvent,
    Paglet,
    PagletProxyRef,
    Priority,
    ServiceContract,
    ServiceOperation,
    TransferError,
    handles,
    provides,
    state_locked,
)

HOLD = threading.Event()
"""Keeps `hold` and stubborn `run()`s busy until a test sets it."""
ENTERED = threading.Event()
"""Set by what has begun to wait for HOLD."""
SEEN: list[str] = []
"""What paglets did, for tests to compare."""


@dataclass
class Notes:
    texts: list[str] = field(default_factory=list)
    count: int = 0


def hold() -> None:
    ENTERED.set()
    HOLD.wait(5)


class Counter(Paglet[Notes]):
    @handles("add")
    def add(self, by: int = 1) -> int:
        self.state.count += by
        return self.state.count

    @handles("echo")
    def echo(self, value: object = None, message: Message | None = None) -> object:
        return value

    @handles("boom")
    def boom(self) -> None:
        raise ValueError("no luck")

    @handles("unencodable")
    def unencodable(self) -> object:
        return object()

    @handles("big")
    def big(self, size: int) -> str:
        return "x" * size

    @handles("hold")
    def hold(self) -> str:
        hold()
        return "held"

    @handles("cancelled")
    def cancelled(self, message: Message) -> bool:
        ENTERED.set()
        while not message.cancelled and not HOLD.wait(0.002):
            pass
        return message.cancelled

    @handles("spoil")
    def spoil(self) -> None:
        self.state.count = "many"  # type: ignore[assignment]

    @handles("mend")
    def mend(self) -> None:
        self.state.count = 0

    @handles("quit")
    def quit(self) -> None:
        sys.exit(3)

    @handles("go")
    def go(self, to: str) -> None:
        try:
            self.dispatch(to)
        except BaseException:
            SEEN.append("swallowed")
        finally:
            SEEN.append("finally")
        self.context.mesh.hosts()
        SEEN.append("not reached")

    @handles("sleep")
    def fall_asleep(self) -> None:
        self.deactivate(DeactivationPolicy.after(60))

    @handles("end")
    def end(self) -> None:
        self.dispose()

    @handles("doze")
    def doze(self) -> bool:
        ENTERED.set()
        return self.sleep(5)

    @handles("locked_add")
    def locked_add(self) -> None:
        with self.locked_state() as state:
            state.count += 1

    @handles("await_count")
    def await_count(self, at_least: int) -> bool:
        ENTERED.set()
        return self.wait_state(lambda state: state.count >= at_least, 5)

    @handles("await_message")
    def await_message(self) -> bool:
        ENTERED.set()
        return self.wait_message(5)

    @handles("ring")
    def ring(self) -> None:
        self.notify_all_messages()

    @handles("ask")
    def ask(self, agent_id: str) -> object:
        return self.send(PagletProxyRef("http://beta:1", agent_id), Message("q"))

    @handles("checkpoint")
    def save(self) -> None:
        self.checkpoint()

    @handles("clone")
    def copy(self) -> str:
        return self.clone().agent_id

    @handles("track")
    def track(self, name: str, fails: bool = False) -> None:
        def cleanup() -> None:
            SEEN.append(name)
            if fails:
                raise OSError("stuck")

        self.context.resources.register(name, cleanup)


class Durable(Counter):
    durability = Durability.MESSAGE

    @handles("send_two")
    def send_two(self) -> None:
        for _ in range(2):
            self.send_oneway(PagletProxyRef("http://beta:1", "b1"), Message("tick"))


class Hooked(Paglet[Notes]):
    """Notes each hook in its state."""

    fails: ClassVar[str] = ""

    def note(self, name: str) -> None:
        self.state.texts.append(name)
        if self.fails == name:
            raise ValueError(f"{name} says no")

    def on_creation(self, event: object) -> None:
        self.note("on_creation")

    def on_dispatching(self, event: MobilityEvent) -> None:
        self.context.resources.register("r", lambda: self.note("cleanup"))
        self.note("on_dispatching")

    def on_arrival(self, event: MobilityEvent) -> None:
        self.note("on_arrival")

    def on_reverting(self, event: MobilityEvent) -> None:
        self.note("on_reverting")

    def on_cloning(self, event: CloneEvent) -> None:
        self.note("on_cloning")

    def on_cloned(self, event: CloneEvent) -> None:
        self.note("on_cloned")

    def on_deactivating(self, event: object) -> None:
        self.note("on_deactivating")

    def on_disposing(self, event: object) -> None:
        self.note("on_disposing")

    def on_move_failed(self, event: MoveFailedEvent) -> None:
        SEEN.append(f"{type(event.error).__name__} {event.target_host_name} {event.restarted}")
        self.note("on_move_failed")

    @handles("go")
    def go(self, to: str) -> str:
        try:
            self.dispatch(to)
        except TransferError as error:
            return f"stayed: {error.detail['reason']}"

    @handles("clone")
    def copy(self) -> str:
        return self.clone().agent_id


class NoDispatch(Hooked):
    fails = "on_dispatching"


class NoCreation(Hooked):
    fails = "on_creation"


class Leaver(Hooked):
    def on_dispatching(self, event: MobilityEvent) -> None:
        self.dispatch("elsewhere")


class SlowHook(Paglet[None]):
    def on_creation(self, event: object) -> None:
        hold()


class AsksInHook(Paglet[None]):
    def on_creation(self, event: object) -> None:
        self.context.mesh.hosts()

    def on_cloning(self, event: CloneEvent) -> None:
        hold()

    def on_move_failed(self, event: MoveFailedEvent) -> None:
        hold()

    @handles("go")
    def go(self) -> None:
        self.dispatch("beta")

    @handles("clone")
    def copy(self) -> str:
        return self.clone().agent_id


class Wanderer(Paglet[None]):
    def on_arrival(self, event: MobilityEvent) -> None:
        self.dispatch("gamma")


class Runs(Paglet[Notes]):
    def run(self) -> None:
        SEEN.append("run")
        while not self.sleep(5):
            pass
        SEEN.append("stopped")


class RunAsks(Paglet[None]):
    def run(self) -> None:
        try:
            self.context.mesh.hosts()
        finally:
            SEEN.append("unwound")
        SEEN.append("not reached")


class RunGoes(Paglet[None]):
    run_grace = 60.0  # not for a run() that asked to leave by itself

    def run(self) -> None:
        SEEN.append("run")
        self.dispatch("beta")


class RunFails(Paglet[None]):
    def run(self) -> None:
        raise ValueError("no luck")


class Stubborn(Paglet[None]):
    run_grace = 2.0

    def run(self) -> None:
        hold()
        SEEN.append("ended")


class DurableRuns(Paglet[Notes]):
    durability = Durability.MESSAGE

    def run(self) -> None:
        with self.locked_state() as state:
            state.count += 1
        self.checkpoint()


class Asynchronous(Paglet[Notes]):
    async def on_creation(self, event: object) -> None:
        self.state.texts.append("on_creation")

    async def handle_message(self, message: Message) -> object:
        match message.kind:
            case "ask":
                return await self.send_future(PagletProxyRef("http://beta:1", "b1"), Message("q"))
            case "block":
                return self.send(PagletProxyRef("http://beta:1", "b1"), Message("q"))
            case "go":
                self.dispatch("beta")
            case "add":
                async with self.locked_state() as state:
                    state.count += 1
                    return state.count
        return self.not_handled()


@dataclass
class Text:
    text: str


@dataclass
class Words:
    words: list[str]


SPLIT = ServiceOperation("split", Text, Words)
SPLITTER = ServiceContract("splitter", [SPLIT])


class Splitter(Paglet[None]):
    services = (SPLITTER,)

    @provides(SPLIT)
    def split(self, request: Text) -> Words:
        return Words(request.text.split())

    def handle_message(self, message: Message) -> object:
        return "overridden"


class Unfulfilled(Paglet[None]):
    services = (SPLITTER,)


@dataclass
class Plan:
    itinerary: Itinerary = field(default_factory=Itinerary)
    texts: list[str] = field(default_factory=list)


class Traveller(Paglet[Plan]):
    def collect(self) -> None:
        self.state.texts.append("collect")

    def pack(self) -> None:
        self.state.texts.append("pack")

    @handles("next")
    def next(self) -> bool:
        return self.state.itinerary.go_next(self)


@dataclass
class Odd:
    thing: threading.Event | None = None


class OddState(Paglet[Odd]):
    pass


@dataclass
class Strict:
    name: str


class Required(Paglet[Strict]):
    pass


class BadInit(Paglet[None]):
    def __init__(self) -> None:
        raise RuntimeError("not today")


class AsksInInit(Paglet[None]):
    def __init__(self) -> None:
        self.context.mesh.hosts()


class Locker(Paglet[Notes]):
    @state_locked
    @handles("locked")
    def locked_add(self) -> int:
        with self.locked_state() as state:
            state.count += 1
            return state.count

    @handles("unqueued")
    def unqueued(self) -> int:
        return int(Priority.UNQUEUED)


NOT_A_PAGLET = 3


class Filer(Paglet[None]):
    @handles("register")
    def register(self, name: str, mode: FileMode) -> None:
        self.context.storage.register_file(name, mode)
