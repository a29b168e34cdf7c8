"""What a job needs of a host, what a host has to give, and what stands between the two.

Pure: the figures come as arguments. Amounts are bytes, cores a number of cores' worth of time,
which may be a fraction. Not here: reading a host's figures (`measuring.py`), who comes first
(`slots.py`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from paglets.model.errors import InvalidRequestError
from paglets.model.sizes import size_text

LEAST_CORES = 0.01
"""Least share of a core that a job may ask for."""
NAMED = 3
"""Jobs that are named in a reason; further ones are counted."""
_SLACK = 1e-9
"""Ten times a tenth of a core is one core, whatever floating point makes of the sum."""


@dataclass(frozen=True)
class Needs:
    """What a job needs to run. The default is one core and nothing else."""

    cores: float = 1.0
    """Cores' worth of time that it keeps busy."""
    memory_bytes: int = 0
    """Most memory its process uses. 0: as little as not to count."""
    temp_bytes: int = 0
    """Most space it takes in its work folder."""
    max_load_per_cpu: float | None = None
    """Load for each CPU above which it does not begin; None: any."""
    tags: tuple[str, ...] = ()
    """The host has all of these."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cores) and self.cores >= LEAST_CORES):
            raise InvalidRequestError(f"cores is {self.cores:g}; a job needs {LEAST_CORES} or more")
        if self.memory_bytes < 0 or self.temp_bytes < 0:
            raise InvalidRequestError("memory_bytes and temp_bytes are not below 0")
        limit = self.max_load_per_cpu
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise InvalidRequestError(f"max_load_per_cpu is {limit:g}; it is above 0, or None")


@dataclass(frozen=True)
class Room:
    """What a host has for jobs, as measured now."""

    cores: float
    memory_bytes: int
    """All that jobs may use together."""
    memory_free_bytes: int
    """What could be had now, whoever has taken the rest."""
    temp_bytes: int
    temp_free_bytes: int
    load_per_cpu: float = 0.0
    max_load_per_cpu: float | None = None
    """The host's own limit, for every job."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """What jobs have been granted, in sum."""

    cores: float = 0.0
    memory_bytes: int = 0
    temp_bytes: int = 0
    memory_unused_bytes: int = 0
    """Granted and not taken yet: what is free now is promised so far."""
    temp_unused_bytes: int = 0

    def plus(self, needs: Needs) -> "Use":
        """Return the use with one more job, which has taken nothing yet."""
        return Use(
            cores=self.cores + needs.cores,
            memory_bytes=self.memory_bytes + needs.memory_bytes,
            temp_bytes=self.temp_bytes + needs.temp_bytes,
            memory_unused_bytes=self.memory_unused_bytes + needs.memory_bytes,
            temp_unused_bytes=self.temp_unused_bytes + needs.temp_bytes,
        )


class BlockerKind(StrEnum):
    """What a job waits for."""

    CORES = "cores"
    MEMORY = "memory"
    TEMP = "temp"
    LOAD = "load"
    TAGS = "tags"
    ORDER = "order"
    """Another job's turn comes first."""


@dataclass(frozen=True)
class Blocker:
    """One thing that keeps a job from running on a host now."""

    kind: BlockerKind
    needed: float = 0.0
    """Cores, bytes, or the highest load it accepts."""
    free: float = 0.0
    """What could be had now, or the load there is."""
    total: float = 0.0
    """All that jobs may use together."""
    missing: tuple[str, ...] = ()
    """Tags the host does not have; for ORDER the jobs that come first."""
    is_held: bool = False
    """Whether it goes away when other jobs end; else something else must change."""
    is_final: bool = False
    """Whether this host can never run the job."""


def finals(needs: Needs, room: Room) -> tuple[Blocker, ...]:
    """Return why a host can never run a job, nothing if it can some time."""
    return tuple(_finals(needs, room))


def blockers(needs: Needs, room: Room, use: Use) -> tuple[Blocker, ...]:
    """Return what keeps a job from running beside what has been granted, nothing if it may."""
    final = finals(needs, room)
    return final or tuple(_passing(needs, room, use))


def fits_beside(needs: Sequence[Needs], room: Room) -> bool:
    """Return whether jobs fit into a host together, with no other jobs there."""
    return (
        sum(each.cores for each in needs) <= room.cores + _SLACK
        and sum(each.memory_bytes for each in needs) <= room.memory_bytes
        and sum(each.temp_bytes for each in needs) <= room.temp_bytes
    )


def _finals(needs: Needs, room: Room) -> Iterator[Blocker]:
    for kind, needed, total in (
        (BlockerKind.CORES, needs.cores, room.cores + _SLACK),
        (BlockerKind.MEMORY, needs.memory_bytes, room.memory_bytes),
        (BlockerKind.TEMP, needs.temp_bytes, room.temp_bytes),
    ):
        if needed > total:
            yield Blocker(kind, needed, free=total, total=total, is_final=True)
    missing = tuple(tag for tag in needs.tags if tag not in room.tags)
    if missing:
        yield Blocker(BlockerKind.TAGS, missing=missing, is_final=True)


def _passing(needs: Needs, room: Room, use: Use) -> Iterator[Blocker]:
    cores = room.cores - use.cores
    if needs.cores > cores + _SLACK:
        yield Blocker(BlockerKind.CORES, needs.cores, max(0.0, cores), room.cores, is_held=True)
    for kind, needed, total, granted, free, unused in (
        (
            BlockerKind.MEMORY,
            needs.memory_bytes,
            room.memory_bytes,
            use.memory_bytes,
            room.memory_free_bytes,
            use.memory_unused_bytes,
        ),
        (
            BlockerKind.TEMP,
            needs.temp_bytes,
            room.temp_bytes,
            use.temp_bytes,
            room.temp_free_bytes,
            use.temp_unused_bytes,
        ),
    ):
        left = min(total - granted, free - unused)
        if needed and needed > left:
            # With all jobs gone it has what they were granted, but not what others have taken.
            is_held = needed <= min(total, free - unused + granted)
            yield Blocker(kind, needed, max(0, left), total, is_held=is_held)
    limits = [each for each in (needs.max_load_per_cpu, room.max_load_per_cpu) if each is not None]
    if limits and room.load_per_cpu > min(limits):
        yield Blocker(BlockerKind.LOAD, min(limits), room.load_per_cpu)


def describe(blocker: Blocker, holders: Sequence[str] = ()) -> str:
    """Return a blocker in a sentence with its figures.

    Args:
        blocker: What stands in the way.
        holders: The jobs whose end would help.
    """
    match blocker.kind:
        case BlockerKind.TAGS:
            return f"the host has no tag {', '.join(blocker.missing)}"
        case BlockerKind.ORDER:
            return f"{listed(blocker.missing)} served first"
        case BlockerKind.LOAD:
            return f"load per CPU {blocker.free:.2f} is over {blocker.needed:g}"
        case BlockerKind.CORES | BlockerKind.MEMORY | BlockerKind.TEMP:
            return _describe_lack(blocker, holders)


def _describe_lack(blocker: Blocker, holders: Sequence[str]) -> str:
    if blocker.kind is BlockerKind.CORES:
        word = "core" if blocker.needed == 1 else "cores"
        needed, free, total = (
            f"{blocker.needed:g} {word}",
            f"{blocker.free:g}",
            f"{blocker.total:g}",
        )
    else:
        what = "memory" if blocker.kind is BlockerKind.MEMORY else "temp space"
        needed, free, total = map(size_text, (blocker.needed, blocker.free, blocker.total))
        if needed in {free, total}:  # so near that only bytes tell them apart
            figures = (blocker.needed, blocker.free, blocker.total)
            needed, free, total = (f"{each:.0f} B" for each in figures)
        needed = f"{needed} of {what}"
    if blocker.is_final:
        return f"needs {needed}, the host has {total} for jobs"
    text = f"needs {needed}, {free} of {total} are free"
    if not blocker.is_held:
        return f"{text}: others than jobs use it"
    return f"{text} until {listed(holders)} over" if holders else text


def listed(jobs: Sequence[str]) -> str:
    """Return jobs as the subject of a sentence with its verb: `job a is`, `jobs a, b are`."""
    named = ", ".join(jobs[:NAMED])
    if len(jobs) == 1:
        return f"job {named} is"
    more = f" and {len(jobs) - NAMED} more" if len(jobs) > NAMED else ""
    return f"jobs {named}{more} are"
