"""Leases of one host, both ways: who is asked, what is given back, and what nobody can be told."""

import asyncio
from dataclasses import replace

import pytest

from paglets.mesh.members import Change
from paglets.mesh.notices import MeshEvent
from paglets.model.enums import PagletStatus
from paglets.model.errors import (
    ConflictError,
    HostUnreachableError,
    InvalidNameError,
    InvalidRequestError,
    LifecycleError,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import PagletProxyRef
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.leases import Leases
from paglets.runtime.starter import Birth
from paglets.wire.bodies import AgentInfo, LeaseAnswer, LeaseBody, ServiceBody
from paglets.wire.hostcalls import LeaseCall
from tests.unit.runtime.fakes import unreachable, until
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_row

AWAKE, ASLEEP = "waiter", "sleeper"
GRANTED = LeaseAnswer(lease_id="any", ttl_seconds=60.0)


@pytest.fixture
def leases(bench):
    inactivity = Inactivity(bench.common)
    return Leases(bench.roster, inactivity, bench.forwarding, bench.hosts, bench.calls, bench.tasks)


@pytest.fixture
async def owner(bench):
    """A paglet with a process, on alpha."""
    paglet = await bench.put(make_row(agent_id="guest"))
    paglet.link, _ = await bench.starter.launch(Birth(agent_id="guest", class_name="tour:Tour"))
    return paglet


def body(lease_id="l1", ttl=60.0, **fields):
    return LeaseBody(lease_id=lease_id, ttl_seconds=ttl, **fields)


def call(place=BETA, *, ttl=60.0, lease_id=None, agent_id=AWAKE):
    ref = PagletProxyRef(
        host_url=place.url, agent_id=agent_id, host_id=place.host_id, host_name=place.name
    )
    service = ServiceBody(name="waiter", version="1", provider=ref)
    return LeaseCall(service=service, ttl=ttl, lease_id=lease_id)


async def put_awake(bench):
    paglet = await bench.put(make_row(agent_id=AWAKE))
    paglet.link, _ = await bench.starter.launch(Birth(agent_id=AWAKE, class_name="tour:Tour"))
    return paglet


async def put_asleep(bench, policy=None):
    policy = policy or DeactivationPolicy()
    return await bench.put(make_row(PagletStatus.INACTIVE, agent_id=ASLEEP, policy=policy))


def given_back(bench):
    return [each for _, _, each in bench.calls.named("lease") if each.ttl_seconds == 0]


async def test_a_lease_holds_until_it_is_released(bench, leases):
    await put_awake(bench)
    assert await leases.serve(AWAKE, body()) == LeaseAnswer(lease_id="l1", ttl_seconds=60.0)
    assert leases.is_leased(AWAKE)
    await leases.serve(AWAKE, body(ttl=0.0))
    assert not leases.is_leased(AWAKE)


async def test_a_new_lease_starts_who_sleeps_and_is_granted_when_it_runs(bench, leases):
    paglet = await put_asleep(bench)
    await leases.serve(ASLEEP, body())
    assert paglet.row.status is PagletStatus.ACTIVE
    assert paglet.gate_open
    assert leases.is_leased(ASLEEP)


async def test_many_leases_at_once_start_it_once(bench, leases):
    await put_asleep(bench)
    await asyncio.gather(*(leases.serve(ASLEEP, body(f"l{n}")) for n in range(64)))
    assert len(bench.starter.births) == 1


async def test_where_the_start_fails_there_is_no_lease(bench, leases):
    await put_asleep(bench)
    bench.starter.error = PagletCrashedError("it ended at once")
    with pytest.raises(PagletCrashedError):
        await leases.serve(ASLEEP, body())
    assert not leases.is_leased(ASLEEP)


@pytest.mark.parametrize(
    ("status", "fields", "error"),
    [
        (PagletStatus.MOVED, {"peer": BETA}, PagletNotFoundError),
        (PagletStatus.CRASHED, {"error": "no"}, PagletCrashedError),
        (PagletStatus.UNREADABLE, {"error": "no"}, LifecycleError),
        (PagletStatus.HELD, {"error": "no"}, LifecycleError),
        (
            PagletStatus.INACTIVE,
            {"policy": DeactivationPolicy(activate_on_message=False)},
            PagletInactiveError,
        ),
    ],
)
async def test_who_can_serve_nobody_is_not_leased(bench, leases, status, fields, error):
    await bench.put(make_row(status, agent_id=AWAKE, **fields))
    with pytest.raises(error):
        await leases.serve(AWAKE, body())
    assert not leases.is_leased(AWAKE)


async def test_who_is_about_to_be_restarted_may_be_leased(bench, leases):
    paglet = await bench.put(make_row(PagletStatus.CRASHED, agent_id=AWAKE, error="once"))
    paglet.restart_pending = True
    await leases.serve(AWAKE, body())
    assert leases.is_leased(AWAKE)


@pytest.mark.parametrize("bad", [body(ttl=-1.0), body(ttl=1e9), body(ttl=float("nan"))])
async def test_a_length_that_is_none_is_refused(bench, leases, bad):
    await put_awake(bench)
    with pytest.raises(InvalidRequestError):
        await leases.serve(AWAKE, bad)
    assert not leases.is_leased(AWAKE)


async def test_an_id_that_is_no_name_is_refused(bench, leases):
    await put_awake(bench)
    with pytest.raises(InvalidNameError):
        await leases.serve(AWAKE, body("a/b"))


async def test_a_disposed_provider_is_held_by_nobody(bench, leases):
    await put_awake(bench)
    await leases.serve(AWAKE, body())
    leases.gone(AWAKE)
    with pytest.raises(ConflictError):
        await leases.serve(AWAKE, body(renews=True))


@pytest.mark.parametrize(
    ("change", "generation", "is_kept"),
    [
        (Change.DIED, 7, False),
        (Change.LEFT, 7, False),
        (Change.JOINED, 8, False),
        (Change.JOINED, 7, True),
        (Change.DIED, 6, True),
        (Change.SUSPECTED, 7, True),
        (Change.UPDATED, 8, True),
    ],
)
async def test_what_paglets_of_a_host_held_goes_with_that_life_of_it(
    bench, leases, change, generation, is_kept
):
    await put_awake(bench)
    await leases.serve(AWAKE, body(owner_host_id=BETA.host_id, owner_generation=7))
    leases.heard(MeshEvent(change, replace(make_host(BETA), generation=generation)))
    assert leases.is_leased(AWAKE) is is_kept


async def test_the_host_of_the_provider_is_asked_in_the_owner_s_name(bench, leases, owner):
    bench.calls.answer("lease", GRANTED)
    reply = await leases.ask(owner, call())
    ((peer, agent_id, asked),) = bench.calls.named("lease")
    assert (peer, agent_id, asked.ttl_seconds, asked.renews) == (BETA, AWAKE, 60.0, False)
    assert (asked.owner_host_id, asked.owner_agent_id) == (ALPHA.host_id, "guest")
    assert (reply.lease_id, reply.ttl) == (asked.lease_id, 60.0)


async def test_a_renewal_goes_where_the_lease_is(bench, leases, owner):
    bench.calls.answer("lease", GRANTED)
    lease_id = (await leases.ask(owner, call())).lease_id
    await leases.ask(owner, call(lease_id=lease_id, ttl=5.0))
    asked = bench.calls.named("lease")[1][2]
    assert (asked.lease_id, asked.ttl_seconds, asked.renews) == (lease_id, 5.0, True)


async def test_a_lease_that_is_over_there_is_forgotten_here(bench, leases, owner):
    bench.calls.answer("lease", GRANTED, ConflictError("it has expired"))
    lease_id = (await leases.ask(owner, call())).lease_id
    for _ in range(2):
        with pytest.raises(ConflictError):
            await leases.ask(owner, call(lease_id=lease_id))
    assert len(bench.calls.named("lease")) == 2


async def test_nobody_renews_what_another_holds(bench, leases, owner):
    await put_awake(bench)
    await leases.serve(AWAKE, body("l1"))
    with pytest.raises(ConflictError, match="holds no lease l1"):
        await leases.ask(owner, call(ALPHA, lease_id="l1"))


@pytest.mark.parametrize("place", [ALPHA, BETA])
async def test_a_provider_that_has_moved_on_is_leased_where_it_is(bench, leases, owner, place):
    if place is ALPHA:
        await bench.put(make_row(PagletStatus.MOVED, agent_id=AWAKE, peer=BETA))
    bench.hosts.known = [make_host(GAMMA)]
    found = AgentInfo(
        agent_id=AWAKE,
        class_name="tour:Tour",
        status="active",
        host_name="gamma",
        host_url=GAMMA.url,
    )
    bench.calls.answer("locate", found)
    bench.calls.answer("lease", PagletNotFoundError("it is not here"), GRANTED)
    await leases.ask(owner, call(place))
    (first, _, one), (second, _, two) = bench.calls.named("lease")
    assert (first, second.url) == (BETA, GAMMA.url)
    assert one.lease_id == two.lease_id


async def test_a_release_never_fails_for_its_owner(bench, leases, owner):
    bench.calls.answer("lease", GRANTED, unreachable(connected=True))
    lease_id = (await leases.ask(owner, call())).lease_id
    for _ in range(2):
        assert (await leases.ask(owner, call(lease_id=lease_id, ttl=0.0))).ttl == 0.0
    await bench.calls.until("lease", 2)
    assert [each.lease_id for each in given_back(bench)] == [lease_id]


async def test_one_that_was_not_granted_is_given_back_in_case_it_was(bench, leases, owner):
    bench.calls.answer("lease", unreachable(connected=True), GRANTED)
    with pytest.raises(HostUnreachableError):
        await leases.ask(owner, call())
    await bench.calls.until("lease", 2)
    (asked, _, _), (_, _, back) = bench.calls.named("lease")
    assert (asked, back.ttl_seconds) == (BETA, 0.0)


async def test_all_that_an_owner_held_is_given_back_when_its_process_ends(bench, leases, owner):
    await put_awake(bench)
    bench.calls.answer("lease", GRANTED)
    there = (await leases.ask(owner, call())).lease_id
    await leases.ask(owner, call(ALPHA))
    assert leases.is_leased(AWAKE)
    owner.link.process.exit(-9)
    await bench.calls.until("lease", 2)
    await until(lambda: not leases.is_leased(AWAKE))
    assert [each.lease_id for each in given_back(bench)] == [there]


async def test_an_owner_that_ends_while_it_asks_holds_nothing(bench, leases, owner):
    answer = asyncio.get_running_loop().create_future()
    bench.calls.answer("lease", answer, GRANTED)
    asking = asyncio.ensure_future(leases.ask(owner, call()))
    await bench.calls.until("lease")
    link = owner.link
    link.process.exit(-9)
    await until(lambda: link.is_over)
    answer.set_result(GRANTED)
    await asking
    await until(lambda: given_back(bench))
    taken = bench.calls.named("lease")[0][2]
    assert {each.lease_id for each in given_back(bench)} == {taken.lease_id}


async def test_who_is_leaving_takes_no_lease(bench, leases):
    paglet = await bench.put(make_row(agent_id="guest"))
    with pytest.raises(LifecycleError, match="leaving"):
        await leases.ask(paglet, call())
