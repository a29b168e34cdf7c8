"""What a table remembers of a newcomer: earlier starts of its id, other hosts of its name.

Pure. A seed asks this at a join; the answers are what makes a newcomer the newest without comparing
two hosts' clocks, and what tells a host that its data folder was restored from a copy.
"""

from paglets.mesh.messages import Identity
from paglets.mesh.table import Table


def rolled_back_boots(table: Table, newcomer: Identity) -> int | None:
    """Return the boots we remember of a host whose data folder was restored, else None."""
    known = table.members.get(newcomer.host_id)
    if known is None or newcomer.boots == 0 or known.identity.boots < newcomer.boots:
        return None
    is_same_start = known.identity.boots == newcomer.boots
    if is_same_start and known.generation >= newcomer.generation:
        return None
    return known.identity.boots


def generation_floor(table: Table, newcomer: Identity) -> int:
    """Return the highest generation known of other lives of a newcomer's id or name."""
    others = [table.members[host_id] for host_id in table.names.ids(newcomer.name)]
    floor = max((m.generation for m in others if m.host_id != newcomer.host_id), default=0)
    known = table.members.get(newcomer.host_id)
    if known is not None and known.generation > newcomer.generation:
        floor = max(floor, known.generation)
    return floor
