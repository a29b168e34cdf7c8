"""MESH_INFO: which hosts suit a need, best first, and why the others do not.

Every host answers for the whole mesh, from what gossip told it. Amounts are bytes, times seconds.
Not here: the choice itself (`ranking.py`).
"""

from dataclasses import dataclass

from paglets.agent.contracts import ServiceContract, ServiceOperation

SHOWN_LIMIT = 200
"""Most targets, and most rejections, in one answer: what fits into a message."""


@dataclass(frozen=True)
class TargetQuery:
    """What work needs of a host. Every limit counts; those not given allow anything."""

    cpus: float = 0.0
    """Least cores' worth of time the host may use."""
    memory_bytes: int = 0
    """Least memory that could be had now."""
    disk_bytes: int = 0
    """Least space free where the folders of paglets are."""
    temp_bytes: int = 0
    """Least space free where temporary files are."""
    gpus: int = 0
    """Least number of graphics processors."""
    gpu_memory_bytes: int = 0
    """Least free memory on each of those; on one, where `gpus` is not given."""
    max_load_per_cpu: float | None = None
    """Most load for each CPU, see `server_info.contract.Load.per_cpu`."""
    tags: tuple[str, ...] = ()
    """The host has all of these."""
    without_tags: tuple[str, ...] = ()
    """The host has none of these."""
    prefer_tags: tuple[str, ...] = ()
    """Hosts with more of these come first; none is required."""
    capabilities: tuple[str, ...] = ()
    """The host has all of these."""
    hosts: tuple[str, ...] = ()
    """Only hosts of these names; empty: any."""
    exclude_hosts: tuple[str, ...] = ()
    """No host of these names."""
    count: int | None = None
    """Most hosts chosen; None: all that suit, SHOWN_LIMIT at most."""
    max_age: float | None = None
    """Seconds a snapshot may be old; None: what it can be in a mesh of this size."""


@dataclass(frozen=True)
class Snapshot:
    """What a host has to offer, as its own mesh-info told it."""

    cpus: float
    """Cores' worth of time it may use."""
    cpu_use: float
    """Share of those that is taken."""
    load_per_cpu: float
    """See `server_info.contract.Load.per_cpu`."""
    memory_total_bytes: int
    memory_available_bytes: int
    disk_free_bytes: int
    """Where the folders of paglets are."""
    temp_free_bytes: int
    """Where temporary files are."""
    gpu_free_bytes: tuple[int, ...] = ()
    """Free memory of each graphics processor."""


@dataclass(frozen=True)
class HostSnapshot:
    """A snapshot with whose it is and how old."""

    host_name: str
    host_id: str
    host_url: str
    age: float
    """Seconds for which it may have been out of date, at most: since it was told, by the clock of
    the host that answers, or less where that host would know of a change."""
    figures: Snapshot


@dataclass(frozen=True)
class Target:
    """A host that was chosen."""

    host_name: str
    host_id: str
    host_url: str
    score: float
    """From 0 to 1: what it has free, as a share of what the best of the hosts that suit has."""
    reasons: tuple[str, ...]
    """Why it suits, with the figures."""
    age: float
    """See `HostSnapshot.age`."""
    figures: Snapshot


@dataclass(frozen=True)
class Rejection:
    """A host that was not chosen."""

    host_name: str
    host_id: str
    reasons: tuple[str, ...]
    """All that speaks against it, with the figures."""


@dataclass(frozen=True)
class Ranking:
    """An answer about all hosts that are known."""

    targets: tuple[Target, ...]
    """Best first."""
    rejected: tuple[Rejection, ...]
    """By name."""
    suitable: int
    """Hosts that suit, those beyond `count` too."""
    unsuitable: int
    """Hosts that do not, those beyond SHOWN_LIMIT too."""
    max_age: float
    """Seconds a snapshot could be old to count."""


@dataclass(frozen=True)
class SnapshotQuery:
    """Whose snapshots to show."""

    hosts: tuple[str, ...] = ()
    """Names; empty: all."""


@dataclass(frozen=True)
class Snapshots:
    """What is known of live hosts."""

    snapshots: tuple[HostSnapshot, ...]
    """By host name, old ones too."""


RANK = ServiceOperation("rank", TargetQuery, Ranking)
SNAPSHOTS = ServiceOperation("snapshots", SnapshotQuery, Snapshots)

MESH_INFO = ServiceContract("mesh-info", (RANK, SNAPSHOTS))
