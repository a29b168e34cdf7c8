"""Takes a glance at the machine: a few files, no library, no process woken."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from paglets.system.cgroup import cgroup_limits
from paglets.system.machine import cpus_allowed, least, memory, usable_cores
from paglets.system.mesh_info.pacing import Glance
from paglets.system.server_info.figures import CpuReading, CpuUse, make_load, use_between


class Glancer:
    """Looks at one machine from one thread.

    Args:
        folder: On the disk where the folders of paglets are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temp = Path(tempfile.gettempdir())
        self._last: CpuReading | None = None

    def look(self) -> Glance:
        """Return what the machine looks like now."""
        limits = cgroup_limits()
        reading = CpuReading(time.monotonic(), {}, {}, limits.cores, limits.cpu_seconds)
        before, self._last = self._last, reading
        use = CpuUse() if before is None else use_between(before, reading, ())
        cores = usable_cores(cpus_allowed(), limits.cores)
        return Glance(
            load_per_cpu=make_load(os.getloadavg(), cores, os.cpu_count() or 1, use).per_cpu,
            memory_available_bytes=least(memory()[1], limits.memory_bytes),
            disk_free_bytes=shutil.disk_usage(self._folder).free,
            temp_free_bytes=shutil.disk_usage(self._temp).free,
        )
