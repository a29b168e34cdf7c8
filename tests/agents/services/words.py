"""A service that splits text, its providers good and bad, and paglets that call it."""

import os
from dataclasses import dataclass, field
from typing import Any

from paglets import (
    DeactivationPolicy,
    MobilityEvent,
    Paglet,
    PagletsError,
    ServiceContract,
    ServiceOperation,
    ServiceScope,
    handles,
    provides,
)


@dataclass
class Text:
    text: str
    limit: int = 100


@dataclass
class Words:
    words: list[str]
    host: str = ""


SPLIT = ServiceOperation("split", Text, Words)
COUNT = ServiceOperation("count", Text, int)
SPLITTER = ServiceContract("splitter", [SPLIT, COUNT])
NEXT = ServiceContract("splitter", [SPLIT], version="2")
WIDER = ServiceContract("splitter", [SPLIT, COUNT, ServiceOperation("join", Words, Text)])
OTHER = ServiceContract("other", [SPLIT])
UNTOLD = ServiceContract("untold", [ServiceOperation("untold", Text, Words)])


@dataclass
class SplitterState:
    calls: int = 0


class Splitter(Paglet[SplitterState]):
    """Splits; some texts make it misbehave."""

    services = (SPLITTER,)

    @provides(SPLIT)
    def split(self, request: Text) -> Words:
        self.state.calls += 1
        words = request.text.split()
        if words == ["reply", "dict"]:
            return {"words": []}  # type: ignore[return-value]
        if words == ["reply", "field"]:
            return Words([1, 2])  # type: ignore[list-item]
        if words == ["crash"]:
            os._exit(3)
        if words[:1] == ["go"]:
            self.dispatch(words[1])
        return Words(words[: request.limit], self.context.host_name)

    @provides(COUNT)
    async def count(self, request: Text) -> int:
        count = len(request.text.split())
        return count or None  # type: ignore[return-value]

    @handles("sleep")
    def rest(self, wakes: bool, keeps: bool = False) -> None:
        self.deactivate(DeactivationPolicy(activate_on_message=wakes, queue_messages=keeps))


class Bare(Paglet[None]):
    """Advertises by itself."""

    @provides(SPLIT)
    def split(self, request: Text) -> Words:
        return Words(request.text.split(), self.context.host_name)

    @handles("advertise")
    def advertise(self, scope: str = "mesh", metadata: dict[str, str] | None = None) -> None:
        self.context.services.advertise(
            OTHER, scope=ServiceScope(scope), capabilities=("bare",), metadata=metadata
        )

    @handles("withdraw")
    def withdraw(self) -> None:
        self.context.services.withdraw(OTHER)

    @handles("advertise-untold")
    def advertise_untold(self) -> str:
        try:
            self.context.services.advertise(UNTOLD)
        except TypeError as error:
            return str(error)
        return ""

    @handles("advertise-wide")
    def advertise_wide(self) -> str:
        try:
            self.context.services.advertise(OTHER, metadata={"a": "b" * 5000})
        except PagletsError as error:
            return f"{error.code}: {error.message}"
        return ""


@dataclass
class CallerState:
    hosts: list[str] = field(default_factory=list)


class Caller(Paglet[CallerState]):
    """Calls the service from inside the mesh, and keeps its handle between calls."""

    def __init__(self) -> None:
        self.handle: Any = None

    @handles("find")
    def find(self) -> list[str]:
        """Find the best provider and keep its handle; return the hosts of all."""
        self.handle = self.context.services.require(SPLITTER)
        return [each.record.host_name for each in self.context.services.lookup_all(SPLITTER)]

    @handles("call-all")
    def call_all(self, text: str) -> list[str]:
        """Call every provider; return where each has answered."""
        found = self.context.services.lookup_all(SPLITTER)
        return [handle.call(SPLIT, Text(text)).host for handle in found]

    @handles("call-wrong")
    def call_wrong(self) -> list[object]:
        """Send a request that does not fit; return what was wrong with it."""
        try:
            self.handle.call(SPLIT, Text("a", "many"))  # type: ignore[arg-type]
        except PagletsError as error:
            return [type(error).__name__, error.detail["operation"], error.detail["field"]]
        return []

    @handles("call")
    def call(self, text: str, limit: int = 100) -> dict[str, object]:
        """Call through the handle; return the reply, or what was wrong."""
        try:
            reply = self.handle.call(SPLIT, Text(text, limit))
        except (PagletsError, TypeError) as error:
            detail = getattr(error, "detail", {})
            return {"error": type(error).__name__, "text": str(error), "detail": detail}
        record = self.handle.record
        return {"words": reply.words, "host": reply.host, "record": record.host_name}

    @handles("call-async")
    async def call_async(self, text: str) -> list[str]:
        reply = await self.handle.call_future(SPLIT, Text(text))
        return reply.words

    def on_arrival(self, event: MobilityEvent) -> None:
        self.state.hosts.append(event.target_host_name)
