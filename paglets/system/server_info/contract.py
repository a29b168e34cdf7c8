"""SERVER_INFO: what every host can tell of its machine, and in which words.

Figures are those of what the host may use: inside a container its limits count, not the machine's
size. Amounts are bytes, times seconds, shares from 0 to 1. Not here: reading them (`reading.py`),
comparing hosts by them (`mesh_info/`).
"""

from dataclasses import dataclass

from paglets.agent.contracts import ServiceContract, ServiceOperation

PROCESS_LIMIT = 200
"""Most processes in one answer: what fits into a message."""

COMMAND_LIMIT = 200
"""Characters of a command line that are shown."""

PATTERN_LIMIT = 200
"""Longest pattern, in characters."""


@dataclass(frozen=True)
class Now:
    """The request of operations that need no arguments: how is it now?"""


@dataclass(frozen=True)
class Load:
    """How busy the CPUs are."""

    cpus: float
    """Cores' worth of time that this host may use: affinity or cgroup quota, the lesser."""
    machine_cpus: int
    """CPUs of the machine, over which its load is spread."""
    load_1: float
    """Processes of the machine that wanted to run, averaged over the last minute."""
    load_5: float
    """The same over five minutes."""
    load_15: float
    """The same over fifteen minutes."""
    use: float
    """Share of `cpus` that was taken, by anyone, since the look before: 1 is all of it."""
    per_cpu: float
    """`load_1` for each CPU of the machine; where a quota limits this host and more of that is
    taken, that share. 1 means that one more process would have to wait."""


@dataclass(frozen=True)
class Memory:
    """How much memory there is and could be had."""

    total_bytes: int
    """The machine's, or the cgroup's limit if that is less."""
    available_bytes: int
    """What new work could get without swapping, below any limit."""
    is_limited: bool = False
    """Whether a cgroup sets `total_bytes`."""
    swap_total_bytes: int = 0
    swap_free_bytes: int = 0


@dataclass(frozen=True)
class Disk:
    """One file system."""

    path: str
    """Where it is mounted; a folder on it where the system does not tell."""
    filesystem: str
    """Such as ext4; empty where the system does not tell."""
    total_bytes: int
    free_bytes: int
    """Free for the host's user."""
    uses: tuple[str, ...] = ()
    """`paglets` where the folders of paglets are, `temp` for temporary files."""


@dataclass(frozen=True)
class Disks:
    """The file systems of a host."""

    disks: tuple[Disk, ...]
    """The host's own folders first."""


@dataclass(frozen=True)
class Gpu:
    """One graphics processor, as `nvidia-smi` tells."""

    index: int
    name: str
    memory_total_bytes: int
    memory_free_bytes: int
    use: float | None = None
    """Share of time it computed; None where the driver does not tell."""
    temperature_celsius: float | None = None


@dataclass(frozen=True)
class Gpus:
    """The graphics processors of a host."""

    gpus: tuple[Gpu, ...] = ()
    note: str = ""
    """Why there are none, or none could be asked."""


@dataclass(frozen=True)
class ProcessQuery:
    """Which processes to show."""

    pattern: str = "*"
    """`*` and `?` stand for any text and any character, of the name or the whole command line,
    whatever the case. Without them the text may stand anywhere."""
    limit: int = 50
    """Most processes shown, the largest in memory first; at most PROCESS_LIMIT."""


@dataclass(frozen=True)
class Process:
    """One process that the host's user may see."""

    pid: int
    name: str
    command: str
    """Its command line, cut at COMMAND_LIMIT; empty where the system does not tell."""
    user: str
    memory_bytes: int
    """Resident."""
    cpu_seconds: float
    """Used since it started."""
    age_seconds: float
    """Since it started."""
    status: str


@dataclass(frozen=True)
class Processes:
    """The processes that match."""

    processes: tuple[Process, ...]
    matching: int
    """All that match, those not shown too."""


@dataclass(frozen=True)
class HostSummary:
    """A machine in a few words."""

    host_name: str
    """The host's, in the mesh."""
    node: str
    """The machine's own name."""
    system: str
    """Operating system, its release and the architecture."""
    python: str
    cpus: float
    """As in `Load`."""
    machine_cpus: int
    memory_bytes: int
    """As `Memory.total_bytes`."""
    is_limited: bool
    """Whether a cgroup limits CPUs or memory, as in a container."""
    uptime_seconds: float
    """Since the machine was started."""
    gpus: int = 0


@dataclass(frozen=True)
class Gauges:
    """All that placing work needs, in one answer."""

    load: Load
    memory: Memory
    disk_free_bytes: int
    """Where the folders of paglets are."""
    temp_free_bytes: int
    """Where temporary files are."""
    gpus: tuple[Gpu, ...] = ()


SUMMARY = ServiceOperation("summary", Now, HostSummary)
LOAD = ServiceOperation("load", Now, Load)
MEMORY = ServiceOperation("memory", Now, Memory)
DISKS = ServiceOperation("disks", Now, Disks)
GPUS = ServiceOperation("gpus", Now, Gpus)
PROCESSES = ServiceOperation("processes", ProcessQuery, Processes)
GAUGES = ServiceOperation("gauges", Now, Gauges)

SERVER_INFO = ServiceContract(
    "server-info", (SUMMARY, LOAD, MEMORY, DISKS, GPUS, PROCESSES, GAUGES)
)
