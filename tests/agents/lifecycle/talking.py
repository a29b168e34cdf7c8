"""Paglets that talk to others, make others and crash."""

import os
import sys
import threading
from dataclasses import dataclass, field

from paglets import (
    Message,
    Paglet,
    PagletProxyRef,
    PagletStatus,
    Priority,
    RestartPolicy,
    StateError,
    handles,
)


@dataclass
class TalkerState:
    name: str = ""
    heard: list[str] = field(default_factory=list)
    friend: PagletProxyRef | None = None


@dataclass
class Greeting:
    text: str
    times: int = 1


@dataclass
class Answer:
    text: str


class Talker(Paglet[TalkerState]):
    """Sends, creates, finds."""

    @handles(Greeting)
    def greet(self, greeting: Greeting) -> Answer:
        self.state.heard.append(greeting.text)
        return Answer(f"{greeting.text * greeting.times} from {self.context.host_name}")

    @handles("hear")
    def hear(self, text: str) -> int:
        self.state.heard.append(text)
        return len(self.state.heard)

    @handles("heard")
    def heard(self) -> list[str]:
        return self.state.heard

    @handles("befriend")
    def befriend(self, friend: dict[str, str]) -> None:
        self.state.friend = PagletProxyRef(**friend)

    @handles("greet friend")
    def greet_friend(self, text: str) -> str:
        assert self.state.friend is not None
        return self.send(self.state.friend, Message.of(Greeting(text)), Answer).text

    @handles("whisper to friend")
    def whisper(self, text: str) -> None:
        assert self.state.friend is not None
        self.send_oneway(self.state.friend, Message("hear", {"text": text}))

    @handles("ask friend later")
    def ask_later(self, text: str) -> list[object]:
        assert self.state.friend is not None
        future = self.send_future(self.state.friend, Message("slow", {"text": text}), str)
        early = future.done()
        return [early, future.result(10), future.done()]

    @handles("slow")
    def slow(self, text: str) -> str:
        threading.Event().wait(0.05)
        return text

    @handles("ask everybody")
    def ask_everybody(self, kind: str) -> list[object]:
        replies = self.multicast(Message(kind, {"text": "all"}), timeout=10)
        return [len(replies), [_told(reply.result) for reply in replies]]

    @handles("make")
    def make(self, host: str | None = None) -> dict[str, str]:
        made = self.context.create(Talker, TalkerState(name="child"), host=host)
        made.send(Message("hear", {"text": "born"}))
        return {"host_url": made.host_url, "agent_id": made.agent_id}

    @handles("make by name")
    def make_by_name(self, name: str) -> str:
        return self.context.create(name).agent_id

    @handles("find")
    def find(self, agent_id: str) -> str:
        return self.context.proxies.find(agent_id).host_url

    @handles("look at")
    def look_at(self, agent_id: str, host: str) -> str:
        return self.context.proxies.get(agent_id, host).host_url

    @handles("list")
    def list_ids(self, class_name: str | None = None) -> list[str]:
        found = self.context.proxies.list(status=PagletStatus.ACTIVE, class_name=class_name)
        return sorted(proxy.agent_id for proxy in found)

    @handles("fetch")
    def fetch(self, agent_id: str) -> str:
        return self.context.retract(self.context.proxies.find(agent_id)).host_url

    @handles("end other")
    def end_other(self, agent_id: str) -> None:
        self.context.proxies.find(agent_id).dispose()

    @handles("facts")
    def facts(self) -> list[object]:
        context = self.context
        hosts = sorted(host.name for host in context.mesh.hosts())
        return [context.host_name, dict(context.properties), hosts, context.address]

    @handles("emit")
    def emit(self, text: str) -> None:
        self.context.events.emit("found", text, level="warning", pages=3)

    @handles("read events")
    def read_events(self) -> list[str]:
        return [event.kind for event in self.context.events.read(limit=1000)]

    @handles("fail")
    def fail(self) -> None:
        raise KeyError("no such page")

    @handles("refuse")
    def refuse(self) -> None:
        raise StateError("name", "str", "nothing")

    @handles("unsendable")
    def unsendable(self) -> object:
        return {"when": object()}

    @handles("spoil")
    def spoil(self) -> str:
        self.state.name = 7  # type: ignore[assignment]  # what a careless author does
        try:
            self.checkpoint()
        except StateError as error:
            self.state.name = "mended"
            return str(error.field)
        return "took it"

    @handles("bounce")
    def bounce(self, back_to: dict[str, str]) -> object:
        return self.send(PagletProxyRef(**back_to), Message("heard"))

    @handles("bounce beside")
    def bounce_beside(self, back_to: dict[str, str]) -> object:
        beside = Message("heard", priority=Priority.UNQUEUED)
        return self.send(PagletProxyRef(**back_to), beside)

    @handles("call around")
    def call_around(self, kind: str, friend: dict[str, str]) -> object:
        mine = {"host_url": self.ref.host_url, "agent_id": self.agent_id}
        return self.send(PagletProxyRef(**friend), Message(kind, {"back_to": mine}))


def _told(result: object) -> object:
    try:
        return result()  # type: ignore[operator]
    except Exception as error:
        return type(error).__name__


@dataclass
class FragileState:
    lives: int = 0
    unsaved: int = 0


class Fragile(Paglet[FragileState]):
    """Crashes in several ways."""

    @handles("speak")
    def speak(self, text: str) -> None:
        print(text, flush=True)

    @handles("exit")
    def exit(self) -> None:
        print("last words", file=sys.stderr, flush=True)
        os._exit(7)

    @handles("sys.exit")
    def sys_exit(self) -> None:
        sys.exit(4)

    @handles("hang")
    def hang(self) -> None:
        threading.Event().wait(3600)

    @handles("save")
    def save(self) -> int:
        self.state.lives += 1
        self.checkpoint()
        self.state.unsaved += 1
        return self.state.lives

    @handles("tell")
    def tell(self) -> list[int]:
        return [self.state.lives, self.state.unsaved, os.getpid()]


class Phoenix(Fragile):
    """Comes back."""

    restart = RestartPolicy.ON_CRASH


class Impatient(Fragile):
    """Its handlers have half a second."""

    handler_limit = 0.5


class CrashingRun(Paglet[FragileState]):
    """Raises in `run()`."""

    restart = RestartPolicy.ON_CRASH

    def run(self) -> None:
        if self.state.lives < 2:
            with self.locked_state() as state:
                state.lives += 1
            self.checkpoint()
            raise RuntimeError("run is not well")

    @handles("tell")
    def tell(self) -> int:
        return self.state.lives
