"""Which hosts suit a need, best first, and why the others do not. Pure.

Every limit of a query is honoured, on figures that are not older than it allows. Among hosts that
suit the one with the most free cores, memory and disk comes first: each figure counts as a share of
the best host's, so a host that has more of anything never falls behind for it. Equal hosts come by
name, so that two hosts that know the same answer the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from paglets.mesh.timing import LAN, lazy_spacing
from paglets.model.errors import InvalidRequestError
from paglets.model.refs import HostRef
from paglets.model.sizes import size_text
from paglets.system.mesh_info.contract import (
    SHOWN_LIMIT,
    Ranking,
    Rejection,
    Snapshot,
    Target,
    TargetQuery,
)

HELD_FOR = 30.0
"""Seconds for which a host vouches for what its mesh-info told, unless that says so again."""
CORES_WEIGHT, MEMORY_WEIGHT, DISK_WEIGHT = 0.5, 0.35, 0.15
"""What free cores, memory and disk count in a score; together 1."""

_JITTER = 1.25
"""By how much the gossip may stretch its spacing."""


@dataclass(frozen=True)
class Candidate:
    """A host that may be chosen, with what is known of it."""

    host: HostRef
    figures: Snapshot | None = None
    """None: it has told nothing."""
    age: float = 0.0
    """Seconds for which the figures may have been out of date, at most."""


def usual_max_age(hosts: int) -> float:
    """Return the seconds for which figures may be out of date in a mesh of `hosts`, at most.

    A host takes back what its mesh-info does not confirm, and tells a change as soon as the gossip
    lets it. So what is there holds, however long ago it was told, but for that time.
    """
    return HELD_FOR + lazy_spacing(LAN, hosts) * _JITTER


def rank(query: TargetQuery, candidates: Iterable[Candidate]) -> Ranking:
    """Return the hosts that suit, best first, and the others with all that speaks against them.

    Args:
        query: What is needed.
        candidates: All known hosts, the dead included. Of those of one name that are gone, only
            the newest is mentioned.

    Raises:
        InvalidRequestError: The query names an amount that makes no sense.
    """
    check(query)
    known = list(_mentioned(candidates))
    max_age = query.max_age
    if max_age is None:
        max_age = usual_max_age(sum(each.host.online for each in known))
    suitable: list[tuple[Candidate, Snapshot]] = []
    rejected: list[Rejection] = []
    for each in known:
        against = tuple(_against(query, each, max_age))
        if against or each.figures is None:
            rejected.append(Rejection(each.host.name, each.host.host_id, against))
        else:
            suitable.append((each, each.figures))
    targets = _ordered(query, suitable)
    rejected.sort(key=lambda each: (each.host_name, each.host_id))
    shown = SHOWN_LIMIT if query.count is None else min(query.count, SHOWN_LIMIT)
    return Ranking(
        targets=tuple(targets[:shown]),
        rejected=tuple(rejected[:SHOWN_LIMIT]),
        suitable=len(targets),
        unsuitable=len(rejected),
        max_age=max_age,
    )


def check(query: TargetQuery) -> None:
    """Raise InvalidRequestError if a query names an amount that makes no sense."""
    amounts = {
        "cpus": query.cpus,
        "memory_bytes": query.memory_bytes,
        "disk_bytes": query.disk_bytes,
        "temp_bytes": query.temp_bytes,
        "gpus": query.gpus,
        "gpu_memory_bytes": query.gpu_memory_bytes,
        "max_load_per_cpu": query.max_load_per_cpu,
        "max_age": query.max_age,
    }
    for name, amount in amounts.items():
        if amount is not None and not amount >= 0:
            raise InvalidRequestError(f"{name} is {amount}: it cannot be below 0")
    if query.count is not None and query.count < 1:
        raise InvalidRequestError(f"count is {query.count}: ask for at least 1 host, or for all")


def _mentioned(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield the live hosts, and of each other name the host that had it last."""
    gone: dict[str, Candidate] = {}
    live: set[str] = set()
    for each in candidates:
        if each.host.online:
            live.add(each.host.name)
            yield each
        else:
            known = gone.get(each.host.name)
            if known is None or each.host.generation > known.host.generation:
                gone[each.host.name] = each
    yield from (each for name, each in gone.items() if name not in live)


def _against(query: TargetQuery, candidate: Candidate, max_age: float) -> Iterator[str]:
    """Yield all that speaks against a host."""
    yield from _against_host(query, candidate.host)
    figures = candidate.figures
    if figures is None:
        if candidate.host.online and candidate.host.error is None:
            yield "has told nothing of itself: is mesh-info running there?"
        return
    if not candidate.age <= max_age:
        yield f"figures are {candidate.age:.0f} s old, at most {max_age:.0f} s count"
    yield from _against_figures(query, figures)


def _against_host(query: TargetQuery, host: HostRef) -> Iterator[str]:
    if not host.online:
        yield {"left": "has left", "dead": "is dead"}.get(host.status, "is offline")
    elif host.status == "suspect":
        yield "does not answer at the moment (suspect)"
    if host.error is not None:
        yield host.error
    if query.hosts and host.name not in query.hosts:
        yield f"is not one of {', '.join(query.hosts)}"
    if host.name in query.exclude_hosts:
        yield "is excluded"
    missing = [tag for tag in query.tags if tag not in host.tags]
    if missing:
        yield f"lacks tag {', '.join(missing)}"
    unwanted = [tag for tag in query.without_tags if tag in host.tags]
    if unwanted:
        yield f"has tag {', '.join(unwanted)}"
    incapable = [each for each in query.capabilities if each not in host.capabilities]
    if incapable:
        yield f"lacks capability {', '.join(incapable)}"


def _against_figures(query: TargetQuery, figures: Snapshot) -> Iterator[str]:
    if not figures.cpus >= query.cpus:
        yield f"has {figures.cpus:g} cores, {query.cpus:g} wanted"
    most = query.max_load_per_cpu
    if most is not None and not figures.load_per_cpu <= most:
        yield f"load is {figures.load_per_cpu:g} a CPU, at most {most:g} wanted"
    amounts = (
        ("memory", figures.memory_available_bytes, query.memory_bytes),
        ("disk", figures.disk_free_bytes, query.disk_bytes),
        ("temporary space", figures.temp_free_bytes, query.temp_bytes),
    )
    for name, found, wanted in amounts:
        if found < wanted:
            has, wants = size_text(found), size_text(wanted)
            if has == wants:  # so near that only bytes tell them apart
                has, wants = f"{found} B", f"{wanted} B"
            yield f"has {has} of {name} free, {wants} wanted"
    gpus = max(query.gpus, 1 if query.gpu_memory_bytes else 0)
    fit = sum(free >= query.gpu_memory_bytes for free in figures.gpu_free_bytes)
    if fit < gpus:
        with_memory = f" with {size_text(query.gpu_memory_bytes)}" if query.gpu_memory_bytes else ""
        yield f"has {fit} GPUs{with_memory} free, {gpus} wanted"


def _ordered(query: TargetQuery, suitable: Sequence[tuple[Candidate, Snapshot]]) -> list[Target]:
    """Return the hosts that suit as targets, best first."""
    best = [max((_free(each)[part] for _, each in suitable), default=0.0) for part in range(3)]
    targets = [
        (_preference(query, each.host), _target(query, each, figures, _score(figures, best)))
        for each, figures in suitable
    ]
    targets.sort(key=lambda each: (-each[0], -each[1].score, each[1].host_name, each[1].host_id))
    return [target for _, target in targets]


def _preference(query: TargetQuery, host: HostRef) -> int:
    return sum(tag in host.tags for tag in set(query.prefer_tags))


def free_cores(figures: Snapshot) -> float:
    """Return the cores' worth of time that nobody uses."""
    return figures.cpus * (1 - min(1.0, max(figures.cpu_use, figures.load_per_cpu, 0.0)))


def _free(figures: Snapshot) -> tuple[float, float, float]:
    return (
        free_cores(figures),
        float(figures.memory_available_bytes),
        float(figures.disk_free_bytes),
    )


def _score(figures: Snapshot, best: Sequence[float]) -> float:
    weights = (CORES_WEIGHT, MEMORY_WEIGHT, DISK_WEIGHT)
    shares = [
        mine / most if most > 0 else 1.0 for mine, most in zip(_free(figures), best, strict=True)
    ]
    return round(sum(w * share for w, share in zip(weights, shares, strict=True)), 4)


def _target(query: TargetQuery, each: Candidate, figures: Snapshot, score: float) -> Target:
    host = each.host
    reasons = [
        f"{free_cores(figures):.1f} of {figures.cpus:g} cores free "
        f"(load {figures.load_per_cpu:g} a CPU, {figures.cpu_use:.0%} in use)",
        f"{size_text(figures.memory_available_bytes)} of memory free",
        f"{size_text(figures.disk_free_bytes)} of disk free",
    ]
    if query.temp_bytes:
        reasons.append(f"{size_text(figures.temp_free_bytes)} of temporary space free")
    if query.gpus or query.gpu_memory_bytes:
        reasons.append(f"GPUs with {', '.join(map(size_text, figures.gpu_free_bytes))} free")
    asked = dict.fromkeys((*query.tags, *query.prefer_tags))
    has = [tag for tag in asked if tag in host.tags]
    if has:
        reasons.append(f"has tag {', '.join(has)}")
    if query.capabilities:
        reasons.append(f"has capability {', '.join(query.capabilities)}")
    reasons.append(f"at most {each.age:.0f} s old")
    return Target(
        host_name=host.name,
        host_id=host.host_id,
        host_url=host.url,
        score=score,
        reasons=tuple(reasons),
        age=each.age,
        figures=figures,
    )
