"""Services of one host: who provides what, from all who know. Pure.

Each source tells its own offers by owner and takes them back the same way: `providers.py` those of
the paglets that live here, declared by their class or advertised by themselves. Where two sources
tell of one provider and contract, the later `Source` is believed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from paglets.model.enums import ServiceScope
from paglets.model.manifest import ContractManifest
from paglets.wire.bodies import ServiceBody


class Source(IntEnum):
    """Who tells of an offer; of one provider and contract the highest is believed."""

    DECLARED = 1
    """`services` of a paglet's class."""
    ADVERTISED = 2
    """A paglet by `context.services.advertise`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A service record, and the contract with its schemas where they are known."""

    record: ServiceBody
    contract: ContractManifest | None = None

    @property
    def place(self) -> "Place":
        """What it is an offer of: provider, name and version."""
        record = self.record
        return record.provider.agent_id, record.name, record.version


Place = tuple[str, str, str]
"""Agent id, service name and version."""


class Registry:
    """Offers of one host, used from its loop."""

    def __init__(self) -> None:
        self._told: dict[tuple[Source, str], tuple[Offer, ...]] = {}
        self._offers: dict[Place, Offer] | None = None
        self.changed: Callable[[], None] = _nothing
        """Called after each change; set by the composition root."""

    def put(self, source: Source, owner: str, offers: Sequence[Offer]) -> None:
        """Replace what `source` told of `owner`; no offers take it back.

        Args:
            source: Who tells.
            owner: In whose name, such as an agent id.
            offers: All of them.
        """
        key = source, owner
        if not offers and key not in self._told:
            return
        if offers:
            self._told[key] = tuple(offers)
        else:
            del self._told[key]
        self._offers = None
        self.changed()

    def offers(self) -> tuple[Offer, ...]:
        """Return all offers, the longest told first."""
        if self._offers is None:
            # Sources in ascending order, so that the believed one comes last; its place in the
            # order stays that of the first.
            found: dict[Place, Offer] = {}
            for _, told in sorted(self._told.items(), key=lambda item: item[0][0]):
                found.update((offer.place, offer) for offer in told)
            self._offers = found
        return tuple(self._offers.values())

    def __iter__(self) -> Iterator[ServiceBody]:
        return (offer.record for offer in self.offers())


def shared(records: Iterable[ServiceBody]) -> list[ServiceBody]:
    """Return the records that other hosts are told, the most important first.

    Where there are too many, each contract gets its first providers told before any gets more, so
    that none is lost to others because another has very many.
    """
    ranked: list[tuple[int, ServiceBody]] = []
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        if record.scope is ServiceScope.MESH:
            rank = counts.get((record.name, record.version), 0)
            counts[record.name, record.version] = rank + 1
            ranked.append((rank, record))
    ranked.sort(key=lambda pair: pair[0])
    return [record for _, record in ranked]


def _nothing() -> None:
    """Nobody asked to be told."""
