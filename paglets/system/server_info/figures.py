"""What raw readings of a machine mean: shares of CPU time, load, patterns. Pure.

Not here: reading them (`reading.py`).
"""

import fnmatch
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from paglets.model.errors import InvalidRequestError
from paglets.system.server_info.contract import COMMAND_LIMIT, PATTERN_LIMIT, Load


@dataclass(frozen=True)
class CpuReading:
    """Counters of CPU time at one moment. All in seconds that only grow."""

    at: float
    """The moment, on a clock that only grows."""
    busy: Mapping[int, float]
    """Time not idle, by number of CPU."""
    total: Mapping[int, float]
    """All time, by number of CPU."""
    quota: float | None = None
    """Cores' worth of time the cgroup allows; None: no limit."""
    quota_used: float | None = None
    """Time used of the quota; None where the system does not tell."""


@dataclass(frozen=True)
class CpuUse:
    """Shares of CPU time taken between two readings, from 0 to 1."""

    cpus: float = 0.0
    """Of the CPUs on which this host may run, by anyone."""
    quota: float = 0.0
    """Of the cgroup's quota; 0 without one."""


def use_between(before: CpuReading, after: CpuReading, allowed: Collection[int]) -> CpuUse:
    """Return the shares taken between two readings.

    Args:
        before: The earlier one.
        after: The later one.
        allowed: Numbers of the CPUs on which this host may run; others are left out.
    """
    counted = [cpu for cpu in after.busy if cpu in allowed and cpu in before.busy]
    busy = sum(after.busy[cpu] - before.busy[cpu] for cpu in counted)
    total = sum(after.total[cpu] - before.total[cpu] for cpu in counted)
    return CpuUse(cpus=_share(busy, total), quota=_quota_share(before, after))


def _quota_share(before: CpuReading, after: CpuReading) -> float:
    used = (before.quota_used, after.quota_used)
    if not after.quota or used[0] is None or used[1] is None:
        return 0.0
    return _share(used[1] - used[0], (after.at - before.at) * after.quota)


def _share(part: float, whole: float) -> float:
    # Counters are not read at the very same moment, and some systems let one fall a little.
    return round(min(1.0, max(0.0, part / whole)), 3) if whole > 0 else 0.0


def make_load(
    averages: tuple[float, float, float], cpus: float, machine_cpus: int, use: CpuUse
) -> Load:
    """Return the load of a host.

    The machine's load is that of all its CPUs, whoever runs on them, so it is divided by those; the
    quota of a container can be used up on a machine that is idle.
    """
    return Load(
        cpus=cpus,
        machine_cpus=machine_cpus,
        load_1=round(averages[0], 2),
        load_5=round(averages[1], 2),
        load_15=round(averages[2], 2),
        use=max(use.cpus, use.quota),
        per_cpu=round(max(averages[0] / machine_cpus, use.quota), 3),
    )


class Pattern:
    """Matches names and command lines as `ProcessQuery.pattern` says.

    Raises:
        InvalidRequestError: The pattern is too long.
    """

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_LIMIT:
            raise InvalidRequestError(
                f"a pattern of {len(text)} characters is over {PATTERN_LIMIT}: give a part of it"
            )
        lowered = text.lower()
        self._glob = lowered.replace("[", "[[]") if {"*", "?"} & set(lowered) else None
        self._part = lowered

    def matches(self, *texts: str) -> bool:
        """Return whether any of these texts matches."""
        if self._glob is None:
            return any(self._part in text.lower() for text in texts)
        return any(fnmatch.fnmatchcase(text.lower(), self._glob) for text in texts)


def shown_command(arguments: Collection[str]) -> str:
    """Return a command line as one line to show, cut at COMMAND_LIMIT."""
    text = " ".join(arguments)[: COMMAND_LIMIT + 1]
    line = "".join(each if each.isprintable() else "?" for each in text)
    return line if len(line) <= COMMAND_LIMIT else line[: COMMAND_LIMIT - 1] + "…"
