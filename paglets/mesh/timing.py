"""Every number of the mesh: knobs with unit and trade-off, presets, and the formulas over them.

Pure. The formulas are those of SWIM, Lifeguard and memberlist; where ours differ the docstring says
so. Nothing here reads a clock or decides about a member: see `table.py` and `protocol.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class MeshTiming:
    """Knobs of one host's mesh. All hosts of a mesh should use the same; nothing breaks if not.

    The defaults are the LAN preset. `docs/mesh.md` has the same list for operators.
    """

    probe_interval: float = 1.0
    """Seconds between two probes by this host, one member each, in a shuffled round.
    Shorter finds a crash sooner; idle load grows in proportion."""
    probe_timeout: float = 0.5
    """Seconds a direct probe may take before others are asked to try; below `probe_interval`.
    Shorter leaves the helpers more time; too short makes every slow answer cost three requests."""
    indirect_probes: int = 3
    """Members asked to probe in our place after a failed direct probe.
    More of them tell our own bad link from a dead member better; each costs two requests."""
    suspicion_mult: int = 4
    """Shortest suspicion = this x max(1, log10 hosts) x `probe_interval`; this - 2 confirmations
    reach it. Larger forgives longer pauses and more loss; smaller declares the dead sooner."""
    suspicion_max_mult: int = 6
    """Longest suspicion, without any confirmation = this x the shortest.
    Larger protects against one host with a bad link; smaller helps where few hosts can confirm."""
    awareness_max: int = 8
    """Our own bad health stretches our probes up to this many times.
    Larger makes an overloaded host accuse less; it also finds the dead later itself."""
    gossip_interval: float = 0.2
    """Seconds between two rounds of gossip while there is news; without news none is sent.
    Shorter spreads news sooner, with more requests for each piece of it."""
    gossip_fanout: int = 3
    """Random members told in each round. More spread news sooner and cost as many requests."""
    transmissions_min: int = 12
    """Least number of times this host passes on a piece of news.
    Below 12, meshes of fewer than 30 hosts declare live hosts dead at 10 % loss (simulated)."""
    transmissions_mult: int = 4
    """Times a piece of news is passed on = max(least, this x ceil(log10(hosts + 1))).
    Larger survives more loss and costs bytes in proportion."""
    piggyback_bytes: int = 16_384
    """Bytes of news on one request or answer.
    More heals a large mesh sooner after a split; fewer bound the size of a probe."""
    push_pull_interval: float = 30.0
    """Seconds, stretched by hosts, after which tables that differ are compared whatever goes on.
    Shorter repairs lost news sooner under constant change; costs about 55 bytes a member."""
    push_pull_gap: float = 2.0
    """Seconds, stretched by hosts, between two comparisons when tables differ and news is quiet.
    Shorter heals sooner; longer saves bytes in a mesh with loss."""
    push_pull_timeout: float = 5.0
    """Seconds one comparison or join may take. Longer tolerates slow links and large tables."""
    contact_interval: float = 5.0
    """Seconds, with a quarter of jitter, between two attempts to reach a dead member or a seed.
    Shorter heals a split sooner; each costs a connection attempt."""
    join_interval: float = 1.0
    """Seconds between two rounds over all seeds while this host is alone.
    Shorter starts a mesh sooner whose seeds come up late; more connection attempts until then."""
    callback_timeout: float = 1.5
    """Seconds a seed tries to reach a newcomer at the URL it advertises, before it answers.
    Longer avoids false warnings on slow links; a newcomer that is unreachable joins later."""
    pause_threshold: float = 1.0
    """Seconds this host's own loop may be late before it blames itself and accuses nobody.
    Shorter avoids more false suspicions on busy machines; each pause delays detection."""
    lazy_interval: float = 10.0
    """Least seconds between two versions of one lazy record (counts, load), stretched by hosts.
    Shorter keeps figures fresher; the load of every host grows in proportion."""
    left_keep: float = 3600.0
    """Seconds for which a member that left, or was replaced, is remembered as such.
    Longer stops late rumours from bringing it back; costs memory and table rows."""
    dead_limit: int = 512
    """Dead members remembered and tried again, the latest first to stay.
    More heal larger splits; each costs memory and a row in comparisons."""
    leave_timeout: float = 2.0
    """Seconds a leaving host waits for others to have heard it.
    Longer makes it surer that nobody has to find out by probing; shutdown takes longer."""


class Preset(StrEnum):
    """Named sets of knobs, for `--preset` and launch.toml."""

    LOCAL = "local"
    LAN = "lan"
    WAN = "wan"


LAN = MeshTiming()
"""One network or data centre: round trips below 50 ms. The default."""

LOCAL = MeshTiming(
    probe_interval=0.5,
    probe_timeout=0.25,
    suspicion_mult=3,
    gossip_interval=0.1,
    push_pull_interval=15.0,
    push_pull_gap=1.0,
    contact_interval=2.0,
    join_interval=0.5,
)
"""One machine: everything twice as fast for twice the load."""

WAN = MeshTiming(
    probe_interval=5.0,
    probe_timeout=3.0,
    suspicion_mult=6,
    gossip_interval=0.5,
    gossip_fanout=4,
    push_pull_interval=60.0,
    push_pull_gap=5.0,
    push_pull_timeout=15.0,
    contact_interval=10.0,
    join_interval=2.0,
    callback_timeout=5.0,
    pause_threshold=2.0,
    leave_timeout=4.0,
)
"""Between sites: round trips up to a second, and loss."""

_PRESETS = {Preset.LOCAL: LOCAL, Preset.LAN: LAN, Preset.WAN: WAN}


def preset(name: Preset) -> MeshTiming:
    """Return the knobs of a preset."""
    return _PRESETS[name]


class TimingError(ValueError):
    """Knobs that do not go together; names one of them."""

    def __init__(self, knob: str, why: str) -> None:
        super().__init__(why)
        self.knob = knob
        """Field of MeshTiming."""


def adjusted(base: MeshTiming, knobs: Mapping[str, int | float]) -> MeshTiming:
    """Return `base` with some knobs set otherwise.

    Args:
        base: Usually a preset.
        knobs: By field; each above 0.

    Raises:
        TimingError: The whole would not work.
    """
    timing = replace(base, **knobs)  # type: ignore[arg-type]  # fields by name
    for smaller, larger, why in _ORDER:
        low, high = getattr(timing, smaller), getattr(timing, larger)
        if low >= high:
            blamed = smaller if smaller in knobs else larger
            raise TimingError(blamed, f"{smaller} {low:g} must be below {larger} {high:g}: {why}")
    if timing.piggyback_bytes < _LEAST_PIGGYBACK:
        raise TimingError(
            "piggyback_bytes", f"is {timing.piggyback_bytes}: write {_LEAST_PIGGYBACK} or more"
        )
    return timing


_LEAST_PIGGYBACK = 1024
"""Bytes that hold some news of several hosts."""

_ORDER = (
    ("probe_timeout", "probe_interval", "what is left of a round is for the helpers"),
    ("push_pull_gap", "push_pull_interval", "tables that differ are compared after the gap"),
    ("callback_timeout", "push_pull_timeout", "a join is answered after the callback"),
    ("push_pull_interval", "left_keep", "else a late rumour brings back who has left"),
)
"""Knobs of which the first must be below the second, and why."""


def transmissions(timing: MeshTiming, hosts: int) -> int:
    """Return how often one host passes on one piece of news in a mesh of `hosts`."""
    return max(
        timing.transmissions_min, timing.transmissions_mult * math.ceil(math.log10(hosts + 1))
    )


def lazy_transmissions(hosts: int) -> int:
    """Return how often one host passes on a lazy record; comparison reaches the rest."""
    return 2 + math.ceil(math.log2(hosts + 1))


def suspicion_min(timing: MeshTiming, hosts: int) -> float:
    """Return the seconds a fully confirmed suspicion lasts."""
    return timing.suspicion_mult * max(1.0, math.log10(max(1, hosts))) * timing.probe_interval


def suspicion_max(timing: MeshTiming, hosts: int) -> float:
    """Return the seconds an unconfirmed suspicion lasts where confirmation is possible."""
    return timing.suspicion_max_mult * suspicion_min(timing, hosts)


def confirmations_needed(timing: MeshTiming, hosts: int) -> int:
    """Return how many independent confirmations end a suspicion soonest; 0 in tiny meshes.

    `hosts` counts the suspect and the accuser too; where the others are too few, none is awaited.
    """
    needed = max(0, timing.suspicion_mult - 2)
    return needed if hosts - 2 >= needed else 0


def suspicion_timeout(confirmed: int, needed: int, minimum: float, maximum: float) -> float:
    """Return the seconds a suspicion lasts from its start, after `confirmed` confirmations.

    Lifeguard: it falls with the logarithm from `maximum` to `minimum`; the first confirmation
    tells most.
    """
    if needed < 1:
        return minimum
    share = math.log(confirmed + 1) / math.log(needed + 1)
    return max(minimum, maximum - share * (maximum - minimum))


def stretch(hosts: int) -> int:
    """Return by how much whole-table work is spaced out: 1 up to 32 hosts, then with log2."""
    return 1 if hosts <= 32 else math.ceil(math.log2(hosts) - 5) + 1


def scaled(seconds: float, score: int) -> float:
    """Return a probe's length for our own health `score` (0 is healthy)."""
    return seconds * (score + 1)


def lazy_spacing(timing: MeshTiming, hosts: int) -> float:
    """Return the seconds between two versions of a lazy record, so that load stays constant."""
    return timing.lazy_interval * max(1.0, hosts / 16)
