"""From a loaded process to the open gate, and what follows its end."""

import asyncio

import pytest

from paglets.model.enums import Hook, PagletStatus, RestartPolicy, Verb
from paglets.model.errors import (
    ClassLoadError,
    HookError,
    LifecycleError,
    PagletCrashedError,
    PagletNotFoundError,
    StateError,
)
from paglets.model.manifest import ClassManifest
from paglets.store.rows import Due, QueuedMessage
from paglets.store.writes import DeleteRow, Expect, PutMessages
from paglets.wire.calls import Failed, HookDone, OpenGate, RunHook, Snapshot
from paglets.wire.failures import encode_failure
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import make_body, make_row

HOOKED = ClassManifest(
    class_name="tour:Tour",
    state_class=None,
    code_version="v1",
    hooks=("on_arrival", "on_activation"),
)
RESTARTING = ClassManifest(
    class_name="tour:Tour", state_class=None, code_version="v1", restart=RestartPolicy.ON_CRASH
)


@pytest.fixture
def hooked(bench):
    bench.starter.manifest = HOOKED
    return HOOKED


async def test_a_start_is_launch_owed_hook_commit_and_gate_in_this_order(bench, hooked):
    bench.starter.answers = {
        RunHook: lambda frame: HookDone(call=frame.call, snapshot=Snapshot(data=b"after", size=5))
    }
    due = Due("on_arrival", b'{"reason":"dispatch"}', attempt=1)
    paglet = await bench.put(make_row(manifest=hooked, due=due))
    await bench.activity.revive(paglet, "recovered")
    frames = bench.starter.links[0].process.frames
    assert [type(frame) for frame in frames] == [RunHook, OpenGate]
    assert frames[0].hook == "on_arrival"
    assert b'"attempt":2' in frames[0].event
    assert paglet.gate_open
    assert bench.row().due is None
    assert bench.commits.load(paglet).data == b"after"


async def test_with_nothing_owed_it_is_told_why_it_is_activated(bench, hooked):
    paglet = await bench.put(make_row(PagletStatus.INACTIVE, manifest=hooked))
    await bench.activity.revive(paglet, "message")
    (hook,) = bench.starter.links[0].process.sent(RunHook)
    assert (hook.hook, hook.event) == ("on_activation", b'{"reason":"message"}')
    assert bench.row().status is PagletStatus.ACTIVE


async def test_the_number_of_an_attempt_is_on_disk_before_the_hook_runs(bench, hooked):
    seen = []

    def look(frame):
        seen.append(bench.row().due.attempt)
        return HookDone(call=frame.call)

    bench.starter.answers = {RunHook: look}
    paglet = await bench.put(make_row(manifest=hooked, due=Due("on_arrival", b"{}", attempt=1)))
    await bench.activity.revive(paglet, "recovered")
    assert seen == [2]


async def test_a_hook_that_raises_leaves_it_crashed_with_its_process_ended(bench, hooked):
    failure = encode_failure(HookError("on_arrival raised KeyError"))
    bench.starter.answers = {RunHook: lambda frame: Failed(call=frame.call, failure=failure)}
    paglet = await bench.put(make_row(manifest=hooked, due=Due("on_arrival", b"{}")))
    with pytest.raises(HookError):
        await bench.activity.revive(paglet, "recovered")
    assert bench.row().status is PagletStatus.CRASHED
    assert bench.row().due is not None
    assert paglet.link is None
    assert bench.starter.links[0].is_over


async def test_a_state_that_does_not_fit_is_kept_and_told(bench):
    bench.starter.error = StateError("count", "int", "str")
    paglet = await bench.put(make_row(PagletStatus.INACTIVE))
    with pytest.raises(StateError):
        await bench.activity.revive(paglet, "requested")
    assert bench.row().status is PagletStatus.UNREADABLE
    assert "count" in bench.row().error
    assert bench.commits.load(paglet).data == b"state"


async def test_a_class_that_is_missing_leaves_a_sleeping_paglet_asleep(bench):
    bench.starter.error = ClassLoadError("no module")
    paglet = await bench.put(make_row(PagletStatus.INACTIVE))
    with pytest.raises(ClassLoadError):
        await bench.activity.revive(paglet, "requested")
    assert bench.row().status is PagletStatus.INACTIVE


async def started(bench, **fields):
    paglet = await bench.put(make_row(**fields))
    await bench.activity.revive(paglet, "recovered")
    return paglet


async def test_an_end_that_nobody_asked_for_is_a_durable_crash(bench):
    paglet = await started(bench)
    paglet.link.process.exit(3)
    await until(lambda: bench.row().status is PagletStatus.CRASHED)
    assert "exit code 3" in bench.row().error
    assert (paglet.link, paglet.gate_open) == (None, False)
    assert not paglet.restart_pending


async def test_one_end_is_one_crash_however_many_notice_it(bench):
    paglet = await started(bench)
    error = PagletCrashedError("it ended")
    await asyncio.gather(*(bench.activity.crash(paglet, error) for _ in range(3)))
    assert bench.kinds().count("crash") == 1
    assert len(paglet.crashes) == 1


async def test_a_paglet_that_is_restarted_on_crashes_runs_again(bench):
    bench.starter.manifest = RESTARTING
    paglet = await started(bench, manifest=RESTARTING)
    paglet.link.process.exit(3)
    await until(lambda: paglet.restart_pending)
    await until(lambda: paglet.gate_open)
    assert bench.row().status is PagletStatus.ACTIVE
    assert len(bench.starter.births) == 2


class Noticed(asyncio.Event):
    """Tells that somebody waits for it."""

    def __init__(self):
        super().__init__()
        self.is_awaited = asyncio.Event()

    async def wait(self):
        self.is_awaited.set()
        return await super().wait()


async def test_a_restart_waits_for_the_verb_that_runs(bench):
    bench.starter.manifest = RESTARTING
    paglet = await started(bench, manifest=RESTARTING)
    paglet.link.process.exit(3)
    await until(lambda: paglet.row.status is PagletStatus.CRASHED)
    paglet.verb_ended = Noticed()
    with paglet.doing(Verb.CLONE):
        async with asyncio.timeout(5):
            await paglet.verb_ended.is_awaited.wait()
        assert len(bench.starter.births) == 1
    await until(lambda: paglet.gate_open)


async def test_a_disposed_paglet_is_neither_started_nor_restarted(bench):
    paglet = await bench.put(make_row())

    async def disposed():
        await bench.store.commit(DeleteRow("tour", Expect(paglet.row.status, paglet.row.epoch)))
        bench.roster.drop("tour")

    bench.starter.before_loaded = disposed
    with pytest.raises(LifecycleError):
        await bench.activity.revive(paglet, "recovered")
    assert bench.starter.links[0].is_over
    assert paglet.link is None
    assert bench.row() is None
    with pytest.raises(PagletNotFoundError), paglet.doing(Verb.ACTIVATE):
        pass
    await bench.activity.restart(paglet, Hook.ON_ACTIVATION, b"{}")
    assert len(bench.starter.births) == 1


async def test_a_process_that_ends_before_the_gate_opens_is_noticed(bench, hooked):
    def answer_and_die(frame):
        process = bench.starter.links[0].process
        asyncio.get_running_loop().call_soon(process.exit, 1)
        return HookDone(call=frame.call, snapshot=Snapshot(data=b"x", size=1))

    bench.starter.answers = {RunHook: answer_and_die}
    paglet = await bench.put(make_row(manifest=hooked))
    with pytest.raises(PagletCrashedError):
        await bench.activity.revive(paglet, "recovered")
    assert bench.row().status is PagletStatus.CRASHED
    assert not paglet.gate_open


async def test_stored_messages_wait_in_their_order_before_later_ones(bench):
    paglet = await bench.put(make_row(PagletStatus.INACTIVE))
    for message_id in ("m1", "m2"):
        message = QueuedMessage(
            agent_id="tour", message_id=message_id, priority=5, body=make_body(message_id)
        )
        await bench.store.commit(PutMessages((message,)))
    await bench.activity.revive(paglet, "message")
    assert [entry.message_id for entry in paglet.mailbox] == ["m1", "m2"]
    assert all(entry.stored for entry in paglet.mailbox)
