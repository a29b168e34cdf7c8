"""What becomes of a message on a host: handed to its paglet, stored, sent on, or refused."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from paglets.model.enums import Durability, PagletStatus, Priority
from paglets.model.errors import (
    CallCycleError,
    HandlerError,
    LifecycleError,
    MailboxFullError,
    MessageExpiredError,
    MoveInDoubtError,
    PagletCrashedError,
    PagletInactiveError,
    PagletNotFoundError,
    UnavailableError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import Epoch
from paglets.runtime.delivery import Delivery
from paglets.runtime.lane import Lane
from paglets.store.writes import DeleteRow, Expect
from paglets.testing.waiting import turn
from paglets.wire.bodies import ReplyBody
from paglets.wire.calls import Cancel, Deliver, Delivered, Failed, Snapshot
from paglets.wire.calls import Queued as QueuedNews
from paglets.wire.failures import encode_failure
from paglets.wire.messages import decode_message
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import ALPHA, BETA, MANIFEST, make_body, make_row

DURABLE = replace(MANIFEST, durability=Durability.MESSAGE)
KEPT_FOR = 60_000
"""Milliseconds for which a repeated message is retried."""


class Post:
    """Delivery on the bench, and what it has told the other parts."""

    def __init__(self, bench):
        self.bench = bench
        self.lane = Lane(bench.commits, bench.recorder, bench.tasks)
        self.lane.bind(bench.activity)
        self.delivery = Delivery(bench.roster, bench.store, self.lane, bench.forwarding)
        self.suspected, self.woken, self.handed_over = [], [], []
        self.delivery.suspect = self.suspected.append
        self.delivery.wake = self.woken.append
        self.delivery.moved_on = self.handed_over.append

    async def running(self, **fields):
        """Return a paglet with a process; its handlers go on until `answer`."""
        self.bench.starter.manifest = fields.get("manifest", MANIFEST)
        paglet = await self.bench.put(make_row(**fields))
        await self.bench.activity.revive(paglet, "recovered")
        return paglet

    def begin(self, message_id="m1", **fields):
        """Send a message; return the task that waits for its reply."""
        body = make_body(message_id, **fields)
        return asyncio.create_task(self.delivery.deliver("tour", body))

    async def begun(self, message_id="m1", **fields):
        """Send a message and wait until it is in the paglet's process, or queued behind another."""
        task = self.begin(message_id, **fields)
        await until(lambda: self.bench.roster.get("tour").in_flight(message_id) is not None)
        return task

    def in_child(self):
        """Return the ids of the messages that were given to the present process."""
        frames = self.bench.starter.links[-1].process.sent(Deliver)
        return [decode_message(frame.body).message_id for frame in frames]

    async def answer(self, reply=b'"done"', *, error=None, snapshot=None):
        """Let the handler of the message that was given last return, or raise."""
        process = self.bench.starter.links[-1].process
        await until(lambda: process.sent(Deliver))
        call = process.sent(Deliver)[-1].call
        if error is None:
            process.say(Delivered(call=call, reply=reply, snapshot=snapshot))
        else:
            process.say(Failed(call=call, failure=encode_failure(error), snapshot=snapshot))

    async def stored(self):
        """Return the ids of the messages that are on disk."""
        return [kept.message_id for kept in await self.bench.store.messages("tour")]

    def told(self, kind):
        return self.bench.starter.links[-1].process.sent(kind)


@pytest.fixture
def post(bench):
    return Post(bench)


async def failure(task):
    """Wait for a message that fails; return how."""
    async with asyncio.timeout(5):
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, Exception), outcome
    return outcome


async def test_the_reply_is_what_the_handler_returned(post):
    await post.running()
    task = await post.begun()
    await post.answer(b'"done"')
    assert bytes((await task).reply) == b'"done"'


async def test_what_the_handler_raised_is_raised_to_the_sender(post):
    await post.running()
    task = await post.begun()
    await post.answer(error=HandlerError("no", type="ValueError"))
    assert isinstance(await failure(task), HandlerError)


async def test_a_message_without_an_id_is_given_one(post):
    await post.running()
    task = post.begin("")
    await post.answer()
    await task
    assert len(post.in_child()[0]) > 8


async def test_one_queued_message_is_in_the_process_at_a_time_and_priority_goes_first(post):
    await post.running()
    tasks = [await post.begun("low", priority=1)]
    tasks += [await post.begun(f"m{priority}", priority=priority) for priority in (3, 7)]
    assert post.in_child() == ["low"]
    for expected in (["low"], ["low", "m7"], ["low", "m7", "m3"]):
        await until(lambda expected=expected: post.in_child() == expected)
        await post.answer()
    await asyncio.gather(*tasks)


async def test_an_unqueued_message_goes_beside_the_running_one(post):
    await post.running()
    slow = await post.begun("slow")
    urgent = await post.begun("urgent", priority=int(Priority.UNQUEUED))
    assert post.in_child() == ["slow", "urgent"]
    await post.answer(b'"urgent"')
    assert bytes((await urgent).reply) == b'"urgent"'
    assert not slow.done()
    slow.cancel()


async def test_an_unqueued_message_waits_first_of_all_while_the_gate_is_closed(post):
    paglet = await post.running()
    paglet.gate_open = False
    tasks = [await post.begun("m9", priority=9)]
    tasks.append(await post.begun("urgent", priority=int(Priority.UNQUEUED)))
    assert post.in_child() == []
    paglet.gate_open = True
    post.lane.pump(paglet)
    assert post.in_child() == ["urgent", "m9"]
    for task in tasks:
        task.cancel()


async def test_a_repeat_of_a_running_message_waits_for_the_same_outcome(post):
    await post.running()
    first = await post.begun("m1", retry_for_ms=KEPT_FOR)
    second = post.begin("m1", retry_for_ms=KEPT_FOR, attempt=2)
    await turn(3)
    await post.answer(b"1")
    assert [bytes((await task).reply) for task in (first, second)] == [b"1", b"1"]
    assert post.in_child() == ["m1"]


@pytest.mark.parametrize("error", [None, HandlerError("no", type="ValueError")])
async def test_a_repeat_of_a_handled_message_gets_the_same_outcome_and_runs_nothing(post, error):
    await post.running()
    outcomes = []
    for attempt in (1, 2):
        task = post.begin("m1", retry_for_ms=KEPT_FOR, attempt=attempt)
        if attempt == 1:
            await post.answer(b"1", error=error)
        outcomes.append((await asyncio.gather(task, return_exceptions=True))[0])
    assert post.in_child() == ["m1"]
    assert type(outcomes[0]) is type(outcomes[1])
    if error is None:
        assert bytes(outcomes[1].reply) == b"1"


async def test_a_message_of_nobody_that_is_here_is_sent_on(post):
    post.bench.calls.answer("locate", PagletNotFoundError("nobody"))
    assert isinstance(await failure(post.begin()), PagletNotFoundError)


async def test_a_message_of_a_paglet_that_has_moved_is_sent_to_where_it_is(post):
    await post.bench.put(make_row(PagletStatus.MOVED, peer=BETA, epoch=Epoch(0, 1)))
    post.bench.calls.answer("send", ReplyBody(reply=msgspec.Raw(b'"there"')))
    assert bytes((await post.begin()).reply) == b'"there"'
    ((peer, agent_id, _),) = post.bench.calls.named("send")
    assert (peer, agent_id) == (BETA, "tour")


async def test_a_reply_to_a_forwarded_message_says_where_the_paglet_is(post):
    await post.running()
    task = await post.begun(hops=1)
    await post.answer()
    address = (await task).address
    assert (address.host_id, address.agent_id) == (ALPHA.host_id, "tour")


async def test_a_reply_to_a_direct_message_carries_no_address(post):
    await post.running()
    task = await post.begun()
    await post.answer()
    assert (await task).address is None


@pytest.mark.parametrize(
    ("known", "birth", "is_suspected"),
    [
        (Epoch(0, 2), "birth", True),
        (Epoch(0, 0), "birth", False),
        (Epoch(0, 2), "another", False),
    ],
)
async def test_a_sender_that_knows_a_higher_epoch_of_this_life_makes_the_copy_suspect(
    post, known, birth, is_suspected
):
    paglet = await post.running(epoch=Epoch(0, 1))
    task = await post.begun(epoch=known, birth_id=birth)
    assert post.suspected == ([paglet] if is_suspected else [])
    task.cancel()


async def test_a_call_that_waits_for_itself_is_refused_instead_of_hanging(post):
    await post.running()
    error = await failure(post.begin(path=("other", "tour")))
    assert isinstance(error, CallCycleError)
    assert error.detail["path"] == ["other", "tour"]


async def test_an_unqueued_call_may_come_back_to_its_caller(post):
    await post.running()
    task = await post.begun(path=("tour",), priority=int(Priority.UNQUEUED))
    await post.answer()
    await task


async def test_a_stopping_host_takes_nothing_new_but_answers_what_it_knows(post):
    await post.running()
    known = post.begin("m1", retry_for_ms=KEPT_FOR)
    await post.answer(b"1")
    await known
    post.delivery.is_stopping = True
    error = await failure(post.begin("m2"))
    assert isinstance(error, UnavailableError)
    assert error.detail["handled"] is False
    assert bytes((await post.begin("m1", retry_for_ms=KEPT_FOR, attempt=2)).reply) == b"1"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (PagletStatus.CRASHED, PagletCrashedError),
        (PagletStatus.UNREADABLE, LifecycleError),
        (PagletStatus.HELD, LifecycleError),
    ],
)
async def test_a_paglet_that_cannot_run_refuses_and_says_why(post, status, error):
    await post.bench.put(make_row(status, error="its class is gone"))
    raised = await failure(post.begin())
    assert isinstance(raised, error)
    assert "its class is gone" in str(raised)
    assert raised.detail["handled"] is False


async def test_messages_wait_for_a_crashed_paglet_that_is_about_to_restart(post):
    paglet = await post.bench.put(make_row(PagletStatus.CRASHED, error="killed"))
    paglet.restart_pending = True
    task = await post.begun()
    assert "m1" in paglet.mailbox
    task.cancel()


async def test_a_message_wakes_a_sleeping_paglet(post):
    policy = DeactivationPolicy()
    paglet = await post.bench.put(make_row(PagletStatus.INACTIVE, policy=policy))
    task = await post.begun()
    assert (post.woken, "m1" in paglet.mailbox) == ([paglet], True)
    task.cancel()


async def test_a_message_that_is_not_to_wait_for_a_sleeper_is_refused(post):
    await post.bench.put(make_row(PagletStatus.INACTIVE, policy=DeactivationPolicy()))
    error = await failure(post.begin(no_delay=True))
    assert isinstance(error, PagletInactiveError)
    assert post.woken == []


async def test_a_sleeper_that_is_not_to_be_woken_has_its_messages_stored(post):
    policy = DeactivationPolicy(activate_on_message=False)
    await post.bench.put(make_row(PagletStatus.INACTIVE, policy=policy))
    reply = await post.begin()
    assert reply.stored
    assert reply.address.host_id == ALPHA.host_id
    assert await post.stored() == ["m1"]
    assert post.woken == []


async def test_a_sleeper_that_takes_no_messages_refuses_them(post):
    policy = DeactivationPolicy(activate_on_message=False, queue_messages=False)
    await post.bench.put(make_row(PagletStatus.INACTIVE, policy=policy))
    error = await failure(post.begin())
    assert isinstance(error, PagletInactiveError)
    assert "paglets agent activate" in str(error)


async def test_stored_messages_of_a_sleeper_count_against_its_mailbox(post):
    policy = DeactivationPolicy(activate_on_message=False)
    paglet = await post.bench.put(make_row(PagletStatus.INACTIVE, policy=policy))
    paglet.mailbox.message_limit = 2
    for message_id in ("m1", "m2"):
        await post.begin(message_id)
    assert isinstance(await failure(post.begin("m3")), MailboxFullError)


async def test_a_one_way_message_is_answered_once_it_is_queued(post):
    await post.running()
    task = await post.begun(oneway=True)
    assert bytes((await task).reply) == b"null"
    assert post.in_child() == ["m1"]


async def test_a_one_way_message_of_a_durable_paglet_is_stored_before_it_is_answered(post):
    await post.running(manifest=DURABLE)
    await post.begin(oneway=True)
    assert await post.stored() == ["m1"]
    await post.answer(snapshot=Snapshot(data=b"after", size=5))
    await until(lambda: post.bench.store.queue_size("tour") == (0, 0))
    assert post.bench.store.state("tour").data == b"after"


async def test_a_one_way_message_to_a_paglet_disposed_meanwhile_is_not_acknowledged(post):
    await post.running(manifest=DURABLE)
    await post.bench.store.commit(DeleteRow("tour", Expect(PagletStatus.ACTIVE, Epoch())))
    assert isinstance(await failure(post.begin(oneway=True)), PagletNotFoundError)


async def test_a_message_of_a_durable_paglet_is_answered_after_its_state_is_on_disk(post):
    await post.running(manifest=DURABLE)
    task = await post.begun()
    await post.answer(b"1", snapshot=Snapshot(data=b"after", size=5))
    await task
    assert post.bench.store.state("tour").data == b"after"


async def test_a_sender_that_is_late_hears_whether_its_message_was_handled(post):
    await post.running()
    running = await failure(post.begin("m1", budget_ms=30))
    other = post.bench.roster.get("tour")
    assert other.running is not None
    waiting = await failure(post.begin("m2", budget_ms=30))
    assert isinstance(running, MessageExpiredError)
    assert isinstance(waiting, MessageExpiredError)
    assert "may still handle it" in str(running)
    assert running.detail["handled"] is None
    assert "it was not handled" in str(waiting)


async def test_a_late_sender_of_a_paglet_promised_elsewhere_hears_that_it_is_in_doubt(post):
    await post.bench.put(
        make_row(PagletStatus.MOVING, peer=BETA, transfer_id="t1", epoch=Epoch(0, 1))
    )
    error = await failure(post.begin(budget_ms=30))
    assert isinstance(error, MoveInDoubtError)
    assert error.detail["transfer_id"] == "t1"


async def test_a_queued_message_goes_with_the_last_that_waits_for_it(post):
    paglet = await post.running()
    running = await post.begun("m1")
    queued = await post.begun("m2")
    queued.cancel()
    await until(lambda: "m2" not in paglet.mailbox)
    await post.answer()
    await running
    assert post.in_child() == ["m1"]


async def test_a_message_that_may_be_repeated_stays_though_nobody_waits(post):
    paglet = await post.running()
    running = await post.begun("m1")
    repeated = await post.begun("m2", retry_for_ms=KEPT_FOR)
    repeated.cancel()
    await turn(3)
    assert "m2" in paglet.mailbox
    running.cancel()


async def test_a_running_handler_is_told_that_nobody_waits_any_more(post):
    await post.running()
    task = await post.begun("m1")
    task.cancel()
    await until(lambda: post.told(Cancel))
    assert [frame.message_id for frame in post.told(Cancel)] == ["m1"]


async def test_a_caller_whose_connection_ended_takes_its_message_along(post):
    paglet = await post.running()
    running = await post.begun("m1")
    gone = asyncio.get_running_loop().create_future()
    queued = asyncio.create_task(post.delivery.deliver("tour", make_body("m2"), caller_gone=gone))
    await until(lambda: "m2" in paglet.mailbox)
    gone.set_result(None)
    assert isinstance(await failure(queued), MessageExpiredError)
    assert "m2" not in paglet.mailbox
    running.cancel()


async def test_a_process_that_watches_its_queue_hears_how_long_it_is(post):
    paglet = await post.running()
    paglet.watches_queue = True
    tasks = [await post.begun(message_id) for message_id in ("m1", "m2", "m3")]
    assert [frame.count for frame in post.told(QueuedNews)] == [0, 1, 2]
    tasks[2].cancel()
    await until(lambda: [frame.count for frame in post.told(QueuedNews)][-1] == 1)
    for task in tasks:
        task.cancel()


async def test_a_process_that_ends_with_a_message_in_it_fails_that_one_alone(post):
    paglet = await post.running()
    running, queued = await post.begun("m1"), await post.begun("m2")
    paglet.link.process.exit(-9)
    error = await failure(running)
    assert isinstance(error, PagletCrashedError)
    assert error.detail["restarting"] is False
    assert isinstance(await failure(queued), PagletCrashedError)


async def test_an_acknowledged_message_outlives_the_process_that_had_it(post):
    paglet = await post.running(manifest=DURABLE)
    await post.begin("m1", oneway=True)
    await until(lambda: post.in_child() == ["m1"])
    paglet.link.process.exit(-9)
    await until(lambda: "m1" in paglet.mailbox)
    assert await post.stored() == ["m1"]


async def test_a_handler_over_its_limit_is_ended_with_its_process(post):
    await post.running(manifest=replace(MANIFEST, handler_limit=0.01))
    error = await failure(post.begin())
    assert isinstance(error, PagletCrashedError)
    assert "limit" in post.bench.kinds()
