"""Reads the machine under a Paglet Process: psutil for what it has, cgroups for what is allowed.

What readings mean is in `figures.py`.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from paglets.system.cgroup import cgroup_limits
from paglets.system.machine import (
    cpus_allowed,
    filesystem_of,
    least,
    read_text,
    usable_cores,
)
from paglets.system.server_info.contract import (
    Disk,
    Disks,
    Gauges,
    HostSummary,
    Load,
    Memory,
)
from paglets.system.server_info.figures import (
    CpuReading,
    CpuUse,
    make_load,
    use_between,
)
from paglets.system.server_info.gpus import GpuReader

WINDOW = 1.0
"""Seconds below which a share of CPU time is not measured anew: several callers share it."""
FIRST_WINDOW = 0.25
"""Seconds over which the very first share is measured; that call waits for it."""
DISK_LIMIT = 64
"""File systems told of."""


class CpuMeter:
    """Measures shares of CPU time from one look to the next. Used from one thread.

    Args:
        read: Takes a reading.
        sleep: Waits for so many seconds, once, at the first look.
    """

    def __init__(
        self, read: Callable[[], CpuReading], sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._read = read
        self._sleep = sleep
        self._last: CpuReading | None = None
        self._use = CpuUse()

    def use(self) -> CpuUse:
        """Return the shares taken since the look before, if that was WINDOW ago; else as then."""
        before, now = self._last, self._read()
        if before is None:
            self._sleep(FIRST_WINDOW)
            before, now = now, self._read()
        elif now.at - before.at < WINDOW:
            return self._use
        self._use, self._last = use_between(before, now, allowed_cpus(now)), now
        return self._use


def allowed_cpus(reading: CpuReading) -> set[int]:
    """Return the numbers of the CPUs on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(reading.busy)


def read_cpus() -> CpuReading:
    """Return the counters of CPU time of now."""
    busy: dict[int, float] = {}
    total: dict[int, float] = {}
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        named = times._asdict()
        # Linux counts the time of guests in `user` and `nice` already.
        named.pop("guest", None)
        named.pop("guest_nice", None)
        total[number] = sum(named.values())
        busy[number] = total[number] - named["idle"] - named.get("iowait", 0.0)
    limits = cgroup_limits()
    return CpuReading(time.monotonic(), busy, total, limits.cores, limits.cpu_seconds)


class MachineReader:
    """Tells of the machine, each time anew. Used from one thread.

    Args:
        folder: On the disk where the folders of paglets are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temp = Path(tempfile.gettempdir())
        self._meter = CpuMeter(read_cpus)
        self.gpus = GpuReader()

    def load(self) -> Load:
        """Return how busy the CPUs are."""
        return make_load(
            psutil.getloadavg(),
            usable_cores(cpus_allowed(), cgroup_limits().cores),
            machine_cpus(),
            self._meter.use(),
        )

    def memory(self) -> Memory:
        """Return how much memory there is and could be had."""
        limits, machine, swap = cgroup_limits(), psutil.virtual_memory(), psutil.swap_memory()
        total = least(machine.total, limits.memory_limit_bytes)
        return Memory(
            total_bytes=total,
            available_bytes=min(total, least(machine.available, limits.memory_bytes)),
            is_limited=total < machine.total,
            swap_total_bytes=swap.total,
            swap_free_bytes=swap.free,
        )

    def disks(self) -> Disks:
        """Return the file systems; those of the host's own folders first."""
        own: dict[int, tuple[Path, list[str]]] = {}
        for use, folder in (("paglets", self._folder), ("temp", self._temp)):
            own.setdefault(folder.stat().st_dev, (folder, []))[1].append(use)
        mounts = dict(_mounts())
        places = [
            (*mounts.pop(device, (folder, "")), tuple(uses))
            for device, (folder, uses) in own.items()
        ]
        others = sorted((*mount, ()) for mount in mounts.values())
        told = [_disk(*place) for place in (*places, *others)[:DISK_LIMIT]]
        return Disks(tuple(disk for disk in told if disk is not None))

    def gauges(self) -> Gauges:
        """Return all that placing work needs."""
        return Gauges(
            load=self.load(),
            memory=self.memory(),
            disk_free_bytes=psutil.disk_usage(str(self._folder)).free,
            temp_free_bytes=psutil.disk_usage(str(self._temp)).free,
            gpus=self.gpus.read().gpus,
        )

    def summary(self, host_name: str) -> HostSummary:
        """Return the machine in a few words.

        Args:
            host_name: The host's name in the mesh.
        """
        limits, memory = cgroup_limits(), self.memory()
        return HostSummary(
            host_name=host_name,
            node=platform.node(),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            python=platform.python_version(),
            cpus=usable_cores(cpus_allowed(), limits.cores),
            machine_cpus=machine_cpus(),
            memory_bytes=memory.total_bytes,
            is_limited=memory.is_limited or limits.cores is not None,
            uptime_seconds=round(max(0.0, time.time() - psutil.boot_time()), 1),
            gpus=len(self.gpus.read().gpus),
        )


def machine_cpus() -> int:
    """Return the number of CPUs of the machine."""
    return psutil.cpu_count() or 1


def _mounts() -> Iterator[tuple[int, tuple[Path, str]]]:
    """Yield device number, mount point and type of file systems that are on a disk."""
    seen: set[int] = set()
    for part in psutil.disk_partitions(all=False):
        point = Path(part.mountpoint)
        try:
            device = point.stat().st_dev
        except OSError:  # not for this user: it is not told of
            continue
        # Containers have single files mounted, from the machine's own disk.
        if device not in seen and point.is_dir():
            seen.add(device)
            yield device, (point, part.fstype)


def _disk(path: Path, filesystem: str, uses: tuple[str, ...]) -> Disk | None:
    try:
        usage = psutil.disk_usage(str(path))
    except OSError:  # unmounted since, or not for this user
        return None
    return Disk(
        path=str(path),
        filesystem=filesystem or filesystem_of(path, read_text(Path("/proc/self/mountinfo"))),
        total_bytes=usage.total,
        free_bytes=usage.free,
        uses=uses,
    )
