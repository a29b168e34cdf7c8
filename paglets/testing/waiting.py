"""Waiting for a condition in tests: polled, with a deadline and a story when it passes."""

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
