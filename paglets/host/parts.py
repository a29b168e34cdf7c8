"""The parts of the runtime, made in the order in which they need each other."""

from dataclasses import dataclass

from paglets.config.code import explain_difference
from paglets.host.given import Given, allowed_prefixes, code_source
from paglets.runtime.activity import Activity
from paglets.runtime.admission import Admission
from paglets.runtime.arrivals import Arrivals
from paglets.runtime.childcalls import ChildCalls
from paglets.runtime.childlink import ChildLink
from paglets.runtime.cloning import Clones
from paglets.runtime.commits import Commits
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.creation import Creation
from paglets.runtime.delivery import Delivery
from paglets.runtime.departures import Departures
from paglets.runtime.draining import Draining
from paglets.runtime.fencing import Fencing
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.idempotency import Once
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.lane import Lane
from paglets.runtime.leaving import Leaving
from paglets.runtime.packing import Packer
from paglets.runtime.quiescing import Quiescer
from paglets.runtime.recovery import Restorer
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.starter import Folders, Starter
from paglets.runtime.targets import Targets
from paglets.runtime.transfers import Transfers
from paglets.runtime.unpacking import Unpacker
from paglets.runtime.verbs import Verbs
from paglets.store.rows import PagletRow
from paglets.supervise.restarts import RestartLimits
from paglets.wire.calls import HostCall

_SUSPECT_TIMEOUT = 5.0
"""Seconds peers have to say who owns a paglet that a sender knows at a higher epoch."""


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
class Core(Common):
    """Parts that all others use."""

    folders: Folders
    switch: _Switch
    starter: Starter
    lane: Lane
    forwarding: Forwarding
    delivery: Delivery
    targets: Targets
    courier: Courier
    admission: Admission


@dataclass(frozen=True, kw_only=True)
class Moves:
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


def make_core(given: Given) -> Core:
    """Make the parts that all others use."""
    store, recorder, tasks = given.store, given.recorder, given.tasks
    data, timeouts = given.settings.data, given.settings.timeouts
    folders = Folders(
        work=data / "work", persistent=data / "persistent", incoming=store.spool.folder
    )
    switch = _Switch()
    starter = _make_starter(given, folders, switch)
    roster = Roster(given.identity.address)
    commits = Commits(store, store.spool)
    lane = Lane(commits, recorder, tasks)
    forwarding = Forwarding(roster, store, given.peers, given.calls)
    return Core(
        roster=roster,
        store=store,
        commits=commits,
        activity=Activity(
            starter, commits, store, recorder, tasks, timeouts=timeouts, restarts=RestartLimits()
        ),
        quiescer=Quiescer(commits, timeouts),
        once=Once(store),
        recorder=recorder,
        tasks=tasks,
        timeouts=timeouts,
        folders=folders,
        switch=switch,
        starter=starter,
        lane=lane,
        forwarding=forwarding,
        delivery=Delivery(roster, store, lane, forwarding),
        targets=Targets(roster, given.peers, given.calls),
        courier=Courier(roster, store, commits, given.calls, recorder, tasks, timeouts=timeouts),
        admission=_make_admission(given, starter),
    )


def _make_starter(given: Given, folders: Folders, switch: _Switch) -> Starter:
    settings = given.settings
    return Starter(
        given.factory,
        facts=given.identity.facts,
        folders=folders,
        code=lambda: code_source(given),
        spool=given.store.spool,
        limits=settings.limits,
        timeouts=settings.timeouts,
        capacity=lambda: given.paglet_limit,
        on_call=switch,
        on_line=given.on_line,
    )


def _make_admission(given: Given, starter: Starter) -> Admission:
    mine = given.identity
    return Admission(
        starter,
        me=given.identity.ref,
        allowed=allowed_prefixes(given.settings),
        explain_version=lambda other: explain_difference(other, mine.code_version, host=mine.name),
        limits=given.settings.limits,
    )


def make_moves(given: Given, core: Core) -> Moves:
    """Make the parts that change where and how a paglet lives."""
    packer = Packer(core.roster, core.folders.work)
    unpacker = Unpacker(core.store.spool, core.folders.work, given.settings.limits)
    departures = Departures(core, courier=core.courier, targets=core.targets, packer=packer)
    clones = Clones(
        core,
        courier=core.courier,
        targets=core.targets,
        packer=packer,
        unpacker=unpacker,
        settled=departures.settled,
    )
    inactivity = Inactivity(core)
    creation = Creation(
        core,
        starter=core.starter,
        admission=core.admission,
        folders=(core.folders.work, core.folders.persistent),
    )
    fencing = Fencing(core.roster, core.store, given.peers, given.calls, core.recorder)
    transfers = Transfers(core, courier=core.courier, fencing=fencing)
    return Moves(
        departures=departures,
        inactivity=inactivity,
        creation=creation,
        arrivals=_make_arrivals(given, core, unpacker),
        fencing=fencing,
        leaving=Leaving(core, departures=departures, inactivity=inactivity, creation=creation),
        verbs=Verbs(
            core,
            departures=departures,
            clones=clones,
            inactivity=inactivity,
            creation=creation,
            forwarding=core.forwarding,
            calls=given.calls,
        ),
        transfers=transfers,
        draining=Draining(
            core,
            admission=core.admission,
            departures=departures,
            inactivity=inactivity,
            transfers=transfers,
            hosts=given.peers,
        ),
    )


def _make_arrivals(given: Given, core: Core, unpacker: Unpacker) -> Arrivals:
    return Arrivals(
        core,
        starter=core.starter,
        admission=core.admission,
        unpacker=unpacker,
        limits=given.settings.limits,
    )


def bind(given: Given, core: Core, moves: Moves) -> None:
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


def make_restorer(given: Given, core: Core, moves: Moves) -> Restorer:
    """Make what brings rows back to life when the host starts."""
    return Restorer(
        core,
        inactivity=moves.inactivity,
        courier=core.courier,
        fencing=moves.fencing,
        rolled_back=given.rolled_back,
        work=core.folders.work,
    )
