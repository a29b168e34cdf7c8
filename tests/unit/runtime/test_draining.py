"""Draining: each paglet moves, sleeps, has ended or is left, and a move in doubt is waited for."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from paglets.model.enums import PagletStatus, Verb
from paglets.model.errors import (
    HookError,
    HostNotFoundError,
    MoveInDoubtError,
    PagletNotFoundError,
    TransferError,
)
from paglets.runtime.draining import Draining
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster
from tests.unit.runtime.fakes import FakeHosts, until
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_moving, make_row

IN_DOUBT = MoveInDoubtError("beta has not answered yet")


class FakeDepartures:
    """Moves paglets, or does what the script of a paglet says, one entry a dispatch."""

    def __init__(self, roster):
        self.roster = roster
        self.scripts = {}
        self.made = []
        self.running = self.most_at_once = 0

    async def dispatch(self, agent_id, ticket, *, reason, key):
        self.made.append((agent_id, ticket.destination))
        paglet = self.roster.get(agent_id)
        with paglet.doing(Verb.DISPATCH):
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            script = self.scripts.get(agent_id, [])
            done = script.pop(0) if script else None
            if done is IN_DOUBT:
                paglet.become(make_moving(agent_id=agent_id))
            if done is not None:
                raise done
            peer = {"beta": BETA, "gamma": GAMMA}[ticket.destination]
            paglet.become(replace(paglet.row, status=PagletStatus.MOVED, peer=peer))


class FakeInactivity:
    def __init__(self, roster):
        self.roster = roster
        self.fails = None

    async def deactivate(self, agent_id, policy, *, key):
        if self.fails is not None:
            raise self.fails
        assert policy.activate_on_startup
        paglet = self.roster.get(agent_id)
        with paglet.doing(Verb.DEACTIVATE):
            paglet.become(replace(paglet.row, status=PagletStatus.INACTIVE, policy=policy))


class Stage:
    """A host that is to be drained, with beta and gamma beside it."""

    def __init__(self):
        self.roster = Roster(ALPHA)
        self.admission = SimpleNamespace(refuses=None)
        self.departures = FakeDepartures(self.roster)
        self.inactivity = FakeInactivity(self.roster)
        self.unsettled = [()]
        self.hosts = FakeHosts(make_host(BETA), make_host(GAMMA, active_count=5))
        self.draining = Draining(
            SimpleNamespace(roster=self.roster, recorder=Recorder("alpha")),
            admission=self.admission,
            departures=self.departures,
            inactivity=self.inactivity,
            transfers=SimpleNamespace(unsettled=self._unsettled),
            hosts=self.hosts,
        )
        self.answer = None

    def _unsettled(self):
        return self.unsettled.pop(0) if len(self.unsettled) > 1 else self.unsettled[0]

    def put(self, row=None, **fields):
        return self.roster.put(row or make_row(**fields))

    async def drain(self, *, to="auto", deadline=10.0):
        self.answer = await self.draining.drain(to=to, deadline=deadline)
        return {each.agent_id: each.outcome for each in self.answer.agents}

    async def drain_in_doubt(self, paglet, meanwhile):
        """Drain a paglet whose first move is left in doubt, until `meanwhile` has decided it."""
        self.departures.scripts.setdefault(paglet.agent_id, [IN_DOUBT])
        draining = asyncio.create_task(self.drain())
        await until(lambda: paglet.row.status is PagletStatus.MOVING)
        meanwhile()
        return await draining


@pytest.fixture
def stage(monkeypatch):
    monkeypatch.setattr("paglets.runtime.draining._LOOK_EVERY", 0.001)
    return Stage()


async def test_all_move_to_the_least_loaded_hosts_few_at_a_time_and_nothing_new_comes(stage):
    for number in range(12):
        stage.put(agent_id=f"p{number}", created_at=float(number))
    began = []
    stage.draining.began = lambda: began.append(stage.admission.refuses)
    assert set((await stage.drain()).values()) == {"moved"}
    assert began == ["draining"]
    assert stage.answer.is_empty
    assert stage.departures.most_at_once == 4
    # beta has none and gamma five: what was just sent counts too
    where = [each.host for each in stage.answer.agents]
    assert where.count("beta") > where.count("gamma") > 0


async def test_what_has_moved_crashed_or_is_a_resident_is_not_asked_to_leave(stage):
    for status in (PagletStatus.MOVED, PagletStatus.CRASHED, PagletStatus.HELD):
        stage.put(status=status, agent_id=status.value)
    stage.put(agent_id="resident").resident = object()
    assert await stage.drain() == {}
    assert stage.departures.made == []


async def test_a_paglet_that_every_host_refuses_sleeps_until_this_host_starts_again(stage):
    paglet = stage.put()
    stage.departures.scripts["tour"] = [TransferError("no room"), TransferError("other code")]
    assert await stage.drain() == {"tour": "asleep"}
    assert [host for _, host in stage.departures.made] == ["beta", "gamma"]
    assert paglet.row.status is PagletStatus.INACTIVE
    assert stage.answer.agents[0].text == "other code"
    assert stage.answer.is_empty


async def test_one_that_can_neither_move_nor_sleep_is_left_with_the_reason(stage):
    stage.put()
    stage.hosts.known = []
    stage.inactivity.fails = HookError("on_deactivating raised")
    assert await stage.drain() == {"tour": "left"}
    assert stage.answer.agents[0].text == "on_deactivating raised"
    assert not stage.answer.is_empty


async def test_a_host_that_cannot_be_used_is_named_before_anything_is_refused(stage):
    stage.hosts.known = [make_host(BETA, error="other code"), make_host(GAMMA, online=False)]
    for name in ("beta", "gamma", "delta"):
        with pytest.raises(HostNotFoundError, match=name):
            await stage.drain(to=name)
    assert stage.admission.refuses is None


async def test_in_doubt_and_then_accepted_has_moved(stage):
    paglet = stage.put()

    def accepted():
        paglet.become(replace(paglet.row, status=PagletStatus.MOVED))

    assert await stage.drain_in_doubt(paglet, accepted) == {"tour": "moved"}
    assert stage.answer.agents[0].host == "beta"
    assert len(stage.departures.made) == 1


async def test_in_doubt_and_then_refused_is_sent_again_and_elsewhere_where_that_refuses(stage):
    paglet = stage.put()
    stage.departures.scripts["tour"] = [IN_DOUBT, TransferError("no room")]
    home = paglet.row
    outcomes = await stage.drain_in_doubt(paglet, lambda: paglet.become(home))
    assert outcomes == {"tour": "moved"}
    assert [host for _, host in stage.departures.made] == ["beta", "beta", "gamma"]
    assert stage.answer.agents[0].host == "gamma"


async def test_in_doubt_to_the_deadline_is_left_and_others_have_moved(stage):
    stage.put()
    stage.put(agent_id="other")
    stage.departures.scripts["tour"] = [IN_DOUBT]
    assert await stage.drain(deadline=0.1) == {"tour": "left", "other": "moved"}
    assert stage.answer.agents[0].text == IN_DOUBT.message
    assert not stage.answer.is_empty


async def test_those_in_doubt_take_no_place_from_others(stage):
    for number in range(8):
        stage.put(agent_id=f"doubtful{number}", created_at=0.0)
        stage.departures.scripts[f"doubtful{number}"] = [IN_DOUBT]
    last = stage.put(agent_id="last", created_at=1.0)
    draining = asyncio.create_task(stage.drain(deadline=0.3))
    await until(lambda: last.row.status is PagletStatus.MOVED)
    assert not draining.done()
    assert (await draining)["last"] == "moved"


async def test_one_that_was_in_doubt_before_the_drain_is_waited_for_too(stage):
    paglet = stage.put(make_moving())
    draining = asyncio.create_task(stage.drain())
    await until(lambda: stage.departures.made)
    paglet.become(replace(paglet.row, status=PagletStatus.MOVED))
    assert await draining == {"tour": "moved"}


async def test_one_that_is_disposed_meanwhile_is_gone(stage):
    paglet = stage.put()
    home = paglet.row

    def refused_and_disposed():
        paglet.become(home)
        stage.roster.drop("tour")

    assert await stage.drain_in_doubt(paglet, refused_and_disposed) == {"tour": "gone"}
    assert stage.answer.is_empty


async def test_one_that_ends_while_it_is_busy_is_gone(stage):
    paglet = stage.put()
    with paglet.doing(Verb.CLONE):
        draining = asyncio.create_task(stage.drain())
        await until(lambda: stage.departures.made)
        stage.roster.drop("tour")
    assert await draining == {"tour": "gone"}
    assert stage.answer.is_empty


@pytest.mark.parametrize("hosts", [[make_host(BETA)], []], ids=["moving", "put to sleep"])
async def test_one_that_ends_while_it_is_sent_away_or_put_to_sleep_is_gone(stage, hosts):
    stage.put()
    stage.hosts.known = hosts

    async def end(agent_id, *_args, **_options):
        stage.roster.drop(agent_id)
        raise PagletNotFoundError(f"{agent_id} was disposed")

    stage.departures.dispatch = stage.inactivity.deactivate = end
    assert await stage.drain() == {"tour": "gone"}
    assert stage.answer.is_empty


async def test_a_clone_in_doubt_that_is_refused_is_gone(stage):
    clone = stage.put(make_moving(status=PagletStatus.CLONING))
    draining = asyncio.create_task(stage.drain())
    await until(lambda: stage.departures.made)
    # Its row goes with the refusal: there is none that would say what it is now.
    stage.roster.drop("tour")
    assert clone.row.status is PagletStatus.CLONING
    assert await draining == {"tour": "gone"}


async def test_one_that_is_busy_leaves_when_that_is_over(stage):
    paglet = stage.put()
    with paglet.doing(Verb.CLONE):
        draining = asyncio.create_task(stage.drain())
        await until(lambda: stage.departures.made)
    assert await draining == {"tour": "moved"}


async def test_one_that_is_busy_to_the_deadline_is_left(stage):
    paglet = stage.put()
    with paglet.doing(Verb.CLONE):
        assert await stage.drain(deadline=0.05) == {"tour": "left"}
    assert "busy with clone" in stage.answer.agents[0].text


async def test_transfers_that_are_not_settled_are_waited_for_and_told(stage):
    stage.unsettled = [("t1", "t2"), ("t2",), ()]
    await stage.drain()
    assert stage.answer.unsettled == ()
    assert stage.answer.is_empty
    stage.unsettled = [("t3",)]
    await stage.drain(deadline=0.02)
    assert stage.answer.unsettled == ("t3",)
    assert not stage.answer.is_empty
