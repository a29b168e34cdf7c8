"""Which provider of a service is taken, and what is said where there is none. Pure.

Local ones come first, then those on hosts that answer, by load and by the number of active paglets.
A provider that has just moved may be known at two hosts; the higher epoch is believed.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from paglets.model.refs import PagletProxyRef
from paglets.wire.bodies import ServiceBody
from paglets.wire.hostcalls import LookupCall


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """How a host compares with others; the least is the best."""

    is_elsewhere: bool = True
    is_doubtful: bool = False
    """It has not answered lately, or is about to go."""
    load: int = 0
    """Load per usable CPU in steps, see `load.py`; 0 while it is unknown."""
    active: int = 0
    """Its active paglets."""


def matching(records: Iterable[ServiceBody], query: LookupCall) -> list[ServiceBody]:
    """Return the records that serve a query: name, exact version, and all that is asked for."""
    demands = list(_demands(query))
    return [
        record
        for record in records
        if query.name in {"", record.name} and all(demand.is_met(record) for demand in demands)
    ]


def newest(records: Iterable[ServiceBody]) -> list[ServiceBody]:
    """Leave out records of providers that are known to have moved on."""
    found: dict[object, ServiceBody] = {}
    for record in records:
        key = (record.name, record.version, _life(record.provider))
        known = found.get(key)
        if known is None or known.provider.epoch < record.provider.epoch:
            found[key] = record
    return list(found.values())


def _life(provider: PagletProxyRef) -> object:
    """Return what a provider keeps through moves; fixed agent ids are on many hosts."""
    return provider.birth_id or (provider.host_id, provider.agent_id)


def drawn(records: Iterable[ServiceBody], seed: int) -> list[ServiceBody]:
    """Return records in an order drawn by `seed`, so that callers do not all take the same one."""

    def lot(record: ServiceBody) -> int:
        ref = record.provider
        return zlib.crc32(f"{seed}/{ref.host_id}/{ref.agent_id}/{ref.birth_id}".encode())

    return sorted(records, key=lot)


def ranked(
    records: Iterable[ServiceBody], standings: Mapping[str, Standing]
) -> tuple[ServiceBody, ...]:
    """Return records best first; those that are equally good in the order in which they came.

    Args:
        records: Of usable hosts.
        standings: By host id.
    """
    unknown = Standing()
    return tuple(sorted(records, key=lambda r: standings.get(r.provider.host_id, unknown)))


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a lookup found nobody."""

    reason: str
    """One sentence with the next step."""
    versions: tuple[str, ...] = ()
    """Versions of the service that can be called."""


def why_not(query: LookupCall, near: Sequence[ServiceBody], unusable: Sequence[str]) -> WhyNot:
    """Return why nobody serves a query: the first demand that none of those left fulfils.

    Args:
        query: What was asked for.
        near: All records of that name that can be called.
        unusable: Names of hosts that provide it, but run other code or do not answer.
    """
    versions = tuple(sorted({record.version for record in near}))
    nobody = f"nobody provides {query.name or 'anything'}"
    version = f" version {query.version}" if query.version else ""
    scope = f"({query.scope.value})"
    if not near and unusable:
        hosts = ", ".join(sorted(set(unusable)))
        reason = f"{nobody}{version} {scope}, except {hosts}, which cannot be used now"
        return WhyNot(f"{reason}: see `paglets mesh hosts`", versions)
    left = list(near)
    for demand in _demands(query):
        fulfilling = [record for record in left if demand.is_met(record)]
        if left and not fulfilling:
            known = ", ".join(sorted({value for record in left for value in demand.has(record)}))
            reason = f"{nobody} {demand.text} {scope}; {demand.known}: {known or 'none'}"
            return WhyNot(reason, versions)
        left = fulfilling
    return WhyNot(
        f"{nobody}{version} {scope}; `paglets service list` shows what there is", versions
    )


@dataclass(frozen=True, slots=True)
class _Demand:
    """One thing that a query asks of a record."""

    text: str
    is_met: Callable[[ServiceBody], bool]
    known: str
    """What `has` gives, for people."""
    has: Callable[[ServiceBody], Iterable[str]]


def _demands(query: LookupCall) -> Iterator[_Demand]:
    operations, capabilities = set(query.operations), set(query.capabilities)
    yield _Demand(
        f"version {query.version}",
        lambda record: query.version in {"", record.version},
        "versions there are",
        lambda record: (record.version,),
    )
    yield _Demand(
        f"on {query.host}",
        lambda record: query.host in {"", record.host_name},
        "hosts that do",
        lambda record: (record.host_name,),
    )
    yield _Demand(
        f"with operation {', '.join(query.operations)}",
        lambda record: operations <= set(record.operations),
        "operations there are",
        lambda record: record.operations,
    )
    yield _Demand(
        f"with capability {', '.join(query.capabilities)}",
        lambda record: capabilities <= set(record.capabilities),
        "capabilities there are",
        lambda record: record.capabilities,
    )
