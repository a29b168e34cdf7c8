"""Measures what a host has for jobs now: the machine, less what cgroups and its owner keep back.

Reads files of the system, changes nothing; runs in the Paglet Process of `compute-slots`. It does
without psutil, so that a host at rest pays little for it. Not here: what the figures mean
(`needs.py`).
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from paglets.model.errors import InvalidRequestError
from paglets.model.sizes import parse_size
from paglets.system.cgroup import CgroupLimits, cgroup_limits
from paglets.system.compute_slots.needs import Room
from paglets.system.machine import cpus_allowed, least, memory, usable_cores
from paglets.system.server_info.figures import CpuReading, CpuUse, make_load, use_between

WINDOW = 1.0
"""Seconds for which a measurement counts as new."""


@dataclass(frozen=True)
class HostLimits:
    """What the owner of a host lets jobs have, together; None: all that the host may use."""

    cores: float | None = None
    memory_bytes: int | None = None
    temp_bytes: int | None = None
    max_load_per_cpu: float | None = None
    """Load for each CPU above which no job begins; None: jobs say so for themselves."""

    def __post_init__(self) -> None:
        for name in ("cores", "memory_bytes", "temp_bytes", "max_load_per_cpu"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InvalidRequestError(f"the limit {name} of compute-slots is {value}")


PROPERTIES = {
    "compute-cores": "cores",
    "compute-memory": "memory_bytes",
    "compute-temp": "temp_bytes",
    "compute-max-load": "max_load_per_cpu",
}
"""Properties of a host that set its limits, such as `--property compute-cores=2`."""


def limits_of(properties: Mapping[str, str], otherwise: HostLimits) -> HostLimits:
    """Return the limits that a host's properties set; those they leave out are as `otherwise`.

    Raises:
        InvalidRequestError: A property is no number, or no size.
    """
    found: dict[str, float | int] = {}
    for name, field in PROPERTIES.items():
        text = properties.get(name)
        if text is None:
            continue
        try:
            found[field] = parse_size(text) if field.endswith("_bytes") else float(text)
        except ValueError as error:
            raise InvalidRequestError(f"property {name} of this host: {error}") from error
    return replace(otherwise, **found)  # type: ignore[arg-type]  # fields by name


class RoomReader:
    """Measures one host. Used from one thread.

    Args:
        folder: On the disk where the work folders of paglets are.
        limits: Of the host's owner.
        tags: Of the host.
        clock: Tells a time that only grows, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        limits: HostLimits,
        tags: tuple[str, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._tags = tags
        self._clock = clock
        self._room: Room | None = None
        self._read_at = 0.0
        self._last: CpuReading | None = None

    def room(self) -> Room:
        """Return what the host has now, measured anew if that was `WINDOW` ago."""
        now = self._clock()
        if self._room is None or now - self._read_at >= WINDOW:
            self._room, self._read_at = self._measure(now), now
        return self._room

    def _measure(self, now: float) -> Room:
        cgroup, limits = cgroup_limits(), self._limits
        cores = usable_cores(cpus_allowed(), cgroup.cores)
        total, available = memory()
        total = least(total, cgroup.memory_limit_bytes)
        disk = shutil.disk_usage(self._folder)
        return Room(
            cores=cores if limits.cores is None else min(cores, limits.cores),
            memory_bytes=least(total, limits.memory_bytes),
            memory_free_bytes=min(total, least(available, cgroup.memory_bytes)),
            temp_bytes=least(disk.total, limits.temp_bytes),
            temp_free_bytes=disk.free,
            load_per_cpu=self._load_per_cpu(cores, cgroup, now),
            max_load_per_cpu=limits.max_load_per_cpu,
            tags=self._tags,
        )

    def _load_per_cpu(self, cores: float, cgroup: CgroupLimits, now: float) -> float:
        reading = CpuReading(now, {}, {}, cgroup.cores, cgroup.cpu_seconds)
        before, self._last = self._last, reading
        use = CpuUse() if before is None else use_between(before, reading, ())
        return make_load(os.getloadavg(), cores, os.cpu_count() or 1, use).per_cpu
