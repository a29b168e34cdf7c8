"""Follows a paglet that leads others, from outside any paglet, and leaves nothing behind.

Such a paglet (crew.py has most of it) answers the question of its kind with a `Following`, ends
its helpers at `stop`, and ends itself where nobody asks for longer than its patience.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from paglets import Message, PagletProxy, PagletProxyRef, Priority
from paglets.connect import Client
from paglets.model.errors import DeadlineError, NotFoundError, PagletsError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Between two questions how far it is."""
ASK_SECONDS = 15.0
"""Longest wait for one answer, a restart of the entry host included."""
GRACE_SECONDS = 45.0
"""What the leader may take beyond its deadline: a clone under way, and ending its helpers."""
END_SECONDS = 20.0
"""Longest wait for the leader to end its helpers after Ctrl-C; then they are ended from here."""


class Following(Protocol):
    """How far a leader is."""

    is_done: bool
    helpers: list[PagletProxyRef]
    """Paglets that are to be ended where the leader no longer can."""


F = TypeVar("F", bound=Following)


class Follower(Generic[F]):
    """Follows one leader.

    Args:
        client: Reaches the entry host, where the leader is created.
        question: Returns the next question how far it is.
        answer: The type of what it answers.
    """

    def __init__(self, client: Client, question: Callable[[], Message], answer: type[F]) -> None:
        self._client = client
        self._question = question
        self._answer = answer
        self._last: F | None = None

    def follow(
        self, leader: type, state: object, *, seconds: float, show: Callable[[F], None]
    ) -> F:
        """Create a leader, follow it to its end, and dispose of it; return its last answer.

        Args:
            leader: Its class.
            state: Its State.
            seconds: The deadline it was given.
            show: Called with each answer.

        Raises:
            DeadlineError: It did not come to an end.
            PagletsError: As `create` and `send` raise.
        """
        paglet = self._client.create(leader, state)
        is_settled = False
        try:
            found = self._poll(paglet, seconds + GRACE_SECONDS, show)
            is_settled = True
        except BaseException:
            is_settled = self._stop(paglet)
            raise
        finally:
            helpers = self._last.helpers if self._last is not None and not is_settled else ()
            self._end(paglet, helpers)
        return found

    def _poll(self, paglet: PagletProxy, seconds: float, show: Callable[[F], None]) -> F:
        deadline = time.monotonic() + seconds
        while True:
            found = self._ask(paglet, max(0.1, min(ASK_SECONDS, deadline - time.monotonic())))
            show(found)
            if found.is_done:
                return found
            if time.monotonic() >= deadline:
                raise DeadlineError(f"{paglet.agent_id} did not end within {seconds:g} s")
            time.sleep(POLL_SECONDS)

    def _ask(self, paglet: PagletProxy, timeout: float) -> F:
        self._last = paglet.send(self._question(), self._answer, timeout=timeout, retry_for=timeout)
        return self._last

    def _stop(self, paglet: PagletProxy) -> bool:
        """Have the leader end its helpers; return whether it says that it has."""
        deadline = time.monotonic() + END_SECONDS
        try:
            stop = Message("stop", priority=Priority.UNQUEUED)
            paglet.send(stop, timeout=END_SECONDS / 4, retry_for=END_SECONDS / 4)
            while time.monotonic() < deadline:
                if self._ask(paglet, END_SECONDS / 4).is_done:
                    return True
                time.sleep(POLL_SECONDS)
        except PagletsError as error:
            logger.info("%s did not end its helpers: %s", paglet, error)
        return False

    def _end(self, paglet: PagletProxy, helpers: Sequence[PagletProxyRef]) -> None:
        for proxy in [*map(self._client.proxy, helpers), paglet]:
            try:
                proxy.dispose(force=True)
            except NotFoundError:
                continue
            except PagletsError as error:
                # Its host is away: it ends itself when that is back.
                logger.info("%s was not disposed of: %s", proxy, error)


def unqueued(kind: str, **args: object) -> Message:
    """Return a question that is answered beside whatever the paglet does."""
    return Message(kind, args, priority=Priority.UNQUEUED)
