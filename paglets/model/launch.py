"""What launch.toml asks a host to run: values only. `config/launch.py` reads the file."""

import hashlib
import re
from dataclasses import dataclass, field

from paglets.model.enums import ResidentLifecycle
from paglets.model.names import NAME_LIMIT

IDLE_TIMEOUT = 300.0
"""Seconds without calls or leases after which a lazy resident is put to sleep, unless told."""


@dataclass(frozen=True, kw_only=True)
class RestartTerms:
    """How patient a host is with a resident that crashes."""

    first_delay: float = 0.5
    """Seconds between a first crash and the restart; doubles with each further one."""
    longest_delay: float = 60.0
    """Seconds it waits at most."""
    max_restarts: int | None = None
    """More crashes than this within `max_seconds` end it; None: never."""
    max_seconds: float = 600.0
    """Seconds in which crashes are counted."""


@dataclass(frozen=True, kw_only=True)
class ResidentService:
    """A service that a host provides by itself: an entry of `[[services]]`.

    Which contracts it serves is in the manifest of its class.
    """

    class_name: str
    """`module:QualName` of the provider."""
    lifecycle: ResidentLifecycle = ResidentLifecycle.LAZY
    """When it runs."""
    idle_timeout: float = IDLE_TIMEOUT
    """Seconds without calls or leases after which a lazy one is put to sleep."""
    agent_id: str | None = None
    """Its fixed id; None: made of the class and the host."""
    state: dict[str, object] = field(default_factory=dict)
    """State it is created with, by field."""
    restart: RestartTerms = field(default_factory=RestartTerms)
    """How it is restarted after crashes."""
    place: str = "launch.toml"
    """Where it is declared, for messages."""


@dataclass(frozen=True, kw_only=True)
class LaunchedPaglet:
    """A paglet that a host starts by itself: an entry of `[[paglets]]`. It moves as any other."""

    class_name: str | None = None
    """`module:QualName`; or else:"""
    alias: str | None = None
    """What the AutoStartSpec of its class calls it."""
    agent_id: str | None = None
    """Its fixed id; None: as its AutoStartSpec says, else made of alias or class and the host."""
    state: dict[str, object] = field(default_factory=dict)
    """State it is created with, by field."""
    place: str = "launch.toml"
    """Where it is declared, for messages."""


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """What a host starts by itself."""

    residents: tuple[ResidentService, ...] = ()
    """Its resident services, in the order of the file."""
    paglets: tuple[LaunchedPaglet, ...] = ()
    """Its other paglets, in that order."""
    modules: tuple[str, ...] | None = None
    """Where aliases are looked for; None: in all modules of the agents folders."""


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def resident_id(service: ResidentService, host: str) -> str:
    """Return the fixed id of a resident on the host called `host`.

    By default `server-info.alpha` for ServerInfoAgent on alpha: readable, and another one on each
    host, so that an id names one paglet of the mesh.
    """
    return service.agent_id or fixed_id(name_of_class(service.class_name), host)


def name_of_class(class_name: str) -> str:
    """Return what a class is called in an id: `server-info` for `m:ServerInfoAgent`."""
    name = class_name.rpartition(":")[2].rpartition(".")[2]
    words = [word.lower() for word in _WORD.findall(name)]
    if len(words) > 1 and words[-1] == "agent":
        words.pop()
    return "-".join(words) or "paglet"


def fixed_id(base: str, host: str) -> str:
    """Return an id of `base` that no other host gives; shortened to what ids may have."""
    whole = f"{base}.{host}"
    if len(whole) <= NAME_LIMIT:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return f"{base[: NAME_LIMIT - 13]}.{digest}"
