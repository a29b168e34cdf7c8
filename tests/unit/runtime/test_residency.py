"""What a host does about its residents, case by case."""

import pytest

from paglets.model.enums import Launched, PagletStatus, ResidentLifecycle
from paglets.model.inactive import DeactivationPolicy
from paglets.model.launch import ResidentService, resident_id
from paglets.runtime.residency import (
    RESTING,
    RETIRED,
    IdleWatch,
    Next,
    decide_next,
    is_retired,
    look_interval,
    objection,
)
from tests.unit.runtime.samples import make_row

LAZY = ResidentService(class_name="tour:Tour", lifecycle=ResidentLifecycle.LAZY)
EAGER = ResidentService(class_name="tour:Tour", lifecycle=ResidentLifecycle.EAGER)
OTHER = ResidentService(class_name="tour:Other", place="launch.toml [[services]] no. 3")
BY_STATUS = [
    (PagletStatus.ACTIVE, Next.REST, Next.START),
    (PagletStatus.INACTIVE, Next.WAIT, Next.START),
    (PagletStatus.CRASHED, Next.REST, Next.START),
    (PagletStatus.UNREADABLE, Next.LEAVE_ALONE, Next.START),
    (PagletStatus.HELD, Next.LEAVE_ALONE, Next.LEAVE_ALONE),
    (PagletStatus.MOVING, Next.LEAVE_ALONE, Next.LEAVE_ALONE),
    (PagletStatus.CLONING, Next.LEAVE_ALONE, Next.LEAVE_ALONE),
    (PagletStatus.MOVED, Next.CREATE, Next.CREATE),
]


def row(status, **fields):
    if status is PagletStatus.INACTIVE:
        fields.setdefault("policy", RESTING)
    return make_row(status, **fields)


def test_every_status_has_its_case():
    assert {status for status, _, _ in BY_STATUS} == set(PagletStatus)


@pytest.mark.parametrize(("status", "lazy", "eager"), BY_STATUS)
def test_what_is_next_depends_on_the_row_and_on_when_it_is_to_run(status, lazy, eager):
    assert decide_next(row(status), LAZY, has_messages=False) is lazy
    assert decide_next(row(status), EAGER, has_messages=False) is eager


def test_without_a_row_one_is_made():
    for service in (LAZY, EAGER):
        assert decide_next(None, service, has_messages=False) is Next.CREATE


@pytest.mark.parametrize("status", [PagletStatus.ACTIVE, PagletStatus.CRASHED])
def test_a_lazy_one_with_stored_messages_is_started_for_them(status):
    assert decide_next(row(status), LAZY, has_messages=True) is Next.START


def test_a_lazy_one_that_nothing_would_wake_is_put_to_rest_properly():
    deaf = row(PagletStatus.INACTIVE, policy=DeactivationPolicy(activate_on_message=False))
    assert decide_next(deaf, LAZY, has_messages=False) is Next.REST
    assert decide_next(row(PagletStatus.INACTIVE, policy=RETIRED), LAZY, has_messages=False) is (
        Next.REST
    )


def test_a_row_of_another_class_is_left_alone_and_told_with_what_to_do():
    for status in (PagletStatus.ACTIVE, PagletStatus.INACTIVE):
        assert decide_next(row(status), OTHER, has_messages=True) is Next.LEAVE_ALONE
    told = objection(row(PagletStatus.ACTIVE), OTHER)
    assert told is not None
    for word in ("tour is a tour:Tour", "no. 3 declares tour:Other", "dispose tour", "agent_id"):
        assert word in told
    assert objection(row(PagletStatus.ACTIVE), LAZY) is None


@pytest.mark.parametrize(
    ("status", "launched", "declared", "retired"),
    [
        (PagletStatus.ACTIVE, Launched.RESIDENT, False, True),
        (PagletStatus.INACTIVE, Launched.RESIDENT, False, True),
        (PagletStatus.CRASHED, Launched.RESIDENT, False, True),
        (PagletStatus.UNREADABLE, Launched.RESIDENT, False, True),
        (PagletStatus.MOVED, Launched.RESIDENT, False, False),
        (PagletStatus.MOVING, Launched.RESIDENT, False, False),
        (PagletStatus.ACTIVE, Launched.RESIDENT, True, False),
        (PagletStatus.ACTIVE, Launched.PAGLET, False, False),
        (PagletStatus.ACTIVE, None, False, False),
    ],
)
def test_only_residents_that_are_no_longer_declared_are_retired(
    status, launched, declared, retired
):
    ids = frozenset({"tour"}) if declared else frozenset()
    assert is_retired(row(status, launched=launched), ids) is retired


def test_its_id_names_class_and_host_unless_said():
    assert (
        resident_id(ResidentService(class_name="m:ServerInfoAgent"), "beta") == "server-info.beta"
    )
    assert resident_id(ResidentService(class_name="m:X", agent_id="mine"), "beta") == "mine"


def test_idleness_counts_from_the_last_call():
    watch = IdleWatch(calls=3, since=10.0)
    assert watch.look(3, is_busy=False, now=14.0) == 4.0
    assert watch.look(4, is_busy=False, now=15.0) == 0.0
    assert watch.look(4, is_busy=False, now=17.5) == 2.5


def test_whoever_is_busy_is_not_idle_however_long_a_call_takes():
    watch = IdleWatch(calls=3, since=0.0)
    for now in (10.0, 1000.0):
        assert watch.look(3, is_busy=True, now=now) == 0.0
    assert watch.look(3, is_busy=False, now=1001.0) == 1.0


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [([], 15.0), ([300.0, 40.0], 10.0), ([300.0], 15.0), ([0.2], 0.05), ([0.001], 0.02)],
)
def test_looks_are_short_against_the_shortest_timeout(timeouts, seconds):
    assert look_interval(timeouts) == seconds
