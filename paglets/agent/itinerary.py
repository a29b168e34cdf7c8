"""Itinerary: a plan in State that takes a paglet from host to host and runs tasks there.

It decides where to go next and remembers how far it came; the moves are ordinary dispatches. The
runtime (`child/travel.py`) tells it what became of them and runs its tasks.
"""

from dataclasses import dataclass, field
from typing import Literal, NoReturn, Protocol

from paglets.agent.port import PagletCore
from paglets.model.enums import TaskPhase, UnreachableStop, require_enum
from paglets.model.errors import TransferError
from paglets.model.transfer import Target

FIRST_RETRY = 0.5
"""Seconds before an unreachable stop is tried again; doubled each time up to `LAST_RETRY`."""

LAST_RETRY = 30.0
"""Longest time between two tries, in seconds."""


class HasCore(Protocol):
    """A context."""

    @property
    def core(self) -> PagletCore:
        """The runtime's side."""


class Traveller(Protocol):
    """What a plan needs of its paglet."""

    @property
    def context(self) -> HasCore:
        """Its context."""

    def dispatch(self, target: Target) -> NoReturn:
        """Move."""

    def sleep(self, seconds: float) -> bool:
        """Wait."""


@dataclass
class Stop:
    """A host to visit, with the methods of the paglet to call there, without arguments."""

    host: str
    """Name or URL."""
    arrival: list[str] = field(default_factory=list)
    """Called after `on_arrival`."""
    dispatch: list[str] = field(default_factory=list)
    """Called after `on_dispatching`, before the paglet leaves this stop for the next."""
    reverting: list[str] = field(default_factory=list)
    """Called after `on_reverting`, before the paglet is retracted from this stop."""

    def tasks(self, phase: TaskPhase) -> list[str]:
        """Return the names of the methods to call at `phase`."""
        match require_enum(phase, TaskPhase, "phase"):
            case TaskPhase.ARRIVAL:
                return self.arrival
            case TaskPhase.DISPATCH:
                return self.dispatch
            case TaskPhase.REVERTING:
                return self.reverting


@dataclass
class Itinerary:
    """A plan. It may be edited on the way; change what lies ahead of `position`.

    At most one stands in a State. `position`, `visits` and `loops` change only when a move
    succeeded.
    """

    stops: list[Stop] = field(default_factory=list)
    position: int = -1
    """Index of the stop reached last; -1 before the first."""
    circular: bool = False
    """After the last stop the first follows again, for ever."""
    loops: int = 0
    """Rounds completed, where circular."""
    unreachable: UnreachableStop = UnreachableStop.SKIP
    """What becomes of a stop that refuses or cannot be reached: left out (SKIP), tried again with
    growing pauses (RETRY), or the end of the plan (STOP)."""
    visits: int = 0
    """Stops reached, over all rounds."""
    cursor: int | None = None
    """Index of the stop tried last, where that is not `position`; kept by the runtime."""
    under_way: bool = False
    """Whether a move to the stop at `cursor` has begun; kept by the runtime."""
    ended: bool = False
    """Whether an unreachable stop ended the plan; set it to False to go on."""

    def __post_init__(self) -> None:
        require_enum(self.unreachable, UnreachableStop, "unreachable")

    @property
    def current(self) -> Stop | None:
        """The stop reached last, None before the first."""
        return self.stops[self.position] if 0 <= self.position < len(self.stops) else None

    def go_next(self, paglet: Traveller) -> Literal[False]:
        """Move to the next stop; returns only when the plan is done.

        Like `dispatch` it unwinds. Called anywhere but in hooks that end the paglet's stay.

        Raises:
            TransferError: The plan is circular and no stop of a whole round could be reached, or
                RETRY was interrupted by another life-cycle call.
        """
        tries, pause = 0, FIRST_RETRY
        while (index := self._following()) is not None:
            self._check_tasks(index, paglet)
            self.cursor, self.under_way = index, True
            try:
                paglet.dispatch(self.stops[index].host)
            except TransferError as error:
                self.failed(unreachable=True)
                tries += 1
                if self.circular and tries >= len(self.stops) and not self.retries:
                    self.cursor = None
                    raise
                if self.retries:
                    self._pause(paglet, pause, error)
                    pause = min(pause * 2, LAST_RETRY)
        return False

    @property
    def retries(self) -> bool:
        """Whether unreachable stops are tried again."""
        return self.unreachable is UnreachableStop.RETRY

    def arrived(self) -> None:
        """Note that a move to the stop under way succeeded; called by the runtime at the target."""
        if self.under_way and self.cursor is not None:
            if self.circular and self.cursor <= self.position:
                self.loops += 1
            self.position = self.cursor
            self.visits += 1
        self.cursor, self.under_way = None, False

    def failed(self, *, unreachable: bool) -> None:
        """Note that a move to the stop under way did not happen; called by the runtime.

        Args:
            unreachable: The target refused or could not be reached, so `self.unreachable` applies.
                False: the move failed at home, as by a hook that raised; the stop is tried again.
        """
        self.under_way = False
        if not unreachable or self.unreachable is UnreachableStop.RETRY:
            self._step_back()
        elif self.unreachable is UnreachableStop.STOP:
            self.ended = True

    def _step_back(self) -> None:
        if self.cursor is not None:
            before = self.cursor - 1
            self.cursor = before if before > self.position else None

    def _following(self) -> int | None:
        if self.ended or not self.stops:
            return None
        index = (self.position if self.cursor is None else self.cursor) + 1
        if index < len(self.stops):
            return max(index, 0)
        return 0 if self.circular else None

    def _check_tasks(self, index: int, paglet: Traveller) -> None:
        for name in unknown_tasks(self.stops[index], type(paglet)):
            raise AttributeError(
                f"stop {self.stops[index].host!r} names the task {name!r}, "
                f"which is no method of {type(paglet).__qualname__}"
            )

    def _pause(self, paglet: Traveller, seconds: float, error: TransferError) -> None:
        if paglet.context.core.in_hook:
            paglet.context.core.retry_later()
        if paglet.sleep(seconds):
            raise error


def unknown_tasks(stop: Stop, cls: type) -> list[str]:
    """Return the tasks of `stop` that are no methods of `cls`."""
    names = [*stop.arrival, *stop.dispatch, *stop.reverting]
    return [name for name in names if not callable(getattr(cls, name, None))]
