"""Residents for tests: they tell how often they were made and started, and fail when told to."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from paglets import (
    ActivationEvent,
    CreationEvent,
    Paglet,
    ServiceContract,
    ServiceLease,
    ServiceOperation,
    handles,
    provides,
)


@dataclass
class Table:
    """A request: which table is served."""

    number: int = 0


@dataclass
class Served:
    """A reply: by whom."""

    agent_id: str
    pid: int
    host: str


SERVE = ServiceOperation("serve", Table, Served)
WAITER = ServiceContract("waiter", (SERVE,))
HEAD_WAITER = ServiceContract("head-waiter", (SERVE,))


@dataclass
class WaiterState:
    greeting: str = "hello"
    served: int = 0
    starts: list[str] = field(default_factory=list)
    """One word for each start: created, or why it was activated."""
    book: Path | None = None
    """File that gets a line for each start, of whatever process."""


class WaiterAgent(Paglet[WaiterState]):
    """Counts what it does."""

    services: ClassVar = (WAITER,)

    def on_creation(self, event: CreationEvent) -> None:
        self._started("created")

    def on_activation(self, event: ActivationEvent) -> None:
        self._started(event.reason)

    def _started(self, why: str) -> None:
        self.state.starts.append(why)
        if self.state.book is not None:
            with self.state.book.open("a") as book:
                book.write(f"{self.context.host_name} {os.getpid()} {why}\n")

    @provides(SERVE)
    def serve(self, _table: Table) -> Served:
        self.state.served += 1
        return Served(self.context.agent_id, os.getpid(), self.context.host_name)

    @handles("look")
    def look(self) -> dict[str, object]:
        state = self.state
        return {"greeting": state.greeting, "served": state.served, "starts": state.starts}

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)

    @handles("end")
    def end(self) -> None:
        self.dispose()


class HeadWaiterAgent(WaiterAgent):
    """Another class, with a service of its own."""

    services: ClassVar = (HEAD_WAITER,)


class ClockAgent(Paglet[None]):
    """Does nothing, so that it falls asleep after a known time."""

    @handles("tick")
    def tick(self) -> None:
        pass


class Guest(Paglet[None]):
    """Holds a lease on a waiter, as long as it is told."""

    lease: ServiceLease

    @handles("take")
    def take(self, ttl: float, host: str | None = None) -> str:
        self.lease = self.context.services.lease(WAITER, ttl=ttl, host=host)
        return self.lease.record.provider.agent_id

    @handles("serve")
    def serve(self) -> str:
        return self.lease.call(SERVE, Table()).host

    @handles("renew")
    def renew(self, ttl: float) -> None:
        self.lease.renew(ttl)

    @handles("release")
    def release(self) -> None:
        self.lease.release()

    @handles("leave")
    def leave(self, to: str) -> None:
        self.dispatch(to)
