"""Cores, memory and disk that this process may use: the machine's, less what limits it.

A container sees the machine's figures in most places; its limits are in its cgroup, of either
version, and in the CPU affinity. Called in a Paglet Process; reads files, changes nothing.
"""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paglets.examples.machine import parse_meminfo
from paglets.examples.performance.model import Machine

_UNLIMITED = 1 << 60
"""What cgroup v1 says for no limit is a little below 2**63."""


@dataclass(frozen=True)
class CgroupLimits:
    """What the cgroups of a process allow; None: they set no limit."""

    cores: float | None = None
    memory_bytes: int | None = None
    """Still free below the tightest limit."""


def look(folder: Path) -> Machine:
    """Return what this process may use, with `folder` on the disk in question."""
    limits = cgroup_limits()
    return Machine(
        cores=usable_cores(_affinity(), limits.cores),
        memory_bytes=_least(_free_memory(), limits.memory_bytes),
        disk_bytes=shutil.disk_usage(folder).free,
        filesystem=filesystem_of(folder, _read(Path("/proc/self/mountinfo"))),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load=round(os.getloadavg()[0], 2),
    )


def usable_cores(affinity: int, quota: float | None) -> float:
    """Return the cores' worth of time: the lesser of affinity and quota."""
    return float(affinity) if quota is None else min(float(affinity), quota)


def processes_for(cores: float) -> int:
    """Return how many processes use up so many cores: one more for a fraction."""
    return max(1, int(cores) + (cores % 1 > 0.01))


def cgroup_limits(root: Path = Path("/")) -> CgroupLimits:
    """Return the limits of this process, those of all levels above it included.

    Args:
        root: Where `proc` and `sys` are; another one in tests.
    """
    cores: list[float] = []
    memory: list[int] = []
    for controllers, path in _memberships(_read(root / "proc/self/cgroup")):
        for folder in _levels(root / "sys/fs/cgroup", controllers, path):
            cores += _cores(folder)
            memory += _memory(folder)
    return CgroupLimits(min(cores, default=None), min(memory, default=None))


def filesystem_of(folder: Path, mountinfo: str) -> str:
    """Return the type of the file system of `folder` as `/proc/self/mountinfo` has it."""
    best, found = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point, kind = left.split()[4:5], right.split()[:1]
        if point and kind and folder.is_relative_to(point[0]) and len(point[0]) > best:
            best, found = len(point[0]), kind[0]
    return found


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """Yield controllers (empty for version 2) and path of each line of `/proc/self/cgroup`."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or {"cpu", "memory"} & set(controllers.split(",")):
            yield controllers, path


def _levels(base: Path, controllers: str, path: str) -> Iterator[Path]:
    """Yield the folder of a cgroup and of those above it, up to the mount.

    In a container the path may be the machine's, of which only the mount itself is there.
    """
    mounts = [base] if not controllers else [base / name for name in controllers.split(",")]
    for mount in mounts:
        folder = mount / path.lstrip("/")
        for level in (folder, *folder.parents):
            if level.is_relative_to(mount) and level.is_dir():
                yield level


def _cores(folder: Path) -> list[float]:
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _read(folder / "cpu.cfs_quota_us").strip()
        period = _read(folder / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return []  # "max", "-1", or no such controller here
    return [int(quota) / int(period)]


def _memory(folder: Path) -> list[int]:
    limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
    if limit is None or limit >= _UNLIMITED:
        return []
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    # Cached files count as used there, though they give way.
    cached = 0
    for line in _read(folder / "memory.stat").splitlines():
        name, _, amount = line.partition(" ")
        if name in {"inactive_file", "total_inactive_file"}:
            cached = int(amount)
    return [max(0, limit - max(0, used - cached))]


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_memory() -> int:
    entries = parse_meminfo(_read(Path("/proc/meminfo")))
    if "MemAvailable" in entries:
        return entries["MemAvailable"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _least(first: int, second: int | None) -> int:
    return first if second is None else min(first, second)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # no such file on this system: no such limit
        return ""
