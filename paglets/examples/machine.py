"""What the machine under a paglet is like, read from the system itself.

Used by the packaged examples; the resident `server-info` tells more.
"""

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from paglets.system.machine import memory


@dataclass
class Sight:
    """One machine, at the moment a paglet looked at it."""

    host: str
    """The host, by its name in the mesh."""
    machine: str
    """Name and architecture."""
    system: str
    python: str
    cpus: int
    load: float
    """Processes that want to run, over the last minute."""
    memory_bytes: int
    memory_free_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    processes: int
    """Processes on the machine; 0 where the system does not tell."""
    pid: int
    """The Paglet Process that looked."""


def look_around(host: str) -> Sight:
    """Return what the machine is like now; called in a Paglet Process.

    Args:
        host: Name of the host the paglet is on.
    """
    total, free = memory()
    disk = shutil.disk_usage(Path.cwd().anchor)
    return Sight(
        host=host,
        machine=f"{platform.node()} {platform.machine()}",
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpus=os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 2),
        memory_bytes=total,
        memory_free_bytes=free,
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
        processes=_processes(),
        pid=os.getpid(),
    )


def _processes() -> int:
    proc = Path("/proc")
    return sum(entry.name.isdigit() for entry in proc.iterdir()) if proc.exists() else 0
