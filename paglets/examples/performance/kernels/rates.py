"""Rates: how much work a second, as the median over several rounds."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 5
"""Rounds one measurement is cut into: one disturbed round does not move the median."""

Batch = Callable[[], float]
"""Does some work and returns how much, in the kernel's unit."""
Clock = Callable[[], float]
"""Seconds, never going back."""


@dataclass(frozen=True)
class Rate:
    """Work a second, in the kernel's unit a second."""

    median: float
    low: float
    """Of the slowest round."""
    high: float
    """Of the fastest round."""


def measure(batch: Batch, seconds: float, *, clock: Clock = time.perf_counter) -> Rate:
    """Return the rate of `batch`, repeated for about `seconds` after one unmeasured run.

    Args:
        batch: The kernel.
        seconds: For all rounds together; every round has at least one batch.
        clock: What is read before and after each batch.
    """
    batch()
    return summary([_round(batch, seconds / ROUNDS, clock) for _ in range(ROUNDS)])


def summary(rates: Sequence[float]) -> Rate:
    """Return median and extremes of rates.

    Raises:
        ValueError: There are none.
    """
    if not rates:
        raise ValueError("no round was measured")
    return Rate(statistics.median(rates), min(rates), max(rates))


def together(rates: Sequence[Rate]) -> Rate:
    """Return the rate of several that ran at once: their sum."""
    return Rate(
        sum(rate.median for rate in rates),
        sum(rate.low for rate in rates),
        sum(rate.high for rate in rates),
    )


def _round(batch: Batch, seconds: float, clock: Clock) -> float:
    began, done = clock(), 0.0
    while True:
        done += batch()
        spent = clock() - began
        if spent >= seconds and spent > 0:
            return done / spent
