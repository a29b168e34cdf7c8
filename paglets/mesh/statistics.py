"""Counters of one host's mesh, for `/metrics`, simulations and benchmarks. Values only."""

from dataclasses import dataclass


@dataclass(slots=True)
class MeshStatistics:
    """All counts since the start of this host."""

    probes: int = 0
    probes_failed: int = 0
    """Neither the member nor anybody asked for it answered in time."""
    suspicions: int = 0
    """Begun by this host's own probes."""
    refutations: int = 0
    """Times this host had to say that it lives."""
    gossip_sent: int = 0
    comparisons: int = 0
    """Push-pulls this host began."""
    joins: int = 0
    """Newcomers this host let in."""
    contacts: int = 0
    """Attempts to reach seeds and dead members."""
    pauses: int = 0
    """Times this host's own loop was late."""
    calls_failed: int = 0
    bytes_sent: int = 0
    """Bodies of requests and answers, without HTTP."""
    bytes_received: int = 0
    awareness: int = 0
    """Own health now: 0 is healthy."""
