"""Takes a glance at the machine: a few files, no library, no process woken."""

import os
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path

from paglets.system.cgroup import cgroup_limits
from paglets.system.machine import (
    cpu_times,
    cpus_allowed,
    cpus_allowed_numbers,
    least,
    memory,
    memory_available,
    usable_cores,
)
from paglets.system.mesh_info.pacing import GLANCE_INTERVAL, Glance
from paglets.system.server_info.figures import CpuReading, CpuUse, make_load, use_between

LOOK_BACK = 60.0
"""Seconds over which the use of CPUs is measured, as the load is: a moment's burst is no news."""


class Glancer:
    """Looks at one machine from one thread, every `GLANCE_INTERVAL` seconds.

    Args:
        folder: On the disk where the folders of paglets are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temp = Path(tempfile.gettempdir())
        self._readings: deque[CpuReading] = deque(maxlen=round(LOOK_BACK / GLANCE_INTERVAL))

    def look(self) -> Glance:
        """Return what the machine looks like now."""
        limits = cgroup_limits()
        busy, total = cpu_times()
        reading = CpuReading(time.monotonic(), busy, total, limits.cores, limits.cpu_seconds)
        use, is_measured = CpuUse(), bool(self._readings) and bool(busy)
        if self._readings:
            use = use_between(self._readings[0], reading, cpus_allowed_numbers())
        self._readings.append(reading)
        cores = usable_cores(cpus_allowed(), limits.cores)
        load = make_load(os.getloadavg(), cores, os.cpu_count() or 1, use)
        total_bytes = least(memory()[0], limits.memory_limit_bytes)
        available = memory_available()
        if available is not None:
            available = min(total_bytes, least(available, limits.memory_bytes))
        return Glance(
            cpus=cores,
            cpu_use=load.use if is_measured else None,
            load_per_cpu=load.per_cpu,
            memory_total_bytes=total_bytes,
            memory_available_bytes=available,
            disk_free_bytes=shutil.disk_usage(self._folder).free,
            temp_free_bytes=shutil.disk_usage(self._temp).free,
        )
