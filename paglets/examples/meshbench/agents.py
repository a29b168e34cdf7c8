"""The paglets of the mesh benchmark: conductor, stations and traveller.

Each time is taken by one clock: the station on the source host stops how long a move or a round
trip takes that it asked for itself. Clocks of two hosts are never compared. A move lasts from the
order until the source knows that the target has the paglet on its disk and owns it.
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from paglets import (
    ActivationEvent,
    CreationEvent,
    Message,
    Paglet,
    PagletProxyRef,
    PagletsError,
    TransferTicket,
    handles,
)
from paglets.examples.crew import GONE, Attendance, choose_hosts
from paglets.examples.meshbench.model import (
    ConductorState,
    Count,
    HelperState,
    Moved,
    MoveOrder,
    Pinged,
    PingOrder,
    Way,
)
from paglets.examples.meshbench.walk import ways

STEP_SECONDS = 20.0
"""Longest move or round trip; one that takes longer has failed."""
PING_SECONDS = 10.0
"""For all messages one way."""
LOOK_SECONDS = 0.5
"""Between two looks whether anybody still waits for the result."""

R = TypeVar("R")
Measure = Callable[[Way], str]
"""Takes times of one way and adds them to it; returns why that failed, if it did."""


class Helper(Paglet[HelperState]):
    """Ends itself when its time is over or its process was started again."""

    def __init__(self) -> None:
        self._is_interrupted = False

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one, which nobody waits for."""
        del event  # whatever woke it
        self._is_interrupted = True

    def run(self) -> None:
        """Rest, and end."""
        if self._is_interrupted or not self.sleep(self.state.rest):
            self.dispose()


class Traveller(Helper):
    """Carries the payload."""

    def on_creation(self, event: CreationEvent) -> None:
        """Pack the payload, which does not compress."""
        del event  # wherever it begins
        self.state.payload = os.urandom(self.state.payload_bytes)


class Station(Helper):
    """Takes the times on its host."""

    @handles(MoveOrder)
    def move(self, order: MoveOrder) -> Moved:
        """Send the traveller away and stop the time."""
        traveller = self.context.resolve(order.traveller)
        ticket = TransferTicket(destination=order.target, timeout=order.timeout)
        began = time.perf_counter()
        try:
            traveller.dispatch(ticket)
        except PagletsError as error:
            return Moved(0.0, traveller.ref(), str(error))
        return Moved(time.perf_counter() - began, traveller.ref())

    @handles(PingOrder)
    def ping(self, order: PingOrder) -> Pinged:
        """Send messages one after another and stop the time of each; the first is not counted.

        They are fewer than asked for where they take longer than `PING_SECONDS`.
        """
        station = self.context.resolve(order.to)
        seconds: list[float] = []
        try:
            station.send(Message("echo"), timeout=order.timeout)
            while len(seconds) < order.count and sum(seconds) < PING_SECONDS:
                began = time.perf_counter()
                station.send(Message("echo"), timeout=order.timeout)
                seconds.append(time.perf_counter() - began)
        except PagletsError as error:
            return Pinged(seconds, str(error))
        return Pinged(seconds)

    @handles("echo")
    def echo(self) -> None:
        """Answer."""


class MeshBenchmarkAgent(Paglet[ConductorState]):
    """The conductor: makes stations and the traveller, has them measure, ends them."""

    def __init__(self) -> None:
        self._is_interrupted = False
        self._began = time.monotonic()
        self._attendance = Attendance(self.state.plan.patience)

    def on_activation(self, event: ActivationEvent) -> None:
        """Take note that the process is a new one; what was measured is gone."""
        del event  # whatever woke it
        self._is_interrupted = True

    def run(self) -> None:
        """Measure, wait until the result was fetched, and end."""
        if not self._is_interrupted:
            try:
                self._conduct()
            finally:
                self._end_helpers()
            with self.locked_state() as state:
                state.is_done = True
            while not self._attendance.is_alone and not self.sleep(LOOK_SECONDS):
                pass
        self.dispose()

    @handles("progress")
    def progress(self) -> Count:
        """Return how far it is; asked UNQUEUED."""
        self._attendance.asked()
        with self.locked_state() as state:
            helpers = list(state.stations.values())
            if state.traveller is not None:
                helpers.append(state.traveller)
            found = list(state.ways) if state.is_done else []
            return Count(state.is_done, state.text, found, helpers, dict(state.unusable))

    @handles("stop")
    def stop(self) -> None:
        """End at the next step."""
        with self.locked_state() as state:
            state.is_stopping = True

    def _conduct(self) -> None:
        plan = self.state.plan
        chosen = choose_hosts(plan, self.context.mesh.hosts(online_only=False))
        with self.locked_state() as state:
            state.unusable = {host: reason for host, reason in chosen.items() if reason}
        for host, reason in chosen.items():
            if not reason:
                self._make_station(host)
        order = list(ways(sorted(self.state.stations)))
        with self.locked_state() as state:
            state.ways = [Way(source, target) for source, target in order]
        for number, way in enumerate(self.state.ways, 1):
            self._tell(f"messages {number} of {len(order)}: {way.source} to {way.target}")
            self._attempt(way, self._measure_trips)
        for turn in range(1, plan.moves + 1):
            for way in self.state.ways:
                self._tell(f"round {turn} of {plan.moves}: {way.source} to {way.target}")
                self._attempt(way, self._measure_move)

    def _make_station(self, host: str) -> None:
        if self._why_over():
            return
        try:
            station = self.context.create(Station, HelperState(rest=self._left() + 5), host=host)
        except PagletsError as error:
            with self.locked_state() as state:
                state.unusable[host] = str(error)
            return
        with self.locked_state() as state:
            state.stations[host] = station.ref()

    def _attempt(self, way: Way, measure: Measure) -> None:
        """Measure; what fails is written down, and its host is not tried again if it is away."""
        why = way.reason or self._why_over() or self._why_away(way)
        if not why:
            try:
                why = measure(way)
            except PagletsError as error:
                why = str(error)
        if why and not way.reason:
            self._lose_traveller()
            way.reason = why

    def _measure_trips(self, way: Way) -> str:
        order = PingOrder(
            self.state.stations[way.target], self.state.plan.messages, STEP_SECONDS / 4
        )
        if not order.count:
            return ""
        reply = self._ask(way.source, order, Pinged)
        way.trips += reply.seconds
        return reply.reason

    def _measure_move(self, way: Way) -> str:
        traveller = self.state.traveller
        if traveller is None or traveller.host_name != way.source:
            self._lose_traveller()
            traveller = self._make_traveller(way.source)
        reply = self._ask(way.source, MoveOrder(traveller, way.target, STEP_SECONDS / 2), Moved)
        with self.locked_state() as state:
            state.traveller = reply.traveller
        if not reply.reason:
            way.moves.append(reply.seconds)
        return reply.reason

    def _ask(self, host: str, order: MoveOrder | PingOrder, reply_type: type[R]) -> R:
        timeout = max(0.5, min(STEP_SECONDS, self._left()))
        station = self.state.stations[host]
        return self.send(station, Message.of(order), reply_type, timeout=timeout)

    def _make_traveller(self, host: str) -> PagletProxyRef:
        plan = self.state.plan
        state = HelperState(rest=plan.patience, payload_bytes=plan.payload_bytes)
        ref = self.context.create(Traveller, state, host=host).ref()
        with self.locked_state() as own:
            own.traveller = ref
        return ref

    def _lose_traveller(self) -> None:
        """Give up a traveller that may be anywhere; another one is made."""
        with self.locked_state() as state:
            ref, state.traveller = state.traveller, None
        if ref is not None:
            self._dispose(ref)

    def _why_over(self) -> str:
        if self.state.is_stopping or self.stopping:
            return "was stopped"
        if self._attendance.is_alone:
            return "nobody waited for the result any more"
        return "" if self._left() > 0 else f"not done within {self.state.plan.deadline:g} s"

    def _why_away(self, way: Way) -> str:
        known = self.context.mesh.hosts(online_only=False)
        there = {host.name for host in known if host.status not in GONE}
        away = [host for host in (way.source, way.target) if host not in there]
        return f"{away[0]} went away" if away else ""

    def _left(self) -> float:
        return self.state.plan.deadline - (time.monotonic() - self._began)

    def _tell(self, text: str) -> None:
        with self.locked_state() as state:
            state.text = text

    def _end_helpers(self) -> None:
        self._lose_traveller()
        with self.locked_state() as state:
            stations, state.stations = state.stations, {}
        for ref in stations.values():
            self._dispose(ref)

    def _dispose(self, ref: PagletProxyRef) -> None:
        try:
            self.context.resolve(ref).dispose(force=True)
        except PagletsError as error:
            # Its host is away: it ends itself when its time is over, or its host is back.
            print(f"{ref.agent_id} on {ref.host_name}: {error}")  # noqa: T201 - to the paglet's log
