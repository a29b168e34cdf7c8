"""What every system is asked to do, and how it reports. Standard library and psutil only.

Imported by the `with_*.py` programs, each of which runs in a virtual environment of its own: an
idle actor is created, once more and once more; one of them is sent a text of 100 characters and
returns it, first one call at a time, then with 16 under way; then the actors' memory is taken.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import psutil

ACTORS = 20
"""Created one after the other, each answers once before the next; and measured for memory."""
CALLS = 1000
"""One after the other, in each round."""
IN_FLIGHT = 16
ROUNDS = 3
"""The best counts: other work on the machine is no figure of theirs."""
LOADED_CALLS = 4000
"""With `IN_FLIGHT` under way, in each round."""
TEXT = "x" * 100
_MIB = 1024**2


@dataclass(slots=True)
class Report:
    """What one system reached."""

    version: str
    create_ms: float = 0.0
    """Median until a new actor has answered."""
    round_trip_ms: float = 0.0
    """Median of a call from the driver to an actor and back."""
    calls_per_s: float = 0.0
    """With 16 calls under way to one actor."""
    mib_per_actor: float = 0.0
    """Memory that only this actor's process holds (USS)."""
    note: str = ""

    def send(self) -> None:
        """Give it to who started this program, as its last line."""
        print("REPORT " + json.dumps(asdict(self)), flush=True)


def median_ms(step: Callable[[], object], count: int) -> float:
    """Return the median of `count` steps."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def best_ms(step: Callable[[], object]) -> float:
    """Return the best round's median of calls, after a first round that warms up."""
    median_ms(step, CALLS // 5)
    return min(median_ms(step, CALLS) for _ in range(ROUNDS))


def best_rate(load: Callable[[int], object]) -> float:
    """Return the best round's calls a second; `load` makes so many."""
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        load(LOADED_CALLS)
        rates.append(LOADED_CALLS / (time.perf_counter() - began))
    return max(rates)


def uss_mib(pids: Iterable[int]) -> float:
    """Return the median USS of processes."""
    used: list[int] = [psutil.Process(pid).memory_full_info().uss for pid in pids]
    return statistics.median(used) / _MIB
