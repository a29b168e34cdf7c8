"""How many paglets a host has, as the mesh is told."""

import asyncio

from paglets.host.meshing import Membership
from paglets.model.enums import PagletStatus
from paglets.runtime.roster import Roster

_COUNT_EVERY = 1.0
"""Seconds between looks at the number of paglets."""


def counts_of(rosters: list[Roster]) -> tuple[int, int]:
    """Return the numbers of active and inactive paglets; none before there is a roster."""
    if not rosters:
        return 0, 0
    roster = rosters[0]
    return roster.count(PagletStatus.ACTIVE), roster.count(PagletStatus.INACTIVE)


async def count_for_mesh(roster: Roster, membership: Membership) -> None:
    """Tell the mesh how many paglets there are, whenever that has changed; for ever."""
    told = (0, 0)
    while True:
        counts = counts_of([roster])
        if counts != told:
            membership.mesh.set_counts(*counts)
            told = counts
        await asyncio.sleep(_COUNT_EVERY)
