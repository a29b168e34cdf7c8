"""Who answers what the paglets of a host ask of it."""

from paglets.host.given import Given
from paglets.host.offering import Offering
from paglets.host.parts import Core, Moves
from paglets.runtime.childactions import ChildActions
from paglets.runtime.childcalls import ChildCalls
from paglets.runtime.childqueries import ChildQueries
from paglets.runtime.inspection import Inspection
from paglets.runtime.published import Published


def answer_children(
    given: Given, core: Core, moves: Moves, inspection: Inspection, offering: Offering
) -> None:
    """Let the calls of paglets be answered."""
    actions = ChildActions(
        roster=core.roster,
        delivery=core.delivery,
        forwarding=core.forwarding,
        creation=moves.creation,
        verbs=moves.verbs,
        leaving=moves.leaving,
        targets=core.targets,
        commits=core.commits,
        calls=given.calls,
    )
    queries = ChildQueries(
        roster=core.roster,
        inspection=inspection,
        forwarding=core.forwarding,
        targets=core.targets,
        services=offering.services,
        providers=offering.providers,
        leases=offering.leases,
        peers=given.peers,
        calls=given.calls,
        recorder=given.recorder,
    )
    published = Published(given.records, given.peers, given.tasks)
    handlers = {**actions.handlers(), **queries.handlers(), **published.handlers()}
    core.switch.target = ChildCalls(core.roster, given.tasks, handlers)
