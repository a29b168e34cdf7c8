"""A paglet's own wish to leave: `dispatch`, `deactivate`, `dispose` of oneself, after the unwind.

The handler, hook or `run()` that asked for it has ended already; what comes of it is told to the
sender of the message, and to the paglet by `on_move_failed`.
"""

import contextlib

from paglets.model.enums import Verb
from paglets.model.errors import BusyError, InvalidRequestError, LifecycleError, PagletsError
from paglets.model.inactive import DeactivationPolicy
from paglets.runtime.common import Common
from paglets.runtime.creation import Creation
from paglets.runtime.departures import Departures
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.roster import LocalPaglet
from paglets.wire.bodies import ReplyBody
from paglets.wire.calls import Departure
from paglets.wire.policies import decode_policy

_VERB_TIMEOUT = 120.0
"""Seconds the verb that came first may take."""


class Leaving:
    """Carries out the departures paglets of one host ask for themselves; used from its loop."""

    def __init__(
        self,
        common: Common,
        *,
        departures: Departures,
        inactivity: Inactivity,
        creation: Creation,
    ) -> None:
        self._roster = common.roster
        self._departures = departures
        self._inactivity = inactivity
        self._creation = creation
        self._recorder = common.recorder
        self._activity = common.activity
        self._tasks = common.tasks

    async def leave(self, paglet: LocalPaglet, departure: Departure) -> ReplyBody:
        """Carry out a departure; the reply is what the sender of the message gets.

        Raises:
            TransferError: It did not happen; the paglet has been told.
            MoveInDoubtError: Not known yet whether it has.
            PagletsError: It could not sleep or end; it goes on.
        """
        try:
            return await self._carry_out(paglet, departure)
        except BusyError:
            # Another verb came first. If that one leaves the paglet here, its gate opens again.
            self._tasks.start(self._go_on(paglet), f"gate of {paglet.agent_id}")
            raise

    async def _go_on(self, paglet: LocalPaglet) -> None:
        with contextlib.suppress(TimeoutError):
            await paglet.idle(timeout=_VERB_TIMEOUT)
        self._activity.let_in(paglet)

    async def _carry_out(self, paglet: LocalPaglet, departure: Departure) -> ReplyBody:
        verb = Verb(departure.verb)
        match verb:
            case Verb.DISPATCH:
                if departure.ticket is None:
                    raise InvalidRequestError("a dispatch without a target")
                ref = await self._departures.depart(paglet, departure.ticket, departure.check_id)
                return ReplyBody(address=ref, moved=True)
            case Verb.DEACTIVATE:
                policy = DeactivationPolicy()
                if departure.policy is not None:
                    policy = decode_policy(departure.policy)
                await self._inactivity.sleep_itself(paglet, policy)
                return ReplyBody()
            case Verb.DISPOSE:
                await self._creation.dispose_itself(paglet)
                return ReplyBody()
            case _:
                raise LifecycleError(f"a paglet cannot {verb} itself")

    async def leave_quietly(self, paglet: LocalPaglet, departure: Departure) -> None:
        """Carry out a departure that no sender waits for; what goes wrong is recorded."""
        try:
            await self.leave(paglet, departure)
        except PagletsError as error:
            self._recorder.record(
                "departure",
                f"could not {departure.verb}: {error.message}",
                agent_id=paglet.agent_id,
                level="warning",
            )
