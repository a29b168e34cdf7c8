"""When a host is sampled, and when the mesh is told another snapshot of it. Pure.

A sample wakes server-info, which costs a process; a glance costs a few files. So one is taken every
few seconds, and what it shows is told where it differs enough from what was told last. Nothing is
told of a host that does not change: what was told holds until its host takes it back, see
`Mesh.publish`. Not here: taking a glance (`glancing.py`).
"""

from dataclasses import dataclass, replace

from paglets.system.mesh_info.contract import Snapshot

GLANCE_INTERVAL = 10.0
"""Seconds between two glances, and the least between two samples."""
FIRST_RETRY = 1.0
"""Seconds until a glance that failed is tried again the first time; doubled each time."""
LONGEST_RETRY = 30.0
"""Most seconds until then."""
INTEREST_SECONDS = 60.0
"""For how long after a question figures are sampled at every glance."""
SAMPLE_INTERVAL = 3600.0
"""Most seconds for which a sample holds where glances show all that changes."""
PART_INTERVAL = 300.0
"""The same on a system where a glance does not show all."""
GPU_INTERVAL = 30.0
"""The same where there are graphics processors, of which a glance shows nothing."""
LOAD_CHANGE = 0.15
"""Change of load for each CPU, or of their share taken, that is worth telling."""
LOAD_SHARE = 0.3
"""The same as a share of the load: where that is high it swings by more."""
SPACE_CHANGE = 0.05
"""Change of memory or disk worth telling, as a share of all memory or of what was free."""


@dataclass(frozen=True)
class Glance:
    """What can be seen of a host without waking anybody; None where the system does not tell."""

    cpus: float
    cpu_use: float | None
    """Share of the CPUs taken over the last minute."""
    load_per_cpu: float
    memory_total_bytes: int
    memory_available_bytes: int | None
    disk_free_bytes: int
    temp_free_bytes: int

    def update(self, figures: Snapshot) -> Snapshot:
        """Return `figures` with all that this shows."""
        use, available = self.cpu_use, self.memory_available_bytes
        return replace(
            figures,
            cpus=self.cpus,
            cpu_use=figures.cpu_use if use is None else use,
            load_per_cpu=self.load_per_cpu,
            memory_total_bytes=self.memory_total_bytes,
            memory_available_bytes=(
                figures.memory_available_bytes if available is None else available
            ),
            disk_free_bytes=self.disk_free_bytes,
            temp_free_bytes=self.temp_free_bytes,
        )


@dataclass(frozen=True)
class Known:
    """What is known of this host. Times are seconds on a clock that only grows."""

    figures: Snapshot
    """As the last look showed them."""
    told: Snapshot
    """As the mesh has them."""
    sampled_at: float
    seen_at: float
    """When the last look was taken."""


def pause_after(failures: int) -> float:
    """Return the seconds until the next glance.

    Args:
        failures: Glances in a row that ended in an error; a host that is starting or busy is soon
            fine, one that stays in trouble is not to be troubled more.
    """
    if failures == 0:
        return GLANCE_INTERVAL
    return min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))


def is_sample_due(known: Known | None, glance: Glance, now: float, asked_at: float) -> bool:
    """Return whether server-info is to be asked now.

    Args:
        known: What is known so far; None: nothing.
        glance: What the host looks like now.
        now: The time.
        asked_at: When somebody asked for figures last.
    """
    if known is None or now - asked_at < INTEREST_SECONDS:
        return True
    if known.figures.gpu_free_bytes:
        longest = GPU_INTERVAL
    elif glance.memory_available_bytes is None or glance.cpu_use is None:
        longest = PART_INTERVAL
    else:
        longest = SAMPLE_INTERVAL
    return now - known.sampled_at >= longest


def is_news(told: Snapshot, figures: Snapshot) -> bool:
    """Return whether figures differ enough from those that were told to tell them."""
    sizes = (figures.cpus, figures.memory_total_bytes, len(figures.gpu_free_bytes))
    if sizes != (told.cpus, told.memory_total_bytes, len(told.gpu_free_bytes)):
        return True
    total = told.memory_total_bytes
    amounts = zip(_amounts(told), _amounts(figures), strict=True)
    return (
        _is_load_news(told, figures)
        or abs(figures.memory_available_bytes - told.memory_available_bytes) > SPACE_CHANGE * total
        or any(abs(now - before) > SPACE_CHANGE * before for before, now in amounts)
    )


def _amounts(figures: Snapshot) -> tuple[int, ...]:
    return (figures.disk_free_bytes, figures.temp_free_bytes, *figures.gpu_free_bytes)


def _is_load_news(told: Snapshot, figures: Snapshot) -> bool:
    change = abs(figures.load_per_cpu - told.load_per_cpu)
    taken = abs(_taken(figures) - _taken(told))
    return change > max(LOAD_CHANGE, LOAD_SHARE * told.load_per_cpu) or taken > LOAD_CHANGE


def _taken(figures: Snapshot) -> float:
    return min(1.0, max(figures.cpu_use, figures.load_per_cpu))
