"""When a host is sampled and told of again: seldom where nothing changes and nobody asks. Pure.

A sample wakes server-info, which costs a process. A glance costs a few files, so one is taken every
few seconds, and while it shows no change the last sample still holds and is told as such.
"""

from dataclasses import dataclass, field

from paglets.system.mesh_info.contract import Snapshot
from paglets.system.mesh_info.ranking import REST_INTERVAL

GLANCE_INTERVAL = 10.0
"""Seconds between two glances, and the least between two samples."""
FIRST_RETRY = 1.0
"""Seconds until a glance that failed is tried again the first time; doubled each time."""
INTEREST_SECONDS = 60.0
"""For how long after a question figures are sampled at every glance."""
SAMPLE_INTERVAL = 300.0
"""Most seconds for which a sample holds where nothing changes."""
LOAD_CHANGE = 0.15
"""Change of load for each CPU that is worth a sample."""
SPACE_CHANGE = 0.05
"""Change of memory or disk worth a sample, as a share of all memory or of what was free."""


@dataclass(frozen=True)
class Glance:
    """What can be seen of a host without waking anybody."""

    load_per_cpu: float
    memory_available_bytes: int
    disk_free_bytes: int
    temp_free_bytes: int


@dataclass(frozen=True)
class Known:
    """A sample of this host. Times are seconds on a clock that only grows."""

    figures: Snapshot
    glance: Glance
    """What the host looked like when it was sampled."""
    sampled_at: float
    confirmed_at: float = field(default=0.0)
    """When a glance has last shown no change since."""
    told_at: float = field(default=0.0)


def pause_after(failures: int) -> float:
    """Return the seconds until the next glance.

    Args:
        failures: Glances in a row that ended in an error; a host that is starting or busy is soon
            fine, one that stays in trouble is not to be troubled more.
    """
    if failures == 0:
        return GLANCE_INTERVAL
    return min(REST_INTERVAL, FIRST_RETRY * 2.0 ** min(failures - 1, 10))


def is_sample_due(known: Known | None, glance: Glance, now: float, asked_at: float) -> bool:
    """Return whether server-info is to be asked now.

    Args:
        known: The last sample; None: there is none.
        glance: What the host looks like now.
        now: The time.
        asked_at: When somebody asked for figures last.
    """
    if known is None:
        return True
    held = now - known.sampled_at
    if known.figures.gpu_free_bytes and held >= REST_INTERVAL:
        return True  # nothing of a graphics processor is seen at a glance
    if held >= SAMPLE_INTERVAL or is_change(known, glance):
        return True
    return now - asked_at < INTEREST_SECONDS


def is_telling_due(known: Known, now: float) -> bool:
    """Return whether the mesh is to be told again of a sample that still holds."""
    # Half a glance early rather than one late.
    return now - known.told_at >= REST_INTERVAL - GLANCE_INTERVAL / 2


def is_change(known: Known, glance: Glance) -> bool:
    """Return whether a host looks different enough from when it was sampled."""
    before = known.glance
    spaces = (
        (
            glance.memory_available_bytes - before.memory_available_bytes,
            known.figures.memory_total_bytes,
        ),
        (glance.disk_free_bytes - before.disk_free_bytes, before.disk_free_bytes),
        (glance.temp_free_bytes - before.temp_free_bytes, before.temp_free_bytes),
    )
    return abs(glance.load_per_cpu - before.load_per_cpu) > LOAD_CHANGE or any(
        abs(change) > SPACE_CHANGE * whole for change, whole in spaces
    )
