"""The composition root: every part of a host is made here and handed what it needs.

Nobody receives the whole. The parts of the runtime are made in `parts.py`; the order of starting
and stopping is in `stages.py`.
"""

from dataclasses import dataclass

from paglets.host.answering import answer_children
from paglets.host.given import Given
from paglets.host.http.access import Access, ServerIdentity
from paglets.host.http.app import Outward, build_gate
from paglets.host.http.gate import Gate
from paglets.host.http.limits import HttpLimits
from paglets.host.http.ports import Ports
from paglets.host.offering import Offering, make_offering
from paglets.host.parts import Core, bind, make_core, make_moves, make_restorer
from paglets.host.recordview import RecordView
from paglets.host.views import EventView, HealthView, HostView
from paglets.mesh.directory import DRAINING_KIND
from paglets.runtime.activity import Activity
from paglets.runtime.admission import Admission
from paglets.runtime.autostart import AutoStart
from paglets.runtime.courier import Courier
from paglets.runtime.creation import Creation
from paglets.runtime.delivery import Delivery
from paglets.runtime.draining import Draining
from paglets.runtime.fencing import Fencing
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.inspection import Inspection
from paglets.runtime.recovery import Restorer
from paglets.runtime.residents import Residents
from paglets.runtime.roster import Roster
from paglets.runtime.verbs import Verbs


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What the stages of a host's life need of it."""

    gate: Gate
    health: HealthView
    admission: Admission
    delivery: Delivery
    activity: Activity
    inactivity: Inactivity
    draining: Draining
    restorer: Restorer
    residents: Residents
    auto_start: AutoStart
    courier: Courier
    fencing: Fencing
    roster: Roster


def compose(given: Given) -> Composition:
    """Make all parts of a host. Called once, in its event loop, before anything is started."""
    core = make_core(given)
    moves = make_moves(given, core)
    bind(given, core, moves)
    offering = make_offering(given, core, moves)
    inspection = Inspection(core.roster, core.commits, core.quiescer, core.forwarding)
    answer_children(given, core, moves, inspection, offering)
    health = _health(given, core, offering)
    moves.draining.began = lambda: _begin_to_drain(given, health)
    ports = Ports(
        creation=_Creating(moves.creation, moves.verbs),
        delivery=core.delivery,
        departures=moves.verbs,
        inactivity=moves.verbs,
        leases=offering.leases,
        inspection=inspection,
        arrivals=moves.arrivals,
        fencing=moves.fencing,
        transfers=moves.transfers,
        draining=moves.draining,
        events=EventView(given.recorder),
        services=offering.services,
        hosts=HostView(given.peers),
        records=RecordView(given.records, given.peers),
        health=health,
        mesh=given.mesh,
    )
    return Composition(
        gate=_gate(given, ports),
        health=health,
        admission=core.admission,
        delivery=core.delivery,
        activity=core.activity,
        inactivity=moves.inactivity,
        draining=moves.draining,
        restorer=make_restorer(given, core, moves),
        residents=offering.residents,
        auto_start=offering.auto_start,
        courier=core.courier,
        fencing=moves.fencing,
        roster=core.roster,
    )


def _health(given: Given, core: Core, offering: Offering) -> HealthView:
    return HealthView(
        given.identity,
        core.roster,
        given.store,
        key_id=None if given.keyring is None else given.keyring.primary.id,
        paglet_limit=given.paglet_limit,
        warnings=lambda: (
            *given.warnings(),
            *offering.residents.warnings(),
            *offering.auto_start.warnings(),
            *offering.publisher.warnings(),
        ),
    )


def _begin_to_drain(given: Given, health: HealthView) -> None:
    health.drain()
    # The others choose another host from now on, instead of being refused by this one.
    given.records.set_record(DRAINING_KIND, "", b"1")


def _gate(given: Given, ports: Ports) -> Gate:
    identity, settings = given.identity, given.settings
    server = ServerIdentity(
        host_id=identity.host_id,
        generation=identity.generation,
        name=identity.name,
        url=identity.url,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
    )
    connections = settings.limits.connections
    reserved = min(HttpLimits().mesh_slots, connections // 8)
    limits = HttpLimits(
        connections=connections,
        call_slots=connections - 2 * reserved,
        mesh_slots=reserved,
        transfer_slots=reserved,
        arriving=settings.limits.arriving_transfers,
        json_bytes=settings.limits.message_bytes,
        create_bytes=settings.limits.state_bytes,
    )
    outward = Outward(
        session=given.session, clients=given.calls, own_id=identity.host_id, limits=limits
    )
    return build_gate(ports, Access(server, given.keyring), outward)


class _Creating:
    """Creates here, disposes wherever the paglet is."""

    def __init__(self, creation: Creation, verbs: Verbs) -> None:
        self.create = creation.create
        self.dispose = verbs.dispose
