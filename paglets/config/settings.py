"""Settings of one host: what its owner may choose, with defaults that suit one machine.

Values only. Options of `paglets host` and variables `PAGLETS_<OPTION>` are turned into these by
`cli/host.py`; `host/build.py` hands each part what it needs of them.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from paglets.model.launch import LaunchPlan

MIB = 1024 * 1024


def paglets_home() -> Path:
    """Return the folder for keys, launch.toml and hosts: `PAGLETS_HOME`, else `~/.paglets`."""
    configured = os.environ.get("PAGLETS_HOME")
    return Path(configured).expanduser() if configured else Path.home() / ".paglets"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that keep one host, and one paglet on it, from hurting the others."""

    state_bytes: int = 64 * MIB
    """Largest state of one paglet. Higher lets bigger paglets move, at the cost of disk."""
    message_bytes: int = MIB
    """Largest message or reply body. Larger data belongs in state or registered files."""
    arriving_transfers: int = 32
    """Envelopes received at once. Higher fills the disk faster than paglets start."""
    connections: int = 512
    """Open client connections; more are closed at once."""
    persistent_bytes: int = 256 * MIB
    """Quota of one paglet's persistent storage on this host."""
    files_bytes: int = 2048 * MIB
    """Registered files of one paglet together."""
    starting: int = 8
    """Paglet Processes started at once. Higher does not start them sooner on few cores."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds that steps may take."""

    hook: float = 30.0
    """One life-cycle hook; longer fails its call."""
    load: float = 30.0
    """Import of a class and decoding of its state."""
    quiesce: float = 10.0
    """Running handlers before a move or deactivation."""
    shutdown: float = 3.0
    """Running handlers when the host stops; then the state is saved as it is."""
    connect: float = 2.0
    """A first connection to a target: where none was ever made the paglet comes back."""
    offer: float = 60.0
    """One attempt to send an envelope, beside the time its size takes."""
    outcome: float = 10.0
    """How long a caller of dispatch waits for the outcome before it is told `in_doubt`, beside the
    time its size takes."""
    not_after: float = 300.0
    """How long the source repeats an offer; after that it only asks."""
    retry_first: float = 0.1
    """First pause between attempts to settle; doubles up to `retry_most`."""
    retry_most: float = 2.0
    """Longest pause between attempts: bounds how late a returned peer settles."""


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """Everything a host is started with."""

    name: str
    data: Path
    """Folder of its store, spool and logs; made if it does not exist."""
    bind: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for all."""
    port: int = 8765
    """TCP port to listen on; 0 takes a free one."""
    advertise: str | None = None
    """URL other hosts reach this one at; None: made of bind and port."""
    seeds: tuple[str, ...] = ()
    """URLs of hosts to join, in any order; asked again for ever."""
    multicast: bool = False
    """Whether to send and heed beacons."""
    multicast_group: str = "239.42.74.53"
    multicast_port: int = 48765
    multicast_ttl: int = 1
    """Routers a beacon may pass; 1 stays on the network, 0 on this machine."""
    multicast_interface: str | None = None
    """Local address whose interface carries the beacons; None: the system's choice."""
    preset: str = "lan"
    """`local`, `lan` or `wan`: timing of the mesh."""
    timing: dict[str, int | float] = field(default_factory=dict)
    """Knobs of the mesh that differ from the preset, by field of MeshTiming."""
    agents: tuple[Path, ...] = ()
    """Folders of the owner's own paglets, first on the import path of children."""
    allow: tuple[str, ...] = ()
    """Module prefixes of installed packages whose classes may run here."""
    mesh_version: str | None = None
    """Code version by word; None: a digest of the allowed code."""
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    key_file: Path | None = None
    insecure: bool = False
    """No key at all: anybody who reaches the port can run allowed code."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names accepted in the Host header."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may call; none by default."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    start_method: str = "fork"
    """`fork` (by a forkserver) or `spawn` (a new interpreter per paglet)."""
    preload: tuple[str, ...] = ()
    """Modules the forkserver imports once, for quick starts."""
    spare_processes: int = 2
    """Processes forked ahead of their use. More shorten starts that come close together, each at
    some 4 MiB; 0: each start waits for its fork. Of two or more, one imports the class started
    last ahead of its next start. None with `spawn`."""
    environment: tuple[str, ...] = ()
    """Names of variables children may see, beside the usual ones."""
    drain_on_stop: float = 0.0
    """Seconds that its paglets have to move to other hosts when it is asked to stop; 0: they sleep
    in its data folder until it starts again."""
    reload: bool = False
    """Development: renew code when a file changes."""
    greet: int = 0
    """Demonstrations: how many hosts are online before their owner is greeted; 0 for never."""
    greet_url: str = "http://127.0.0.1:8765"
    """Where the greeting says this host is reached from outside its container."""
    launch: LaunchPlan = field(default_factory=LaunchPlan)
    """What it starts by itself."""
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
