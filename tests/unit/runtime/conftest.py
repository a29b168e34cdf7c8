"""The parts of a host that need no other host and no process, on a store of their own."""

import time
from dataclasses import dataclass, field

import pytest

from paglets.config.settings import Limits, Timeouts
from paglets.runtime.activity import Activity
from paglets.runtime.admission import Admission
from paglets.runtime.arrivals import Arrivals
from paglets.runtime.commits import Commits, lean
from paglets.runtime.common import Common
from paglets.runtime.courier import Courier
from paglets.runtime.fencing import Fencing
from paglets.runtime.forwarding import Forwarding
from paglets.runtime.idempotency import Once
from paglets.runtime.quiescing import Quiescer
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.runtime.tasks import Tasks
from paglets.runtime.unpacking import Unpacker
from paglets.store.store import Store
from paglets.store.writes import PutRow, PutTransfer
from paglets.supervise.restarts import RestartLimits
from tests.unit.runtime.fakes import FakeCalls, FakeHosts, FakeStarter
from tests.unit.runtime.samples import ALPHA

TIMEOUTS = Timeouts(
    connect=0.02, outcome=0.3, retry_first=0.001, retry_most=0.002, hook=5.0, quiesce=1.0
)


@dataclass
class Bench:
    """One host's parts, wired as `host/build.py` does, with fakes at the rim."""

    store: Store
    calls: FakeCalls = field(default_factory=FakeCalls)
    hosts: FakeHosts = field(default_factory=FakeHosts)
    starter: FakeStarter = field(default_factory=FakeStarter)
    tasks: Tasks = field(default_factory=Tasks)
    recorder: Recorder = field(default_factory=lambda: Recorder("alpha"))
    roster: Roster = field(default_factory=lambda: Roster(ALPHA))

    def __post_init__(self):
        self.commits = Commits(self.store, self.store.spool)
        self.activity = Activity(
            self.starter,
            self.commits,
            self.store,
            self.recorder,
            self.tasks,
            timeouts=TIMEOUTS,
            restarts=RestartLimits(first_delay=0.01),
        )
        self.activity.pump = lambda paglet: None
        self.activity.fail_messages = lambda paglet, error, queued: None
        self.courier = Courier(
            self.roster,
            self.store,
            self.commits,
            self.calls,
            self.recorder,
            self.tasks,
            timeouts=TIMEOUTS,
        )
        self.quiescer = Quiescer(self.commits, TIMEOUTS)
        self.common = Common(
            roster=self.roster,
            store=self.store,
            commits=self.commits,
            activity=self.activity,
            quiescer=self.quiescer,
            once=Once(self.store),
            recorder=self.recorder,
            tasks=self.tasks,
            timeouts=TIMEOUTS,
        )
        self.resumed, self.moved = [], []

        async def resume(paglet, error):
            self.resumed.append((paglet.agent_id, error))

        async def moved(paglet, before):
            self.moved.append(paglet.agent_id)

        self.courier.resume, self.courier.moved = resume, moved
        self.fencing = Fencing(self.roster, self.store, self.hosts, self.calls, self.recorder)
        self.forwarding = Forwarding(self.roster, self.store, self.hosts, self.calls)

    async def put(self, row, *records):
        """Commit a row and its records, and take the paglet in."""
        await self.store.commit(PutRow(row, None), *map(PutTransfer, records))
        return self.roster.put(lean(row))

    def kinds(self):
        return [event.kind for event in self.recorder.read().events]

    def row(self, agent_id="tour"):
        return self.store.row(agent_id)


@pytest.fixture
async def bench(tmp_path):
    store = Store.open(tmp_path / "data", name="alpha", now=time.time)
    made = Bench(store)
    yield made
    await made.tasks.close(timeout=5)
    for link in made.starter.links:
        await link.end(grace=0)
    store.close()


@pytest.fixture
def arrivals(bench, tmp_path):
    bench.admission = Admission(
        bench.starter,
        me=lambda: bench.hosts.me,
        allowed=("tour",),
        explain_version=lambda other: other,
        limits=Limits(),
    )
    made = Arrivals(
        bench.common,
        starter=bench.starter,
        admission=bench.admission,
        unpacker=Unpacker(bench.store.spool, tmp_path / "work", Limits()),
        limits=Limits(),
    )
    made.superseded = bench.courier.superseded
    return made
