"""What the benchmark is asked, what it tests, and what it found; plain values.

They travel in State and messages, so they are dataclasses of what State can hold.
"""

from dataclasses import dataclass, field
from enum import Enum

from paglets.agent.fanout.plan import FanOut
from paglets.examples.crew import Phase
from paglets.model.refs import PagletProxyRef

MIB = 1024 * 1024


class Kind(Enum):
    """What part of a machine a test is about."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"


@dataclass(frozen=True)
class BenchmarkTest:
    """One figure of the benchmark. For all of them more is better."""

    name: str
    kind: Kind
    kernel: str
    """As `kernels/program.py` knows it."""
    unit: str
    on_all_cores: bool = False
    """Whether one process runs on each core at once; the figure is their sum."""


TESTS = (
    BenchmarkTest("integer, 1 core", Kind.CPU, "integer", "M/s"),
    BenchmarkTest("integer, all", Kind.CPU, "integer", "M/s", on_all_cores=True),
    BenchmarkTest("float, 1 core", Kind.CPU, "float", "M/s"),
    BenchmarkTest("float, all", Kind.CPU, "float", "M/s", on_all_cores=True),
    BenchmarkTest("sha256, 1 core", Kind.CPU, "sha256", "MiB/s"),
    BenchmarkTest("sha256, all", Kind.CPU, "sha256", "MiB/s", on_all_cores=True),
    BenchmarkTest("copy", Kind.MEMORY, "copy", "MiB/s"),
    BenchmarkTest("scan", Kind.MEMORY, "scan", "MiB/s"),
    BenchmarkTest("write", Kind.DISK, "sequential", "MiB/s"),
    BenchmarkTest("read", Kind.DISK, "sequential", "MiB/s"),
    BenchmarkTest("small files", Kind.DISK, "small", "files/s"),
)
"""All tests, in the order in which they run and are shown."""


@dataclass
class Plan:
    """What the benchmark is asked to do."""

    hosts: list[str] = field(default_factory=list)
    """Names of the hosts; empty: all that are online."""
    kinds: list[Kind] = field(default_factory=lambda: list(Kind))
    seconds: float = 1.0
    """For each test; longer is steadier."""
    disk_bytes: int = 64 * MIB
    """Size of the file that is written; less where the disk has not ten times as much free."""
    deadline: float = 300.0
    """Seconds for all of it, waiting for locks included."""
    patience: float = 30.0
    """Seconds without a question for the progress after which nobody is thought to wait for the
    result: all is ended then."""


@dataclass
class Figure:
    """The result of one test."""

    test: str
    """Name of the BenchmarkTest."""
    value: float
    """In the test's unit; the median of its rounds."""
    low: float
    high: float


@dataclass
class Skipped:
    """A test that was not run, or not as asked."""

    test: str
    reason: str


@dataclass
class Machine:
    """What a host may use of its machine."""

    cores: float = 0.0
    """Cores' worth of time: affinity and cgroup quota, whichever is less."""
    memory_bytes: int = 0
    """Free, or free below the cgroup's limit, whichever is less."""
    disk_bytes: int = 0
    """Free for this user where the host keeps its data."""
    filesystem: str = ""
    """Of that disk, such as ext4; empty where the system does not tell."""
    python: str = ""
    system: str = ""
    load: float = 0.0
    """Processes that wanted to run over the minute before."""


@dataclass
class Row:
    """One host in the result."""

    host: str
    phase: Phase = Phase.PENDING
    text: str = ""
    """What it does now, for people."""
    reason: str = ""
    """Why it failed."""
    waited: float = 0.0
    """Seconds its worker waited for the lock."""
    machine: Machine | None = None
    figures: list[Figure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    worker: PagletProxyRef | None = None
    """The clone that measures there."""


@dataclass
class Note:
    """What a worker tells its parent on the way."""

    host: str
    phase: Phase
    text: str
    waited: float


@dataclass
class Finding:
    """What a worker tells its parent at its end."""

    host: str
    reason: str = ""
    """Why it failed; empty if it did not."""
    waited: float = 0.0
    machine: Machine | None = None
    figures: list[Figure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass
class Progress:
    """What the parent answers to who asks how far it is."""

    is_done: bool
    rows: list[Row]
    helpers: list[PagletProxyRef]
    """Workers to be ended by who asks, where the parent no longer can."""


@dataclass
class BenchmarkState:
    """State of leader and workers."""

    plan: Plan = field(default_factory=Plan)
    fan_out: FanOut = field(default_factory=FanOut)
