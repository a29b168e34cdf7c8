"""What the machine under a paglet has: cores, memory, file systems, by the system's own files.

Needs no library, so the packaged examples read it too. Not here: what cgroups leave of it
(`cgroup.py`), the rest that `server-info` tells (`server_info/`).
"""

import os
from pathlib import Path

_CHUNK = 64 * 1024


def usable_cores(affinity: int, quota: float | None) -> float:
    """Return the cores' worth of time: the lesser of affinity and quota."""
    return float(affinity) if quota is None else min(float(affinity), quota)


def least(first: int, second: int | None) -> int:
    """Return the lesser of an amount and a limit, None being no limit."""
    return first if second is None else min(first, second)


def cpus_allowed() -> int:
    """Return the number of CPUs on which this process may run."""
    return len(cpus_allowed_numbers())


def cpus_allowed_numbers() -> set[int]:
    """Return the numbers of the CPUs on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def cpu_times() -> tuple[dict[int, float], dict[int, float]]:
    """Return each CPU's seconds not idle, and all its seconds; nothing where no file tells."""
    ticks = os.sysconf("SC_CLK_TCK")
    return parse_cpu_times(read_text(Path("/proc/stat")), ticks)


def parse_cpu_times(text: str, ticks: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return what `/proc/stat` says of each CPU, see `cpu_times`.

    Args:
        text: Of the file.
        ticks: Of its counters in a second.
    """
    busy: dict[int, float] = {}
    total: dict[int, float] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name[3:].isdigit():
            # Those of guests, the last two, are in `user` already.
            counted = [int(counter) for counter in rest.split()[:8]]
            number, idle = int(name[3:]), sum(counted[3:5])  # with waiting for disks
            total[number] = sum(counted) / ticks
            busy[number] = total[number] - idle / ticks
    return busy, total


def memory() -> tuple[int, int]:
    """Return all memory and what could be had now, in bytes, whatever limits this process.

    Where the system does not tell the second it is the first.
    """
    entries = _meminfo()
    if "MemTotal" in entries and "MemAvailable" in entries:
        return entries["MemTotal"], entries["MemAvailable"]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total, total


def memory_available() -> int | None:
    """Return the bytes of memory that could be had now; None where no file tells."""
    return _meminfo().get("MemAvailable")


def _meminfo() -> dict[str, int]:
    return parse_meminfo(read_text(Path("/proc/meminfo")))


def parse_meminfo(text: str) -> dict[str, int]:
    """Return the entries of `/proc/meminfo` in bytes."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if amount and amount[0].isdigit():
            found[name] = int(amount[0]) * (1024 if amount[1:] == ["kB"] else 1)
    return found


def filesystem_of(folder: Path, mountinfo: str) -> str:
    """Return the type of the file system of `folder` as `/proc/self/mountinfo` has it."""
    best, found = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point, kind = left.split()[4:5], right.split()[:1]
        if point and kind and folder.is_relative_to(point[0]) and len(point[0]) > best:
            best, found = len(point[0]), kind[0]
    return found


def read_text(path: Path) -> str:
    """Return what a file of the system says; nothing where it has no such file.

    Without a file object, which takes a process that has none otherwise 80 KiB of its own.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no such file on this system: nothing is said
        return ""
    parts: list[bytes] = []
    try:
        while part := os.read(fd, _CHUNK):
            parts.append(part)
    except OSError:  # a folder, or a file that this system does not fill
        return ""
    finally:
        os.close(fd)
    return b"".join(parts).decode(errors="replace")
