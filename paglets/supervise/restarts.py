"""When something that crashed is started again: with growing delays, and not for ever.

Pure: the times of the crashes and the present come as arguments, the decision is the result. Used
for residents and for paglets with `RestartPolicy.ON_CRASH`, and for the forkserver itself. It
starts nothing; the caller waits until the time it is told.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How patient a supervisor is."""

    first_delay: float = 0.5
    """Seconds between the first crash and its restart."""
    factor: float = 2.0
    """Each crash of a row waits this many times longer than the one before."""
    longest_delay: float = 60.0
    """Cap of the delay, in seconds."""
    stable_after: float = 60.0
    """Seconds of life after which the next crash counts as a first one again."""
    max_restarts: int | None = 10
    """More crashes than this within `max_seconds` end it; None: never."""
    max_seconds: float = 600.0
    """Length of the window in which crashes are counted, in seconds."""


@dataclass(frozen=True, slots=True)
class RestartAt:
    """Start it again."""

    when: float
    """On the clock of the crash times, in seconds; never before the last crash."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Leave it crashed; a person looks at it and activates it by hand."""

    crashes: int
    """How often it crashed within `seconds`."""
    seconds: float
    """Length of the window, in seconds."""


def decide_restart(
    crash_times: Sequence[float], now: float, limits: RestartLimits
) -> RestartAt | GiveUp:
    """Decide what happens after a crash.

    Args:
        crash_times: Times of all crashes remembered, oldest first, the present one last; seconds.
        now: The present on the same clock, in seconds.
        limits: The knobs.

    Raises:
        ValueError: There was no crash.
    """
    if not crash_times:
        raise ValueError("decide_restart needs the time of at least one crash")
    recent = sum(1 for time in crash_times if now - time < limits.max_seconds)
    if limits.max_restarts is not None and recent > limits.max_restarts:
        return GiveUp(crashes=recent, seconds=limits.max_seconds)
    return RestartAt(when=crash_times[-1] + _delay_after(crash_times, limits))


def _delay_after(crash_times: Sequence[float], limits: RestartLimits) -> float:
    delay = min(limits.first_delay, limits.longest_delay)
    for previous, time in itertools.pairwise(crash_times):
        lived = time - previous - delay
        if lived >= limits.stable_after:
            delay = min(limits.first_delay, limits.longest_delay)
        else:
            delay = min(delay * limits.factor, limits.longest_delay)
    return delay
