"""The driver of residents: created, started, rested and retried, on a store of its own."""

from dataclasses import replace

import pytest

from paglets.model.enums import Hook, Launched, PagletStatus, ResidentLifecycle
from paglets.model.errors import ClassLoadError, PagletCrashedError, StateError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.launch import LaunchPlan, ResidentService, RestartTerms
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.residency import RESTING, RETIRED
from paglets.runtime.residentrows import ResidentRows
from paglets.runtime.residents import Residents
from paglets.store.rows import Due, QueuedMessage
from paglets.store.writes import DeleteRow, Expect, PutMessages
from paglets.wire.calls import HookDone, RunHook, Snapshot
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import MANIFEST, make_row

ID = "tour.alpha"
QUICK = RestartTerms(first_delay=0.01, longest_delay=0.02, max_restarts=3)
LAZY = ResidentService(class_name="tour:Tour", restart=QUICK, idle_timeout=0.05)
EAGER = replace(LAZY, lifecycle=ResidentLifecycle.EAGER)
HOOKED = replace(MANIFEST, hooks=(Hook.ON_CREATION.value,))


class Admitting:
    """Allows every class, unless told."""

    error = None

    def require_allowed(self, class_name):
        if self.error is not None:
            raise self.error


@pytest.fixture
def residents(bench):
    """Makes the driver for these services."""
    bench.starter.snapshot = Snapshot(data=b"first", size=5)
    bench.leased = set()
    inactivity = Inactivity(bench.common)
    bench.inactivity = inactivity

    def make(*services):
        made = Residents(
            LaunchPlan(residents=services),
            bench.common,
            inactivity=inactivity,
            rows=ResidentRows(
                bench.roster,
                bench.store,
                bench.commits,
                bench.starter,
                Admitting(),
                bench.recorder,
            ),
            is_leased=bench.leased.__contains__,
        )
        bench.activity.on_failed_restart(made.not_restarted)
        made.adopt()
        return made

    return make


async def is_active(bench, agent_id=ID):
    await until(lambda: (found := bench.roster.find(agent_id)) is not None and found.gate_open)


async def test_a_new_lazy_one_is_a_sleeping_row_that_messages_wake(bench, residents):
    bench.starter.manifest = HOOKED
    await residents(LAZY).prepare()
    row = bench.row(ID)
    assert (row.status, row.policy, row.launched) == (
        PagletStatus.INACTIVE,
        RESTING,
        Launched.RESIDENT,
    )
    assert bench.store.state(ID).data == b"first"
    assert row.due is not None
    assert (row.due.hook, row.due.attempt) == ("on_creation", 0)
    (link,) = bench.starter.links
    assert link.is_over


async def test_its_first_run_creates_it(bench, residents):
    bench.starter.manifest = HOOKED
    runs = []
    bench.starter.answers[RunHook] = lambda frame: (
        runs.append(frame.hook) or HookDone(call=frame.call)
    )
    await residents(LAZY).prepare()
    bench.inactivity.wake(bench.roster.get(ID))
    await is_active(bench)
    assert runs == ["on_creation"]


async def test_an_eager_one_runs_from_the_start(bench, residents):
    await residents(EAGER).prepare()
    await is_active(bench)
    assert bench.row(ID).status is PagletStatus.ACTIVE


async def test_every_process_of_one_is_single_so_that_no_spare_learns_it(bench, residents):
    await residents(EAGER).prepare()
    await is_active(bench)
    assert [birth.is_single for birth in bench.starter.births] == [True] * 2
    bench.roster.get(ID).link.process.exit(-9)
    await until(lambda: len(bench.starter.births) == 3)
    assert bench.starter.births[2].is_single


async def test_an_eager_one_finds_every_lazy_one_listed_as_soon_as_it_runs(bench, residents):
    lazy = [replace(LAZY, agent_id=f"lazy-{n}") for n in range(3)]
    await residents(EAGER, *lazy).prepare()
    assert [birth.agent_id for birth in bench.starter.births][:3] == [
        "lazy-0",
        "lazy-1",
        "lazy-2",
    ]


async def test_the_next_start_of_the_host_finds_the_row_and_makes_no_other(bench, residents):
    birth = make_row(PagletStatus.ACTIVE, agent_id=ID, launched=Launched.RESIDENT)
    await bench.put(birth)
    await residents(LAZY).prepare()
    row = bench.row(ID)
    assert (row.birth_id, row.status, row.policy) == ("birth", PagletStatus.INACTIVE, RESTING)
    assert bench.starter.births == []
    assert bench.roster.get(ID).starting is None


async def test_a_lazy_one_with_stored_messages_is_started_for_them(bench, residents):
    await bench.put(make_row(PagletStatus.ACTIVE, agent_id=ID))
    message = QueuedMessage(agent_id=ID, message_id="m1", priority=5, body=b"{}")
    await bench.store.commit(PutMessages((message,)))
    await residents(LAZY).prepare()
    await until(lambda: bench.row(ID).launched is Launched.RESIDENT)
    assert bench.row(ID).status is PagletStatus.ACTIVE


async def test_a_crashed_one_is_tried_again_by_the_next_start_of_the_host(bench, residents):
    await bench.put(make_row(PagletStatus.CRASHED, agent_id=ID, error="once"))
    made = residents(EAGER)
    assert bench.roster.get(ID).restart_pending
    await made.prepare()
    await is_active(bench)
    assert made.warnings() == []


@pytest.mark.parametrize(
    "error",
    [
        ClassLoadError("no module tour"),
        StateError("limit", "int", "text"),
        PagletCrashedError("end"),
    ],
)
async def test_one_that_cannot_be_made_is_told_and_tried_again(bench, residents, error):
    bench.starter.error = error
    made = residents(EAGER)
    await made.prepare()
    (told,) = made.warnings()
    assert ID in told
    assert error.message in told
    bench.starter.error = None
    await is_active(bench)
    assert made.warnings() == []


async def test_one_that_never_comes_up_is_given_up_and_stays_told(bench, residents):
    bench.starter.error = ClassLoadError("no module tour")
    made = residents(EAGER)
    await made.prepare()
    await until(lambda: any("stays down" in e.text for e in bench.recorder.read().events))
    assert len(made.warnings()) == 1
    failures = [e for e in bench.recorder.read().events if "does not run" in e.text]
    assert len(failures) == 1, "told once, not at each attempt"


async def test_a_restart_that_does_not_come_about_is_tried_again(bench, residents):
    made = residents(EAGER)
    await made.prepare()
    await is_active(bench)
    bench.starter.error = PagletCrashedError("it ended while it imported")
    bench.roster.get(ID).link.process.exit(-9)
    await until(lambda: len(bench.starter.births) > 3)
    bench.starter.error = None
    await is_active(bench)
    assert bench.row(ID).status is PagletStatus.ACTIVE


async def test_a_disposed_one_is_made_anew(bench, residents):
    made = residents(EAGER)
    await made.prepare()
    await is_active(bench)
    paglet = bench.roster.get(ID)
    first = paglet.row.birth_id
    link, paglet.link = paglet.link, None
    await link.end(grace=0)
    bench.roster.drop(ID)
    await bench.store.commit(DeleteRow(ID, Expect(PagletStatus.ACTIVE, paglet.row.epoch)))
    made.gone(ID)
    made.gone("somebody else")
    await is_active(bench)
    assert bench.row(ID).birth_id != first


async def test_a_host_that_stops_makes_none_anew(bench, residents):
    made = residents(LAZY)
    await made.prepare()
    bench.activity.stop()
    births = len(bench.starter.births)
    bench.roster.drop(ID)
    made.gone(ID)
    assert len(bench.starter.births) == births


async def test_one_that_is_no_longer_declared_sleeps_and_keeps_its_state(bench, residents):
    await bench.put(make_row(PagletStatus.ACTIVE, agent_id=ID, launched=Launched.RESIDENT))
    await bench.put(make_row(PagletStatus.ACTIVE, agent_id="own"))
    await residents().prepare()
    row = bench.row(ID)
    assert (row.status, row.policy) == (PagletStatus.INACTIVE, RETIRED)
    assert bench.store.state(ID).data == b"state"
    assert bench.row("own").status is PagletStatus.ACTIVE
    told = [e for e in bench.recorder.read().events if "no longer in launch.toml" in e.text]
    assert len(told) == 1
    await residents().prepare()
    assert len([e for e in bench.recorder.read().events if "no longer" in e.text]) == 1


async def test_a_row_of_another_class_is_left_alone_and_told(bench, residents):
    other = replace(MANIFEST, class_name="tour:Other")
    await bench.put(make_row(PagletStatus.INACTIVE, agent_id=ID, manifest=other))
    made = residents(EAGER)
    await made.prepare()
    (told,) = made.warnings()
    assert f"{ID} is a tour:Other" in told
    assert bench.roster.get(ID).resident is None
    assert bench.row(ID).status is PagletStatus.INACTIVE


async def test_new_code_is_asked_what_a_sleeping_one_offers(bench, residents):
    old = replace(MANIFEST, code_version="old")
    await bench.put(make_row(PagletStatus.INACTIVE, agent_id=ID, manifest=old, policy=RESTING))
    await residents(LAZY).prepare()
    await until(lambda: bench.row(ID).manifest == MANIFEST)
    assert [birth.check_only for birth in bench.starter.births] == [True]
    assert bench.row(ID).status is PagletStatus.INACTIVE


async def test_an_owed_creation_survives_a_host_that_went_in_it(bench, residents):
    due = Due(Hook.ON_CREATION.value, b"{}", 1)
    await bench.put(make_row(PagletStatus.ACTIVE, agent_id=ID, due=due, launched=Launched.RESIDENT))
    await residents(LAZY).prepare()
    assert bench.row(ID).due == due


async def test_an_idle_one_sleeps_and_a_leased_one_does_not(bench, residents):
    made = residents(LAZY, replace(LAZY, agent_id="clock"))
    await made.prepare()
    bench.tasks.start(made.run(), "residents")
    bench.leased.add(ID)
    for agent_id in (ID, "clock"):
        bench.inactivity.wake(bench.roster.get(agent_id))
        await is_active(bench, agent_id)
    await until(lambda: bench.row("clock").status is PagletStatus.INACTIVE)
    assert bench.row(ID).status is PagletStatus.ACTIVE
    bench.leased.clear()
    await until(lambda: bench.row(ID).status is PagletStatus.INACTIVE)
    assert bench.row(ID).policy == RESTING


async def test_an_eager_one_that_was_put_to_sleep_runs_again_when_code_is_renewed(bench, residents):
    made = residents(EAGER)
    await made.prepare()
    await is_active(bench)
    await bench.inactivity.deactivate(ID, DeactivationPolicy(), key=None)
    made.ensure()
    await is_active(bench)
