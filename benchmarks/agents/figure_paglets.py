"""The paglets that the benchmarks run on real hosts."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from paglets import (
    Durability,
    Message,
    Paglet,
    PagletProxyRef,
    ServiceContract,
    ServiceOperation,
    handles,
    provides,
)


@dataclass
class Ballast:
    """Bytes that travel along, and a number that changes."""

    data: bytes = b""
    handled: int = 0


class Echo(Paglet[Ballast]):
    """Answers with what it was asked."""

    @handles("echo")
    def echo(self, text: str) -> str:
        """Answer at once."""
        return text

    @handles("fill")
    def fill(self, size: int) -> int:
        """Carry `size` bytes from now on."""
        self.state.data = os.urandom(size)
        return size


class Keeper(Paglet[Ballast]):
    """Answers with what it was asked, and every answer is a durable change of its state."""

    durability = Durability.MESSAGE

    @handles("echo")
    def echo(self, text: str) -> str:
        """Count, and answer."""
        with self.locked_state() as state:
            state.handled += 1
        return text

    @handles("fill")
    def fill(self, size: int) -> int:
        """Carry `size` bytes from now on."""
        with self.locked_state() as state:
            state.data = os.urandom(size)
        return size


class Caller(Paglet[None]):
    """Calls another paglet and measures it from inside."""

    @handles("measure")
    def measure(self, to: PagletProxyRef, count: int) -> list[float]:
        """Return the seconds of `count` calls, one after the other."""
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.send(to, Message("echo", {"text": "x" * 100}))
            times.append(time.perf_counter() - began)
        return times


@dataclass
class Text:
    """What the service takes and gives."""

    text: str = ""


ECHO = ServiceOperation("echo", Text, Text)
ECHO_SERVICE = ServiceContract("bench-echo", (ECHO,))


class Provider(Paglet[None]):
    """Advertises a service as long as it lives."""

    services: ClassVar = (ECHO_SERVICE,)

    @provides(ECHO)
    def echo(self, request: Text) -> Text:
        """Answer at once."""
        return request
