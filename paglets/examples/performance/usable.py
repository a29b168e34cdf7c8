"""Cores, memory and disk that this process may use: the machine's, less what limits it.

Called in a Paglet Process; reads files, changes nothing.
"""

import os
import platform
import shutil
from pathlib import Path

from paglets.examples.performance.model import Machine
from paglets.system.cgroup import cgroup_limits
from paglets.system.machine import (
    cpus_allowed,
    filesystem_of,
    least,
    memory,
    read_text,
    usable_cores,
)


def look(folder: Path) -> Machine:
    """Return what this process may use, with `folder` on the disk in question."""
    limits = cgroup_limits()
    _, available = memory()
    return Machine(
        cores=usable_cores(cpus_allowed(), limits.cores),
        memory_bytes=least(available, limits.memory_bytes),
        disk_bytes=shutil.disk_usage(folder).free,
        filesystem=filesystem_of(folder, read_text(Path("/proc/self/mountinfo"))),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load=round(os.getloadavg()[0], 2),
    )


def processes_for(cores: float) -> int:
    """Return how many processes use up so many cores: one more for a fraction."""
    return max(1, int(cores) + (cores % 1 > 0.01))
