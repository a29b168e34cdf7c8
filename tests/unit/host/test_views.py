"""What `/events`, `/hosts`, `/health` and `/readyz` show of a host."""

import time
from dataclasses import replace

import pytest

from paglets.host.counting import counts_of
from paglets.host.identity import HostIdentity
from paglets.host.views import EventView, HealthView, HostView
from paglets.model.enums import PagletStatus
from paglets.model.errors import InvalidRequestError
from paglets.model.inactive import DeactivationPolicy
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from paglets.store.store import Store
from tests.unit.runtime.fakes import FakeHosts
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_moving, make_row

IDENTITY = HostIdentity(
    host_id=ALPHA.host_id,
    name=ALPHA.name,
    url=ALPHA.url,
    bind="0.0.0.0:8765",
    generation=7,
    boots=3,
    code_version="v1",
    properties={},
)


@pytest.fixture
def recorder():
    return Recorder("alpha")


@pytest.fixture
def events(recorder):
    return EventView(recorder)


def read(events, **wanted):
    asked = {"after": 0, "kind": None, "agent_id": None, "level": None, "limit": 100, **wanted}
    return events.read(**asked)


def test_events_are_told_in_order_with_where_to_go_on(recorder, events):
    for agent_id in ("a", "b", "c"):
        recorder.record("create", f"{agent_id} was created", agent_id=agent_id)
    first = read(events, limit=2)
    rest = read(events, after=first.next)
    assert [event.agent_id for event in (*first.events, *rest.events)] == ["a", "b", "c"]


def test_events_are_narrowed_by_kind_paglet_and_level(recorder, events):
    recorder.record("create", "was created", agent_id="a")
    recorder.record("crash", "crashed", agent_id="a", level="error")
    recorder.record("crash", "crashed", agent_id="b", level="error")
    assert [event.kind for event in read(events, agent_id="a").events] == ["create", "crash"]
    assert [event.agent_id for event in read(events, kind="crash").events] == ["a", "b"]
    assert [event.kind for event in read(events, level="warning").events] == ["crash", "crash"]


def test_a_filter_that_lets_nothing_pass_still_goes_on(recorder, events):
    recorder.record("create", "was created")
    page = read(events, kind="crash")
    assert page.events == ()
    assert page.next > 0


def test_a_level_that_there_is_not_is_refused_with_those_there_are(events):
    with pytest.raises(InvalidRequestError, match=r"warning.*'loud'"):
        read(events, level="loud")


def test_hosts_are_listed_by_name_with_this_one_among_them():
    hosts = HostView(FakeHosts(make_host(GAMMA), make_host(BETA)))
    assert [host.name for host in hosts.hosts()] == ["alpha", "beta", "gamma"]


def test_this_host_is_found_by_its_own_name_though_another_has_it_too():
    impostor = replace(make_host(BETA), name="alpha")
    hosts = HostView(FakeHosts(impostor))
    assert hosts.lookup("alpha").host_id == ALPHA.host_id
    assert hosts.lookup("delta") is None


@pytest.fixture
async def store(tmp_path):
    made = Store.open(tmp_path / "data", name="alpha", now=time.time)
    yield made
    made.close()


@pytest.fixture
def warned():
    return []


@pytest.fixture
def health(store, warned):
    return HealthView(
        IDENTITY,
        Roster(ALPHA),
        store,
        key_id="k1",
        paglet_limit=10,
        warnings=lambda: warned,
    )


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [("starting", False), ("ready", True), ("draining", True), ("stopping", False)],
)
def test_a_host_is_ready_while_it_answers_also_while_it_drains(health, status, is_ready):
    health.status = status
    assert health.ready is is_ready


def test_a_host_that_cannot_write_is_not_ready_and_says_so(health, store, warned, monkeypatch):
    health.status = "ready"
    warned.append("resident clock has crashed")
    monkeypatch.setattr(Store, "failure", "the disk is full")
    assert not health.ready
    assert health.health().warnings == ("resident clock has crashed", "the disk is full")


def test_draining_shows(health):
    health.drain()
    assert health.health().status == "draining"


def test_paglets_are_counted_by_how_they_are(store):
    roster = Roster(ALPHA)
    rows = [
        make_row(agent_id="a"),
        make_row(agent_id="b"),
        make_row(PagletStatus.INACTIVE, agent_id="c", policy=DeactivationPolicy()),
        make_row(PagletStatus.CRASHED, agent_id="d"),
        replace(make_moving(), agent_id="e"),
        replace(make_moving(status=PagletStatus.CLONING), agent_id="f"),
        make_row(PagletStatus.MOVED, agent_id="g", peer=BETA),
    ]
    for row in rows:
        roster.put(row)
    health = HealthView(IDENTITY, roster, store, key_id=None, paglet_limit=10, warnings=lambda: ())
    shown = health.health()
    assert (shown.active, shown.inactive, shown.in_doubt, shown.crashed) == (2, 1, 2, 1)
    assert (shown.name, shown.generation, shown.key_id) == ("alpha", 7, None)
    assert counts_of([roster]) == (2, 1)


def test_nothing_is_counted_before_there_is_a_roster():
    assert counts_of([]) == (0, 0)
