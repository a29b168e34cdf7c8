"""From the check to the promise: whatever fails before MOVING leaves the paglet here."""

import asyncio
import contextlib

import pytest

from paglets.failpoints import arm, disarm
from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome, Verb
from paglets.model.errors import (
    BusyError,
    CodeVersionError,
    HookError,
    LifecycleError,
    MoveInDoubtError,
    PagletCrashedError,
    PagletNotFoundError,
    StorageFullError,
    TransferError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import Epoch
from paglets.model.transfer import TransferTicket
from paglets.runtime.courier import envelope_of
from paglets.runtime.creation import Creation
from paglets.runtime.delivery import Delivery
from paglets.runtime.departures import Departures
from paglets.runtime.inactivity import Inactivity
from paglets.runtime.lane import Lane
from paglets.runtime.packing import Packer
from paglets.runtime.targets import Targets
from paglets.testing.waiting import turn
from paglets.wire.bodies import CheckAnswer, Claim, FenceBody, ReplyBody
from paglets.wire.calls import Deliver, Delivered, Failed, OpenGate, Quiesce
from paglets.wire.failures import encode_failure
from paglets.wire.messages import decode_message
from tests.unit.runtime.fakes import unreachable, until, word
from tests.unit.runtime.samples import (
    BETA,
    make_body,
    make_host,
    make_moving,
    make_record,
    make_row,
)

TICKET = TransferTicket(destination="beta", retry_interval=0.0)
YES = CheckAnswer(
    host_id="id-beta", name="beta", url="http://beta:8765", protocol=1, code_version="v1"
)


@pytest.fixture
def verbs(bench, tmp_path):
    """Departures, inactivity and creation on the bench."""
    bench.hosts.known = [make_host(BETA)]
    bench.calls.answer("check", YES)
    bench.calls.answer("settled", None)
    bench.departures = Departures(
        bench.common,
        courier=bench.courier,
        targets=Targets(bench.roster, bench.hosts, bench.calls),
        packer=Packer(bench.roster, tmp_path / "work"),
    )
    bench.inactivity = Inactivity(bench.common)
    bench.creation = Creation(
        bench.common,
        starter=bench.starter,
        admission=None,
        folders=(tmp_path / "work",),
    )
    bench.courier.resume = bench.departures.resume
    return bench


async def running(bench):
    paglet = await bench.put(make_row())
    await bench.activity.revive(paglet, "recovered")
    return paglet


async def dispatch(bench, *, key=None):
    return await bench.departures.dispatch("tour", TICKET, reason=EnvelopeKind.DISPATCH, key=key)


async def fence(bench, epoch=Epoch(0, 3)):
    claim = Claim(agent_id="tour", birth_id="birth", epoch=epoch, owner=BETA)
    await bench.fencing.fence(FenceBody(claims=(claim,)))


def _fence_once_taken(verbs):
    taking = verbs.quiescer.taking

    @contextlib.asynccontextmanager
    async def fenced(*args, **options):
        async with taking(*args, **options) as taken:
            await fence(verbs)
            yield taken

    verbs.quiescer.taking = fenced


async def test_a_move_carries_what_the_process_left_as_its_last_act(verbs):
    paglet = await running(verbs)
    old = paglet.link
    verbs.calls.answer("offer", word("accepted"))
    verbs.calls.scripts["offer"] = [
        lambda peer, transfer_id, *_: word("accepted", transfer_id=transfer_id)
    ]
    ref = await dispatch(verbs)
    assert (ref.host_name, ref.epoch) == ("beta", Epoch(0, 1))
    ((_, _, header, parts),) = verbs.calls.named("offer")
    assert parts == [b"left"]
    assert old.is_over
    assert old.has_left
    assert verbs.row().status is PagletStatus.MOVED
    assert header[:4] == b"PGLT"


async def test_a_refusal_by_the_check_changes_nothing(verbs):
    paglet = await running(verbs)
    link = paglet.link
    verbs.calls.answer("check", CodeVersionError("other code"))
    with pytest.raises(TransferError):
        await dispatch(verbs)
    assert paglet.link is link
    assert paglet.gate_open
    assert link.process.sent(Quiesce) == []
    assert verbs.row().epoch == Epoch(0, 0)


async def test_a_hook_that_raises_leaves_the_same_process_answering(verbs):
    failure = encode_failure(HookError("on_dispatching raised"))
    verbs.starter.answers = {Quiesce: lambda frame: Failed(call=frame.call, failure=failure)}
    paglet = await running(verbs)
    link = paglet.link
    with pytest.raises(HookError):
        await dispatch(verbs)
    assert paglet.link is link
    assert paglet.gate_open
    assert len(link.process.sent(OpenGate)) == 2


async def test_a_full_disk_under_the_promise_starts_it_again_from_what_was_taken(verbs):
    paglet = await running(verbs)
    arm("move.moving_commit=enospc*1")
    try:
        with pytest.raises(StorageFullError):
            await dispatch(verbs)
    finally:
        disarm()
    assert verbs.starter.births[-1].state.data == b"left"
    assert paglet.gate_open
    assert verbs.row().status is PagletStatus.ACTIVE
    assert paglet.travelled == frozenset()


async def test_a_process_that_ends_while_it_is_asked_to_leave_is_one_crash(verbs):
    def die(frame):
        verbs.starter.links[0].process.exit(1)

    verbs.starter.answers = {Quiesce: die}
    await running(verbs)
    with pytest.raises(PagletCrashedError):
        await dispatch(verbs)
    await until(lambda: verbs.row().status is PagletStatus.CRASHED)
    assert verbs.kinds().count("crash") == 1
    assert verbs.calls.named("offer") == []


async def test_nothing_is_offered_while_its_old_process_exits(verbs):
    process = (await running(verbs)).link.process
    process.lingers = True
    verbs.calls.scripts["offer"] = [
        lambda peer, transfer_id, *_: word("accepted", transfer_id=transfer_id)
    ]
    moving = asyncio.create_task(dispatch(verbs))
    await until(lambda: verbs.row().status is PagletStatus.MOVING)
    await turn()
    assert verbs.calls.named("offer") == []
    process.exit(0)
    await moving
    assert verbs.row().status is PagletStatus.MOVED


async def test_a_process_that_does_not_exit_is_killed_before_anything_is_offered(
    verbs, monkeypatch
):
    monkeypatch.setattr("paglets.runtime.quiescing._EXIT_GRACE", 0.0)
    process = (await running(verbs)).link.process
    process.lingers = True
    were_over = []

    def answer(peer, transfer_id, *_):
        were_over.append(process.is_over)
        return word("accepted", transfer_id=transfer_id)

    verbs.calls.scripts["offer"] = [answer]
    await dispatch(verbs)
    assert were_over == [True]


@pytest.mark.parametrize("verb", ["dispatch", "deactivate"])
async def test_it_is_not_started_again_while_its_old_process_exits(verbs, verb):
    process = (await running(verbs)).link.process
    process.lingers = True
    works = {
        "dispatch": lambda: dispatch(verbs),
        "deactivate": lambda: verbs.inactivity.deactivate("tour", DeactivationPolicy(), key=None),
    }
    arm("store.commit=enospc*1")
    try:
        failing = asyncio.create_task(works[verb]())
        await until(lambda: process.sent(Quiesce))
        for _ in range(50):
            await turn()
        assert len(verbs.starter.births) == 1
        process.exit(0)
        with pytest.raises(StorageFullError):
            await failing
    finally:
        disarm()
    assert len(verbs.starter.births) == 2
    assert verbs.starter.births[-1].state.data == b"left"


async def test_who_disposes_of_a_paglet_that_falls_asleep_waits_for_it(verbs):
    process = (await running(verbs)).link.process
    process.lingers = True
    policy = DeactivationPolicy()
    sleeping = asyncio.create_task(verbs.inactivity.deactivate("tour", policy, key=None))
    await until(lambda: verbs.row().status is PagletStatus.INACTIVE)
    ending = asyncio.create_task(verbs.creation.dispose("tour", force=False, key=None))
    await turn()
    assert not ending.done()
    process.exit(0)
    await sleeping
    await ending
    assert verbs.roster.find("tour") is None


async def test_falling_asleep_ends_with_its_process(verbs):
    process = (await running(verbs)).link.process
    process.lingers = True
    policy = DeactivationPolicy()
    sleeping = asyncio.create_task(verbs.inactivity.deactivate("tour", policy, key=None))
    await until(lambda: verbs.row().status is PagletStatus.INACTIVE)
    await turn()
    assert not sleeping.done()
    process.exit(0)
    await sleeping


@pytest.mark.parametrize("fails", [False, True])
async def test_a_one_way_message_that_misses_the_envelope_is_acknowledged_where_the_paglet_is(
    verbs, fails
):
    paglet = await running(verbs)
    lane = Lane(verbs.commits, verbs.recorder, verbs.tasks)
    lane.bind(verbs.activity)
    delivery = Delivery(verbs.roster, verbs.store, lane, verbs.forwarding)
    verbs.calls.answer("send", ReplyBody())
    verbs.calls.scripts["offer"] = [
        lambda peer, transfer_id, *_: word("accepted", transfer_id=transfer_id)
    ]
    put, packed, go_on = verbs.commits.put, asyncio.Event(), asyncio.Event()

    async def slow(*args, **options):
        packed.set()
        await go_on.wait()
        verbs.commits.put = put
        if fails:
            raise StorageFullError("no room")
        await put(*args, **options)

    verbs.commits.put = slow
    moving = asyncio.create_task(dispatch(verbs))
    await packed.wait()
    sending = asyncio.create_task(delivery.deliver("tour", make_body("late", oneway=True)))
    for _ in range(20):
        await turn()
    assert not sending.done(), "its sender's next one could be at the target before it"
    go_on.set()
    if fails:
        with pytest.raises(StorageFullError):
            await moving
        process = paglet.link.process
        await until(lambda: process.sent(Deliver))
        process.say(Delivered(call=process.sent(Deliver)[0].call, reply=b"null"))
    else:
        await moving
        await verbs.forwarding.hand_over(paglet)
        ((_, _, body),) = verbs.calls.named("send")
        assert decode_message(body).message_id == "late"
    await sending


async def test_a_copy_fenced_while_it_leaves_is_not_promised(verbs):
    paglet = await running(verbs)
    _fence_once_taken(verbs)
    with pytest.raises(LifecycleError, match="became moved meanwhile"):
        await dispatch(verbs)
    assert verbs.row().status is paglet.row.status is PagletStatus.MOVED
    assert verbs.row().epoch == Epoch(0, 3)
    assert verbs.store.transfers() == []
    assert len(verbs.starter.births) == 1


async def test_a_sleeper_fenced_during_the_check_is_not_promised(verbs):
    await verbs.put(make_row(PagletStatus.INACTIVE))
    verbs.calls.answer("check", asyncio.ensure_future(_then(fence(verbs), YES)))
    with pytest.raises(LifecycleError):
        await dispatch(verbs)
    assert verbs.row().status is PagletStatus.MOVED
    assert verbs.store.transfers() == []


async def _then(work, answer):
    await work
    return answer


async def test_a_sleeper_moves_without_being_started(verbs):
    await verbs.put(make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy()))
    verbs.calls.answer("offer", unreachable(connected=True))
    with pytest.raises(MoveInDoubtError):
        await dispatch(verbs)
    assert verbs.starter.births == []
    assert envelope_of(verbs.row()).inactive
    assert verbs.row().status is PagletStatus.MOVING


async def test_a_repeat_of_a_dispatch_in_doubt_hears_what_it_came_to(verbs):
    await running(verbs)
    verbs.calls.answer("offer", unreachable(connected=True))
    with pytest.raises(MoveInDoubtError) as caught:
        await dispatch(verbs, key="k")
    transfer_id = caught.value.transfer_id
    repeat = asyncio.ensure_future(dispatch(verbs, key="k"))
    verbs.calls.answer("offer", word("accepted", transfer_id=transfer_id))
    ref = await repeat
    assert ref.host_name == "beta"
    assert (await dispatch(verbs, key="k")).host_name == "beta"
    assert len(verbs.store.transfers()) == 1


async def test_one_verb_at_a_time_and_none_on_a_promise(verbs):
    paglet = await running(verbs)
    with paglet.doing(Verb.DEACTIVATE), pytest.raises(BusyError, match="busy with deactivate"):
        await dispatch(verbs)
    moving = await verbs.put(make_moving(agent_id="other"), make_record(agent_id="other"))
    with pytest.raises(MoveInDoubtError), moving.doing(Verb.DISPATCH):
        pass


async def test_a_promise_is_not_disposed_by_force(verbs):
    await verbs.put(make_moving(), make_record())
    with pytest.raises(LifecycleError, match="resolve"):
        await verbs.creation.dispose("tour", force=True, key=None)
    assert verbs.row().status is PagletStatus.MOVING


async def test_a_promise_made_while_its_process_is_killed_is_not_disposed(verbs):
    paglet = await running(verbs)

    async def promise_meanwhile():
        await verbs.store.commit(*_promise_writes(paglet))
        paglet.row = make_moving()

    link = paglet.link
    end = link.end

    async def slow_end(*, grace):
        link.end = end
        await promise_meanwhile()
        return await end(grace=grace)

    link.end = slow_end
    with pytest.raises(LifecycleError, match="promised"):
        await verbs.creation.dispose("tour", force=True, key=None)
    assert verbs.row().status is PagletStatus.MOVING


def _promise_writes(paglet):
    from paglets.store.writes import Expect, PutRow, PutTransfer

    expect = Expect(paglet.row.status, paglet.row.epoch)
    return PutTransfer(make_record()), PutRow(make_moving(), expect)


async def test_disposed_once_is_gone_and_a_second_call_says_so(verbs):
    paglet = await running(verbs)
    await verbs.creation.dispose("tour", force=False, key=None)
    assert verbs.row() is None
    assert paglet.is_gone
    with pytest.raises(PagletNotFoundError):
        await verbs.creation.dispose("tour", force=False, key=None)


async def test_two_forced_disposals_at_once_are_one(verbs):
    await running(verbs)
    await asyncio.gather(
        *(verbs.creation.dispose("tour", force=True, key=None) for _ in range(2)),
    )
    assert verbs.row() is None


async def test_a_message_that_wakes_waits_for_the_verb_that_came_first(verbs):
    paglet = await verbs.put(make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy()))
    with paglet.doing(Verb.DISPATCH):
        verbs.inactivity.wake(paglet)
        for _ in range(20):
            await turn()
        assert verbs.starter.births == []
    await until(lambda: paglet.gate_open)


async def test_a_disposed_sleeper_is_not_woken(verbs):
    paglet = await verbs.put(make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy()))
    with paglet.doing(Verb.DISPOSE):
        verbs.inactivity.wake(paglet)
        await turn()
        verbs.roster.drop("tour")
    for _ in range(20):
        await turn()
    assert verbs.starter.births == []


async def test_many_wakers_start_one_process(verbs):
    paglet = await verbs.put(make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy()))
    for _ in range(5):
        verbs.inactivity.wake(paglet)
    await until(lambda: paglet.gate_open)
    assert len(verbs.starter.births) == 1


async def test_put_to_sleep_is_durable_and_its_process_gone(verbs):
    paglet = await running(verbs)
    old = paglet.link
    policy = DeactivationPolicy(activate_on_message=False)
    await verbs.inactivity.deactivate("tour", policy, key=None)
    assert verbs.row().status is PagletStatus.INACTIVE
    assert verbs.commits.load(paglet).data == b"left"
    assert old.is_over


async def test_a_copy_fenced_while_it_falls_asleep_stays_a_tombstone(verbs):
    await running(verbs)
    _fence_once_taken(verbs)
    with pytest.raises(LifecycleError):
        await verbs.inactivity.deactivate("tour", DeactivationPolicy(), key=None)
    assert verbs.row().status is PagletStatus.MOVED
    assert len(verbs.starter.births) == 1


async def test_a_refused_move_raises_the_epoch_and_starts_it_here(verbs):
    paglet = await running(verbs)
    verbs.calls.scripts["offer"] = [
        lambda peer, transfer_id, *_: word("refused", transfer_id=transfer_id)
    ]
    with pytest.raises(TransferError):
        await dispatch(verbs)
    assert verbs.row().epoch == Epoch(0, 1)
    assert verbs.store.transfers()[0].outcome is TransferOutcome.REFUSED
    assert verbs.starter.births[-1].state.data == b"left"
    await until(lambda: paglet.gate_open)
