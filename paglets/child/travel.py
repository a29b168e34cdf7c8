"""The runtime's part in an Itinerary: tells it what became of a move, and runs its tasks.

The plan itself (`agent/itinerary.py`) stands in the State, where the author may replace or edit it;
so it is looked up each time.
"""

import sys

from paglets.agent.itinerary import Itinerary
from paglets.child.loader import AnyPaglet
from paglets.child.loopthread import LoopThread
from paglets.model.enums import TaskPhase
from paglets.model.errors import HostUnreachableError, TransferError


class Travel:
    """The itinerary of one paglet, if its State has one.

    Args:
        paglet: Whose.
        field: Name of the State's field, None for none.
        loop: Runs tasks that are `async def`.
    """

    def __init__(self, paglet: AnyPaglet, field: str | None, loop: LoopThread) -> None:
        self._paglet = paglet
        self._field = field
        self._loop = loop

    @property
    def itinerary(self) -> Itinerary | None:
        """The plan of now."""
        if self._field is None:
            return None
        plan = getattr(self._paglet.state, self._field, None)
        return plan if isinstance(plan, Itinerary) else None

    def arrived(self, *, by_plan: bool) -> None:
        """Advance the plan; called before `on_arrival`.

        Args:
            by_plan: False where the paglet was retracted, which is no step of a plan.
        """
        plan = self.itinerary
        if plan is not None:
            if not by_plan:
                plan.under_way = False
            plan.arrived()

    def run_tasks(self, phase: TaskPhase) -> None:
        """Call the present stop's tasks of `phase`, in order; what they raise passes on."""
        plan = self.itinerary
        stop = None if plan is None else plan.current
        if stop is None:
            return
        for name in list(stop.tasks(phase)):
            self._loop.finish(getattr(self._paglet, name)())

    def move_failed(self, error: Exception) -> bool:
        """Note that a move did not happen; return whether the plan goes on by itself."""
        plan = self.itinerary
        if plan is None or not plan.under_way:
            return False
        plan.failed(unreachable=isinstance(error, TransferError | HostUnreachableError))
        return not plan.ended and isinstance(error, TransferError | HostUnreachableError)

    def go_on(self) -> None:
        """Go to the next stop: unwinds, or returns when nothing is left to try."""
        plan = self.itinerary
        if plan is None:
            return
        try:
            plan.go_next(self._paglet)
        except TransferError as error:
            print(f"itinerary: {error}", file=sys.stderr)  # noqa: T201 - the author's log
