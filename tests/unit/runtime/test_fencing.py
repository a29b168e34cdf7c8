"""Of one birth the higher epoch wins, wherever that is noticed."""

import asyncio

import pytest

from paglets.model.enums import Hook, PagletStatus, TransferOutcome
from paglets.model.errors import LifecycleError
from paglets.model.refs import Epoch
from paglets.wire.bodies import Claim, FenceAnswer, FenceBody
from tests.unit.runtime.fakes import unreachable
from tests.unit.runtime.samples import (
    ALPHA,
    BETA,
    GAMMA,
    make_host,
    make_moving,
    make_record,
    make_row,
)


def claim(epoch, owner=BETA, birth_id="birth", agent_id="tour"):
    return Claim(agent_id=agent_id, birth_id=birth_id, epoch=epoch, owner=owner)


async def running(bench, **fields):
    paglet = await bench.put(make_row(**fields))
    await bench.activity.restart(paglet, Hook.ON_ACTIVATION, b"{}")
    return paglet


async def test_a_higher_claim_stops_the_copy_and_leaves_a_tombstone(bench):
    paglet = await running(bench)
    link, handed = paglet.link, []
    bench.fencing.superseded = handed.append
    answer = await bench.fencing.fence(FenceBody(claims=(claim(Epoch(0, 3)),)))
    assert answer == FenceAnswer(superseded=())
    assert link.is_over
    assert (paglet.link, paglet.gate_open) == (None, False)
    assert bench.row().status is paglet.row.status is PagletStatus.MOVED
    assert (paglet.row.peer, paglet.row.epoch) == (BETA, Epoch(0, 3))
    assert handed == [paglet]
    assert "fenced" in bench.kinds()


async def test_a_lower_claim_is_answered_with_what_this_host_knows(bench):
    await bench.put(make_row(epoch=Epoch(0, 3)))
    answer = await bench.fencing.fence(FenceBody(claims=(claim(Epoch(0, 1)),)))
    assert answer.superseded == (claim(Epoch(0, 3), ALPHA),)


@pytest.mark.parametrize("status", [PagletStatus.MOVED, PagletStatus.MOVING])
async def test_a_tombstone_names_the_host_that_the_paglet_went_to(bench, status):
    await bench.put(make_row(status, epoch=Epoch(0, 3), peer=GAMMA))
    answer = await bench.fencing.fence(FenceBody(claims=(claim(Epoch(0, 1)),)))
    assert answer.superseded == (claim(Epoch(0, 3), GAMMA),)


async def test_equals_other_births_and_unknown_ones_are_left_alone(bench):
    paglet = await bench.put(make_row(epoch=Epoch(0, 1)))
    claims = (
        claim(Epoch(0, 1)),
        claim(Epoch(9, 9), birth_id="other"),
        claim(Epoch(9, 9), agent_id="unknown"),
    )
    assert await bench.fencing.fence(FenceBody(claims=claims)) == FenceAnswer(superseded=())
    assert paglet.row.status is PagletStatus.ACTIVE


async def test_a_claim_further_on_settles_the_promise_it_proves(bench):
    await bench.put(make_moving(), make_record())
    await bench.fencing.fence(FenceBody(claims=(claim(Epoch(0, 4), GAMMA),)))
    assert bench.row().status is PagletStatus.MOVED
    assert bench.store.transfer("t1").outcome is TransferOutcome.ACCEPTED


async def test_the_only_copy_of_a_restored_host_is_held(bench):
    paglet = await running(bench)
    handed = []
    bench.fencing.superseded = handed.append
    bench.calls.answer("fence", FenceAnswer(superseded=(claim(Epoch(0, 2), ALPHA),)))
    await bench.fencing.compare(make_host(BETA))
    assert paglet.row.status is PagletStatus.HELD
    assert paglet.link is None
    assert handed == []


async def test_what_this_host_owns_is_compared_and_what_it_lost_stops(bench):
    paglet = await running(bench)
    await bench.put(make_row(PagletStatus.MOVED, agent_id="gone", peer=BETA))
    bench.calls.answer("fence", FenceAnswer(superseded=(claim(Epoch(0, 2)),)))
    await bench.fencing.compare(make_host(BETA))
    ((peer, body),) = bench.calls.named("fence")
    assert peer == BETA
    assert body.claims == (claim(Epoch(0, 0), ALPHA),)
    assert paglet.row.status is PagletStatus.MOVED


async def test_a_host_that_is_silent_stops_nothing(bench):
    bench.hosts.known = [make_host(BETA), make_host(GAMMA, online=False)]
    paglet = await bench.put(make_row())
    bench.calls.answer("fence", unreachable(connected=False))
    await bench.fencing.compare_all(timeout=1.0)
    assert len(bench.calls.named("fence")) == 1
    assert paglet.row.status is PagletStatus.ACTIVE


async def test_a_comparison_cut_off_leaves_row_and_memory_in_step(bench):
    """A host that starts waits a moment for its peers; the tombstone being written then counts."""
    bench.hosts.known = [make_host(BETA)]
    paglet = await bench.put(make_row())
    bench.calls.answer("fence", FenceAnswer(superseded=(claim(Epoch(0, 2)),)))
    written, go, commit = asyncio.Event(), asyncio.Event(), bench.store.commit

    async def slow(*writes, **options):
        await commit(*writes, **options)
        written.set()
        await go.wait()

    bench.store.commit = slow
    comparing = asyncio.ensure_future(bench.fencing.compare(make_host(BETA)))
    await written.wait()
    comparing.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    async with paglet.committing:
        assert paglet.row.status is PagletStatus.MOVED


async def fence(bench):
    await bench.fencing.fence(FenceBody(claims=(claim(Epoch(0, 3)),)))


async def test_a_copy_fenced_while_its_process_is_loaded_is_not_started(bench):
    paglet = await bench.put(make_row())
    bench.starter.before_loaded = lambda: fence(bench)
    with pytest.raises(LifecycleError):
        await bench.activity.revive(paglet, "recovered")
    assert bench.row().status is paglet.row.status is PagletStatus.MOVED
    assert paglet.link is None
    assert bench.starter.links[0].is_over


async def test_a_copy_fenced_in_its_hook_stays_a_tombstone(bench):
    from paglets.model.errors import PagletCrashedError, PagletsError
    from paglets.model.manifest import ClassManifest
    from paglets.wire.calls import RunHook

    manifest = ClassManifest(
        class_name="tour:Tour", state_class=None, code_version="1", hooks=("on_activation",)
    )
    bench.starter.manifest = manifest

    async def fenced(frame):
        await fence(bench)

    bench.starter.answers = {RunHook: fenced}
    paglet = await bench.put(make_row(manifest=manifest))
    with pytest.raises((PagletCrashedError, PagletsError)):
        await bench.activity.revive(paglet, "recovered")
    assert bench.row().status is paglet.row.status is PagletStatus.MOVED
    assert bench.row().epoch == Epoch(0, 3)
