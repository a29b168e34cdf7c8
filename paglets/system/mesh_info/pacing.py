"""How often a host looks at itself: seldom where nothing happens and nobody asks. Pure."""

from paglets.system.mesh_info.contract import Snapshot
from paglets.system.mesh_info.ranking import REST_INTERVAL

BUSY_INTERVAL = 10.0
"""Seconds between two samples while figures change or somebody asks; the mesh passes on no more."""
INTEREST_SECONDS = 60.0
"""For how long a question makes figures interesting."""
_LOAD_CHANGE = 0.25
_MEMORY_CHANGE = 0.1


def interval(before: Snapshot | None, now: Snapshot, asked_ago: float) -> float:
    """Return the seconds until the next sample.

    Args:
        before: The sample before; None at first.
        now: The present one.
        asked_ago: Seconds since somebody asked for figures of any host.
    """
    if before is None or asked_ago < INTEREST_SECONDS or _is_change(before, now):
        return BUSY_INTERVAL
    return REST_INTERVAL


def _is_change(before: Snapshot, now: Snapshot) -> bool:
    """Return whether a host has become noticeably more or less loaded."""
    load = max(abs(now.cpu_use - before.cpu_use), abs(now.load_per_cpu - before.load_per_cpu))
    memory = abs(now.memory_available_bytes - before.memory_available_bytes)
    return load > _LOAD_CHANGE or memory > _MEMORY_CHANGE * now.memory_total_bytes
