"""The order in which a traveller goes every way between hosts once, and figures of many times.

Pure.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Spread:
    """Many times in two figures, in seconds."""

    p50: float
    p95: float
    count: int


def ways(hosts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every directed pair of different hosts once.

    Each begins where the one before ended, and the last ends where the first began: an Eulerian
    circuit, so that a traveller makes no move that is not measured.
    """
    if len(hosts) < 2:
        return
    visits: list[str] = []
    for number, host in enumerate(hosts):
        for later in hosts[number + 1 :]:
            visits += [host, later]
    visits.append(hosts[0])
    yield from pairwise(visits)


def spread(seconds: Sequence[float]) -> Spread | None:
    """Return median and 95th percentile, both times that were measured; None of nothing."""
    if not seconds:
        return None
    ranked = sorted(seconds)
    return Spread(_at(ranked, 0.5), _at(ranked, 0.95), len(ranked))


def transfer_rate(payload_bytes: int, seconds: float) -> float:
    """Return bytes a second at which a payload came across, the rest of the move included."""
    return payload_bytes / seconds if seconds > 0 else math.inf


def _at(ranked: Sequence[float], share: float) -> float:
    """Return the smallest time that at least `share` of them do not exceed."""
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]
