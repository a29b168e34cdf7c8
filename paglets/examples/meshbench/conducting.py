"""The conductor's work: makes stations and the traveller, has them measure, ends them.

It runs in the thread of the conductor's `run()`; who asks how far it is reads the State under its
lock meanwhile.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from paglets import Message, Paglet, PagletProxyRef, PagletsError
from paglets.agent.fanout.shares import GONE
from paglets.examples.crew import Attendance, choose_hosts
from paglets.examples.meshbench.helpers import Station, Traveller
from paglets.examples.meshbench.model import (
    ConductorState,
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

R = TypeVar("R")
Measure = Callable[[Way], str]
"""Takes times of one way and adds them to it; returns why that failed, if it did."""


class Conductor:
    """Has every way between the hosts measured, once.

    Args:
        paglet: The conductor, whose State has the plan and gets the times.
        attendance: Says whether anybody still waits for the result.
    """

    def __init__(self, paglet: Paglet[ConductorState], attendance: Attendance) -> None:
        self._paglet = paglet
        self._attendance = attendance
        self._began = time.monotonic()

    def conduct(self) -> None:
        """Measure; whatever ends it, the helpers are ended too."""
        try:
            self._measure_all()
        finally:
            self._end_helpers()

    def _measure_all(self) -> None:
        plan = self._paglet.state.plan
        chosen = choose_hosts(plan, self._paglet.context.mesh.hosts(online_only=False))
        with self._paglet.locked_state() as state:
            state.unusable = {host: reason for host, reason in chosen.items() if reason}
        for host, reason in chosen.items():
            if not reason:
                self._make_station(host)
        order = list(ways(sorted(self._paglet.state.stations)))
        with self._paglet.locked_state() as state:
            state.ways = [Way(source, target) for source, target in order]
        for number, way in enumerate(self._paglet.state.ways, 1):
            self._tell(f"messages {number} of {len(order)}: {way.source} to {way.target}")
            self._attempt(way, self._measure_trips)
        for turn in range(1, plan.moves + 1):
            for way in self._paglet.state.ways:
                self._tell(f"round {turn} of {plan.moves}: {way.source} to {way.target}")
                self._attempt(way, self._measure_move)

    def _make_station(self, host: str) -> None:
        if self._why_over():
            return
        try:
            station = self._paglet.context.create(
                Station, HelperState(rest=self._left() + 5), host=host
            )
        except PagletsError as error:
            with self._paglet.locked_state() as state:
                state.unusable[host] = str(error)
            return
        with self._paglet.locked_state() as state:
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
            self._paglet.state.stations[way.target],
            self._paglet.state.plan.messages,
            STEP_SECONDS / 4,
        )
        if not order.count:
            return ""
        reply = self._ask(way.source, order, Pinged)
        way.trips += reply.seconds
        return reply.reason

    def _measure_move(self, way: Way) -> str:
        traveller = self._paglet.state.traveller
        if traveller is None or traveller.host_name != way.source:
            self._lose_traveller()
            traveller = self._make_traveller(way.source)
        reply = self._ask(way.source, MoveOrder(traveller, way.target, STEP_SECONDS / 2), Moved)
        with self._paglet.locked_state() as state:
            state.traveller = reply.traveller
        if not reply.reason:
            way.moves.append(reply.seconds)
        return reply.reason

    def _ask(self, host: str, order: MoveOrder | PingOrder, reply_type: type[R]) -> R:
        timeout = max(0.5, min(STEP_SECONDS, self._left()))
        station = self._paglet.state.stations[host]
        return self._paglet.send(station, Message.of(order), reply_type, timeout=timeout)

    def _make_traveller(self, host: str) -> PagletProxyRef:
        plan = self._paglet.state.plan
        state = HelperState(rest=plan.patience, payload_bytes=plan.payload_bytes)
        ref = self._paglet.context.create(Traveller, state, host=host).ref()
        with self._paglet.locked_state() as own:
            own.traveller = ref
        return ref

    def _lose_traveller(self) -> None:
        """Give up a traveller that may be anywhere; another one is made."""
        with self._paglet.locked_state() as state:
            ref, state.traveller = state.traveller, None
        if ref is not None:
            self._dispose(ref)

    def _why_over(self) -> str:
        if self._paglet.state.is_stopping or self._paglet.stopping:
            return "was stopped"
        if self._attendance.is_alone:
            return "nobody waited for the result any more"
        return "" if self._left() > 0 else f"not done within {self._paglet.state.plan.deadline:g} s"

    def _why_away(self, way: Way) -> str:
        known = self._paglet.context.mesh.hosts(online_only=False)
        there = {host.name for host in known if host.status not in GONE}
        away = [host for host in (way.source, way.target) if host not in there]
        return f"{away[0]} went away" if away else ""

    def _left(self) -> float:
        return self._paglet.state.plan.deadline - (time.monotonic() - self._began)

    def _tell(self, text: str) -> None:
        with self._paglet.locked_state() as state:
            state.text = text

    def _end_helpers(self) -> None:
        self._lose_traveller()
        with self._paglet.locked_state() as state:
            stations, state.stations = state.stations, {}
        for ref in stations.values():
            self._dispose(ref)

    def _dispose(self, ref: PagletProxyRef) -> None:
        try:
            self._paglet.context.resolve(ref).dispose(force=True)
        except PagletsError as error:
            # Its host is away: it ends itself when its time is over, or its host is back.
            print(f"{ref.agent_id} on {ref.host_name}: {error}")  # noqa: T201 - to the paglet's log
