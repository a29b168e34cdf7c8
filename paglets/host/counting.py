"""What a host tells the mesh of itself again and again: its paglets' numbers and its load.

Looked at once a second and told only where it has changed; the mesh spaces such news out.
"""

import asyncio

from paglets.host.meshing import Membership
from paglets.model.enums import PagletStatus
from paglets.runtime.load import encode_load, load_per_cpu, load_step
from paglets.runtime.roster import Roster
from paglets.wire.servicerecords import LOAD_KIND

_LOOK_EVERY = 1.0
"""Seconds between two looks."""
_LOAD_LOOKS = 5
"""Looks at the numbers for one at the load, which the system itself renews as often."""


def counts_of(rosters: list[Roster]) -> tuple[int, int]:
    """Return the numbers of active and inactive paglets; none before there is a roster."""
    if not rosters:
        return 0, 0
    roster = rosters[0]
    return roster.count(PagletStatus.ACTIVE), roster.count(PagletStatus.INACTIVE)


async def tell_figures(roster: Roster, membership: Membership) -> None:
    """Tell the mesh how many paglets there are and how loaded this host is; for ever."""
    mesh = membership.mesh
    told, step, look = (0, 0), 0, 0
    while True:
        if (counts := counts_of([roster])) != told:
            mesh.set_counts(*counts)
            told = counts
        if look % _LOAD_LOOKS == 0 and (load := load_per_cpu()) is not None:
            before, step = step, load_step(load, step)
            if step != before:
                mesh.set_record(LOAD_KIND, "", encode_load(step), lazy=True)
        look += 1
        await asyncio.sleep(_LOOK_EVERY)
