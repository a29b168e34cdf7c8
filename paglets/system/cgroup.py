"""What the cgroups of this process allow it, of version 1 and 2.

A container sees the machine's figures in most places; its limits are here. Reads files, changes
nothing. Not here: what the machine has (`machine.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paglets.system.machine import read_text

_UNLIMITED = 1 << 60
"""What version 1 says for no limit is a little below 2**63."""


@dataclass(frozen=True)
class CgroupLimits:
    """What the cgroups of a process allow; None: they set no limit."""

    cores: float | None = None
    """Cores' worth of time."""
    cpu_seconds: float | None = None
    """CPU time used so far by all that share `cores`; only grows."""
    memory_bytes: int | None = None
    """Still free below the tightest limit; cached files give way and count as free."""
    memory_limit_bytes: int | None = None
    """The lowest limit."""


def cgroup_limits(root: Path = Path("/")) -> CgroupLimits:
    """Return the limits of this process, those of all levels above it included.

    Args:
        root: Where `proc` and `sys` are; another one in tests.
    """
    cores: list[tuple[float, float | None]] = []
    memory: list[tuple[int, int]] = []
    for controllers, path in _memberships(read_text(root / "proc/self/cgroup")):
        for folder in _levels(root / "sys/fs/cgroup", controllers, path):
            cores += _cores(folder)
            memory += _memory(folder)
    quota, used = min(cores, default=(None, None), key=lambda each: each[0])
    return CgroupLimits(
        cores=quota,
        cpu_seconds=used,
        memory_bytes=min((free for free, _ in memory), default=None),
        memory_limit_bytes=min((limit for _, limit in memory), default=None),
    )


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


def _cores(folder: Path) -> list[tuple[float, float | None]]:
    """Return the quota in cores, with the CPU seconds used of it; nothing where there is none."""
    quota, _, period = read_text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = read_text(folder / "cpu.cfs_quota_us").strip()
        period = read_text(folder / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return []  # "max", "-1", or no such controller here
    return [(int(quota) / int(period), _cpu_seconds(folder))]


def _cpu_seconds(folder: Path) -> float | None:
    micro = _entry(folder / "cpu.stat", {"usage_usec"})
    if micro is not None:
        return micro / 1e6
    nano = _number(folder / "cpuacct.usage")
    return None if nano is None else nano / 1e9


def _memory(folder: Path) -> list[tuple[int, int]]:
    """Return what is free below the limit, and the limit; nothing where there is none."""
    limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
    if limit is None or limit >= _UNLIMITED:
        return []
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    # Cached files count as used there, though they give way.
    cached = _entry(folder / "memory.stat", {"inactive_file", "total_inactive_file"}) or 0
    return [(max(0, limit - max(0, used - cached)), limit)]


def _entry(path: Path, names: set[str]) -> int | None:
    """Return the last entry of these names in a file of `name amount` lines."""
    found = None
    for line in read_text(path).splitlines():
        name, _, amount = line.partition(" ")
        if name in names and amount.isdigit():
            found = int(amount)
    return found


def _number(path: Path) -> int | None:
    text = read_text(path).strip()
    return int(text) if text.isdigit() else None
