"""The helpers of the mesh benchmark: stations, which take the times, and the traveller.

Each time is taken by one clock: the station on the source host stops how long a move or a round
trip takes that it asked for itself. Clocks of two hosts are never compared. A move lasts from the
order until the source knows that the target has the paglet on its disk and owns it.
"""

import os
import time

from paglets import (
    ActivationEvent,
    CreationEvent,
    Message,
    Paglet,
    PagletsError,
    TransferTicket,
    handles,
)
from paglets.examples.meshbench.model import HelperState, Moved, MoveOrder, Pinged, PingOrder

PING_SECONDS = 10.0
"""For all messages one way."""


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
