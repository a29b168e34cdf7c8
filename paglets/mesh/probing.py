"""Whom to probe next, and what one probe found.

Pure; randomness is an argument. Every member is probed once a round, in an order shuffled anew for
each round: so the time until a crash is noticed is bounded, not only expected.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from paglets.mesh.table import Table


@dataclass(slots=True)
class Probe:
    """A probe under way. Times are seconds on this host's clock."""

    host_id: str
    generation: int
    started: float
    indirect_at: float
    """When others are asked, unless an answer came."""
    deadline: float
    """When the member is suspected, unless an answer came."""
    is_acked: bool = False
    is_indirect: bool = False
    """Others were asked."""
    expected_nacks: int = 0
    nacks: int = 0

    @property
    def due(self) -> float:
        """When this probe needs attention next."""
        return self.deadline if self.is_indirect else min(self.indirect_at, self.deadline)

    @property
    def blame(self) -> int:
        """How much worse a failure makes our own health.

        Helpers that answer "it does not answer me either" show that our link is good.
        """
        return self.expected_nacks - self.nacks if self.expected_nacks else 1


class Ring:
    """The order of probing: all live members but this host."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._known: set[str] = set()
        self._place = 0

    def add(self, host_id: str, random: Random) -> None:
        """Put a new member at a random place of the round."""
        if host_id not in self._known:
            self._known.add(host_id)
            place = random.randint(0, len(self._order))
            self._order.insert(place, host_id)
            if place < self._place:
                self._place += 1

    def fill(self, host_ids: Iterable[str], random: Random) -> None:
        """Put many new members into the round at once."""
        new = [host_id for host_id in host_ids if host_id not in self._known]
        self._known.update(new)
        self._order.extend(new)
        random.shuffle(self._order)
        self._place = 0

    def next(self, table: Table, random: Random) -> str | None:
        """Return the next member to probe, None if there is none."""
        for _ in range(len(self._order) + 1):
            if self._place >= len(self._order):
                self._start_round(table, random)
                if not self._order:
                    return None
            host_id = self._order[self._place]
            self._place += 1
            if self._is_candidate(host_id, table):
                return host_id
        return None

    def some(self, count: int, table: Table, random: Random, *, besides: str = "") -> list[str]:
        """Return up to `count` different live members at random, not `besides`."""
        order = self._order
        if len(order) <= 4 * count:
            found = [i for i in order if i != besides and self._is_candidate(i, table)]
            return random.sample(found, min(count, len(found)))
        chosen: dict[str, None] = {}
        for _ in range(6 * count):
            host_id = order[int(random.random() * len(order))]
            if host_id != besides and self._is_candidate(host_id, table):
                chosen[host_id] = None
                if len(chosen) == count:
                    break
        return list(chosen)

    def _start_round(self, table: Table, random: Random) -> None:
        self._order = [i for i in self._order if self._is_candidate(i, table)]
        self._known = set(self._order)
        random.shuffle(self._order)
        self._place = 0

    @staticmethod
    def _is_candidate(host_id: str, table: Table) -> bool:
        member = table.members.get(host_id)
        return member is not None and member.is_live
