"""The composition root: every part of a host is made here and handed what it needs.

Nobody receives the whole. The order of starting and stopping is in `stages.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paglets.config.code import explain_difference, top_level_modules
from paglets.config.keys import Keyring
from paglets.config.settings import HostSettings
from paglets.host.http.access import Access, ServerIdentity
from paglets.host.http.app import Outward, build_gate
from paglets.host.http.gate import Gate
from paglets.host.http.limits import HttpLimits
from paglets.host.http.ports import MeshHandler, Ports
from paglets.host.identity import HostIdentity
from paglets.host.views import EventView, HealthView, HostView
from paglets.model.enums import PagletStatus
from paglets.model.manifest import ClassManifest
from paglets.model.refs import PagletProxyRef
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.runtime.activity import Activity
from paglets.runtime.admission import Admission
from paglets.runtime.arrivals import Arrivals
from paglets.runtime.childactions import ChildActions
from paglets.runtime.childcalls import ChildCalls
from paglets.runtime.childlink import ChildLink
from paglets.runtime.childqueries import ChildQueries
from paglets.runtime.commits import Commits
from paglets.runtime.courier import Courier
from paglets.runtime.creation import Creation
from paglets.runtime.delivery import Delivery
from paglets.runtime.departures import Departures
from paglets.runtime.draining import Draining
from paglets.runtime.fencing import Fencing
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.idempotency import Once
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.inspection import Inspection
from paglets.runtime.lane import Lane
from paglets.runtime.leaving import Leaving
from paglets.runtime.packing import Packer
from paglets.runtime.ports import PeerHosts
from paglets.runtime.quiescing import Quiescer
from paglets.runtime.recorder import Recorder
from paglets.runtime.recovery import Restorer
from paglets.runtime.registry import Registry
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.services import Services
from paglets.runtime.starter import CodeSource, Folders, Starter
from paglets.runtime.targets import Targets
from paglets.runtime.tasks import Tasks
from paglets.runtime.transfers import Transfers
from paglets.runtime.unpacking import Unpacker
from paglets.runtime.verbs import Verbs
from paglets.store.rows import PagletRow
from paglets.store.store import Store
from paglets.supervise.process import ProcessFactory
from paglets.supervise.restarts import RestartLimits
from paglets.wire.calls import HostCall

_SUSPECT_TIMEOUT = 5.0
"""Seconds peers have to say who owns a paglet that a sender knows at a higher epoch."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What exists before a host is composed."""

    settings: HostSettings
    identity: HostIdentity
    store: Store
    factory: ProcessFactory
    keyring: Keyring | None
    peers: PeerHosts
    mesh: MeshHandler
    calls: HttpPeerCalls
    session: PeerSession
    tasks: Tasks
    recorder: Recorder
    paglet_limit: int
    on_line: Callable[[str, str], None]
    """Gets each line a paglet prints, with its short name."""
    warnings: Callable[[], Sequence[str]]
    rolled_back: Callable[[], bool]
    """Whether peers remember a later life of the data folder."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What the stages of a host's life need of it."""

    gate: Gate
    health: HealthView
    admission: Admission
    delivery: Delivery
    activity: Activity
    inactivity: Inactivity
    restorer: Restorer
    courier: Courier
    fencing: Fencing
    registry: Registry
    roster: Roster


class _Switch:
    """Passes paglets' calls on once there is somebody to answer them.

    A process is started by parts that must exist before those that answer its calls.
    """

    def __init__(self) -> None:
        self.target: ChildCalls | None = None

    def __call__(self, link: ChildLink, call: HostCall) -> None:
        assert self.target is not None, "composed before the first paglet starts"
        self.target.sink(link, call)


@dataclass(frozen=True, kw_only=True)
class _Core:
    """Parts that all others use."""

    roster: Roster
    folders: Folders
    commits: Commits
    switch: _Switch
    starter: Starter
    activity: Activity
    quiescer: Quiescer
    lane: Lane
    forwarding: Forwarding
    delivery: Delivery
    once: Once
    targets: Targets
    courier: Courier
    admission: Admission


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """Parts that change where and how a paglet lives."""

    departures: Departures
    inactivity: Inactivity
    creation: Creation
    arrivals: Arrivals
    fencing: Fencing
    leaving: Leaving
    verbs: Verbs
    transfers: Transfers
    draining: Draining


def compose(given: Given) -> Composition:
    """Make all parts of a host. Called once, in its event loop, before anything is started."""
    core = _core(given)
    moves = _moves(given, core)
    _bind(given, core, moves)
    registry = Registry(lambda: _living(core.roster))
    services = Services(registry, given.peers, given.calls)
    inspection = Inspection(core.roster, core.commits, core.quiescer, core.forwarding)
    _answer_children(given, core, moves, inspection, services)
    health = HealthView(
        given.identity,
        core.roster,
        given.store,
        key_id=None if given.keyring is None else given.keyring.primary.id,
        paglet_limit=given.paglet_limit,
        warnings=given.warnings,
    )
    moves.draining.began = health.drain
    ports = Ports(
        creation=_Creating(moves.creation, moves.verbs),
        delivery=core.delivery,
        departures=moves.verbs,
        inactivity=moves.verbs,
        inspection=inspection,
        arrivals=moves.arrivals,
        fencing=moves.fencing,
        transfers=moves.transfers,
        draining=moves.draining,
        events=EventView(given.recorder),
        services=services,
        hosts=HostView(given.peers),
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
        restorer=_restorer(given, core, moves),
        courier=core.courier,
        fencing=moves.fencing,
        registry=registry,
        roster=core.roster,
    )


def _core(given: Given) -> _Core:
    settings, store, timeouts = given.settings, given.store, given.settings.timeouts
    me, data = given.identity.address, given.settings.data
    folders = Folders(
        work=data / "work", persistent=data / "persistent", incoming=store.spool.folder
    )
    roster = Roster(me)
    commits = Commits(store, store.spool)
    switch = _Switch()
    starter = Starter(
        given.factory,
        facts=given.identity.facts,
        folders=folders,
        code=lambda: _code(given),
        spool=store.spool,
        limits=settings.limits,
        timeouts=timeouts,
        capacity=lambda: given.paglet_limit,
        on_call=switch,
        on_line=given.on_line,
    )
    recorder, tasks = given.recorder, given.tasks
    lane = Lane(commits, recorder, tasks)
    forwarding = Forwarding(roster, store, given.peers, given.calls)
    return _Core(
        roster=roster,
        folders=folders,
        commits=commits,
        switch=switch,
        starter=starter,
        activity=Activity(
            starter,
            commits,
            store,
            recorder,
            tasks,
            timeouts=timeouts,
            restarts=RestartLimits(),
        ),
        quiescer=Quiescer(commits, timeouts),
        lane=lane,
        forwarding=forwarding,
        delivery=Delivery(roster, store, lane, forwarding),
        once=Once(store),
        targets=Targets(me, given.peers, given.calls),
        courier=Courier(roster, store, commits, given.calls, recorder, tasks, timeouts=timeouts),
        admission=_admission(given, starter),
    )


def _admission(given: Given, starter: Starter) -> Admission:
    mine = given.identity
    return Admission(
        starter,
        me=given.peers.self_ref,
        allowed=allowed_prefixes(given.settings),
        explain_version=lambda other: explain_difference(other, mine.code_version, host=mine.name),
        limits=given.settings.limits,
    )


def _moves(given: Given, core: _Core) -> _Moves:
    settings, store, recorder = given.settings, given.store, given.recorder
    timeouts, limits = settings.timeouts, settings.limits
    unpacker = Unpacker(store.spool, core.folders.work, limits)
    departures = Departures(
        roster=core.roster,
        store=store,
        commits=core.commits,
        activity=core.activity,
        quiescer=core.quiescer,
        courier=core.courier,
        targets=core.targets,
        packer=Packer(given.identity.address, core.folders.work),
        unpacker=unpacker,
        recorder=recorder,
        once=core.once,
        timeouts=timeouts,
    )
    inactivity = Inactivity(
        roster=core.roster,
        commits=core.commits,
        activity=core.activity,
        quiescer=core.quiescer,
        recorder=recorder,
        once=core.once,
        tasks=given.tasks,
        timeouts=timeouts,
    )
    creation = Creation(
        roster=core.roster,
        store=store,
        commits=core.commits,
        activity=core.activity,
        starter=core.starter,
        quiescer=core.quiescer,
        admission=core.admission,
        recorder=recorder,
        once=core.once,
        timeouts=timeouts,
        folders=(core.folders.work, core.folders.persistent),
    )
    arrivals = Arrivals(
        roster=core.roster,
        store=store,
        activity=core.activity,
        starter=core.starter,
        admission=core.admission,
        unpacker=unpacker,
        recorder=recorder,
        limits=limits,
        timeouts=timeouts,
    )
    fencing = Fencing(core.roster, store, given.peers, given.calls, recorder)
    transfers = Transfers(
        roster=core.roster,
        store=store,
        activity=core.activity,
        courier=core.courier,
        fencing=fencing,
        recorder=recorder,
        tasks=given.tasks,
    )
    return _Moves(
        departures=departures,
        inactivity=inactivity,
        creation=creation,
        arrivals=arrivals,
        fencing=fencing,
        leaving=Leaving(
            core.roster,
            departures,
            inactivity,
            creation,
            recorder,
            activity=core.activity,
            tasks=given.tasks,
        ),
        verbs=Verbs(
            roster=core.roster,
            departures=departures,
            inactivity=inactivity,
            creation=creation,
            forwarding=core.forwarding,
            calls=given.calls,
            timeouts=timeouts,
        ),
        transfers=transfers,
        draining=Draining(
            roster=core.roster,
            admission=core.admission,
            departures=departures,
            inactivity=inactivity,
            transfers=transfers,
            hosts=given.peers,
            recorder=recorder,
        ),
    )


def _bind(given: Given, core: _Core, moves: _Moves) -> None:
    """Close the circles: a delivery may start a departure, which hands messages over."""
    core.lane.bind(core.activity)
    core.lane.depart = moves.leaving.leave
    core.activity.depart = moves.leaving.leave_quietly
    core.delivery.wake = moves.inactivity.wake
    moves.departures.wake = moves.inactivity.wake
    core.delivery.suspect = lambda paglet: given.tasks.start(
        moves.fencing.compare_all(timeout=_SUSPECT_TIMEOUT), f"fencing {paglet.agent_id}"
    )

    async def moved(paglet: LocalPaglet, before: PagletRow) -> None:
        # Before anything is awaited: it may be back before all its messages are handed over.
        removal = moves.departures.moved(paglet, before)
        given.tasks.start(removal, f"files of {paglet.agent_id}")
        await core.forwarding.hand_over(paglet)

    def superseded(paglet: LocalPaglet) -> None:
        given.tasks.start(core.forwarding.hand_over(paglet), f"messages of {paglet.agent_id}")

    def returned(paglet: LocalPaglet) -> None:
        core.lane.pump(paglet)

    core.forwarding.returned = returned
    core.delivery.moved_on = superseded
    moves.arrivals.superseded = core.courier.superseded
    core.courier.moved = moved
    core.courier.resume = moves.departures.resume
    moves.fencing.superseded = superseded


def _answer_children(
    given: Given, core: _Core, moves: _Moves, inspection: Inspection, services: Services
) -> None:
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
        services=services,
        peers=given.peers,
        calls=given.calls,
        recorder=given.recorder,
    )
    handlers = {**actions.handlers(), **queries.handlers()}
    core.switch.target = ChildCalls(core.roster, given.tasks, handlers)


def _restorer(given: Given, core: _Core, moves: _Moves) -> Restorer:
    return Restorer(
        roster=core.roster,
        store=given.store,
        activity=core.activity,
        inactivity=moves.inactivity,
        courier=core.courier,
        fencing=moves.fencing,
        recorder=given.recorder,
        rolled_back=given.rolled_back,
    )


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


def allowed_prefixes(settings: HostSettings) -> tuple[str, ...]:
    """Return the module prefixes whose classes may run here, beside the built-in ones."""
    own = [name for folder in settings.agents for name in top_level_modules(folder)]
    return (*own, *settings.allow)


def _code(given: Given) -> CodeSource:
    paths = tuple(str(Path(folder).resolve()) for folder in given.settings.agents)
    return CodeSource(import_paths=paths, version=given.identity.code_version)


def _living(roster: Roster) -> list[tuple[PagletProxyRef, ClassManifest]]:
    """Return the paglets that can serve calls: running, or woken by one."""
    found = []
    for paglet in roster:
        row = paglet.row
        is_woken = row.policy is not None and row.policy.activate_on_message
        if row.status is PagletStatus.ACTIVE or (row.status is PagletStatus.INACTIVE and is_woken):
            found.append((roster.ref(paglet), row.manifest))
    return found


class _Creating:
    """Creates here, disposes wherever the paglet is."""

    def __init__(self, creation: Creation, verbs: Verbs) -> None:
        self.create = creation.create
        self.dispose = verbs.dispose
