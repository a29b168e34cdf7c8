"""Waiting for a condition in tests: polled, with a deadline and a story when it passes.

What a loop in the test's own process does by itself is better waited for by its events, or in
virtual time (`clock.py`).
"""

import asyncio
import time
from collections.abc import Callable

from paglets.model.errors import DeadlineError


def wait_until(
    check: Callable[[], bool],
    *,
    timeout: float,
    what: str,
    interval: float = 0.02,
    story: Callable[[], str] | None = None,
) -> None:
    """Return as soon as `check` is true.

    Args:
        check: Looks at the present state; cheap.
        timeout: Seconds until it counts as failed.
        what: The condition in words, for the error.
        interval: Seconds between looks.
        story: Gives what helps to understand a failure.

    Raises:
        DeadlineError: It did not become true in time.
    """
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() >= deadline:
            told = f":\n{story()}" if story is not None else ""
            raise DeadlineError(f"waited {timeout:g} s in vain until {what}{told}")
        time.sleep(interval)


async def wait_until_async(
    check: Callable[[], bool], *, timeout: float, what: str, interval: float = 0.005
) -> None:
    """Return as soon as `check` is true, while the loop goes on; else as `wait_until`.

    Raises:
        DeadlineError: It did not become true in time.
    """
    try:
        async with asyncio.timeout(timeout):
            while not check():  # noqa: ASYNC110 - for what nobody announces
                await asyncio.sleep(interval)
    except TimeoutError as error:
        raise DeadlineError(f"waited {timeout:g} s in vain until {what}") from error


async def turn(times: int = 1) -> None:
    """Let every task of this loop that is ready run, `times` times; no time passes."""
    for _ in range(times):
        await asyncio.sleep(0)
