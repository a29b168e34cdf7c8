"""Repeats of one call under one id: how long, how often, and what is worth repeating.

A repeat is safe because hosts know it again: a message by its id, a life-cycle call by its
Idempotency-Key. Used for code outside any paglet (`connect`), and by a host for its paglets.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from paglets.model.errors import HostUnreachableError, PagletCrashedError, PagletsError

T = TypeVar("T")

FIRST_PAUSE = 0.1
"""Seconds before the first repeat; doubled each time up to `LAST_PAUSE`."""
LAST_PAUSE = 5.0
"""Longest pause in seconds: how late a host that came back is noticed."""

Attempt = Callable[[int, float], Awaitable[T]]
"""Makes one attempt: its number from 1, and the seconds left for it."""


async def repeat(
    attempt: Attempt[T], *, seconds: float, is_worth_repeating: Callable[[PagletsError], bool]
) -> T:
    """Return the first success within `seconds`; else raise the last error.

    A host's Retry-After is obeyed: where it reaches beyond the time left, nothing is repeated.
    Where any attempt may have reached a host, a HostUnreachableError says so, whichever was last.

    Args:
        attempt: What to do.
        seconds: Time for all attempts and pauses.
        is_worth_repeating: Whether the same call may succeed later.

    Raises:
        PagletsError: What the last attempt raised.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause, number, was_reached = FIRST_PAUSE, 1, False
    while True:
        try:
            return await attempt(number, max(deadline - loop.time(), 0.001))
        except PagletsError as error:
            wait = max(pause, _retry_after(error))
            is_over = not is_worth_repeating(error) or loop.time() + wait >= deadline
            was_reached |= may_have_been_done(error)
            if was_reached and isinstance(error, HostUnreachableError):
                error.detail["connected"] = True
            if is_over:
                raise
        await asyncio.sleep(wait)
        pause, number = min(pause * 2, LAST_PAUSE), number + 1


def may_be_handled_later(error: PagletsError) -> bool:
    """Return whether a message with `retry_for` is sent again after `error`.

    Also after a crash: the paglet may be started again, and knows what it has handled.
    """
    return error.retryable or isinstance(error, PagletCrashedError)


def may_have_been_done(error: PagletsError) -> bool:
    """Return whether only the answer to a life-cycle call was lost, so that asking again helps.

    A host that was never reached is reported at once: nothing happened there.
    """
    return isinstance(error, HostUnreachableError) and error.detail.get("connected") is True


def never(_error: PagletsError) -> bool:
    """Return False: for calls without an id."""
    return False


def _retry_after(error: PagletsError) -> float:
    seconds = error.detail.get("retry_after")
    return float(seconds) if isinstance(seconds, int | float) else 0.0
