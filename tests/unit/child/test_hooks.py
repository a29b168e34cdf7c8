"""Hooks in a Paglet Process: which, when, and what happens when one fails."""

import sys

import msgspec
import pytest

from paglets.model.enums import Priority
from paglets.model.errors import HookTimeoutError, HostUnreachableError, TransferError
from paglets.model.message import Message
from paglets.wire import calls
from paglets.wire.failures import encode_failure
from paglets.wire.hostcalls import CheckReply, Empty, HostsReply, ProxyReply
from tests.unit.child.fakehost import MOVE, REF, FakeHost

CLONE = {
    "source": {"host_url": "http://alpha:1", "agent_id": "a1"},
    "clone_agent_id": "c1",
    "source_host_name": "alpha",
    "target_host_name": "beta",
}


def texts(snapshot: calls.Snapshot) -> list[str]:
    return msgspec.msgpack.decode(snapshot.data)["texts"]


def test_a_hook_runs_and_its_state_comes_back(host: FakeHost):
    host.load("Hooked")

    done = host.hook("on_creation", host_name="alpha", host_address="http://alpha:1")

    assert texts(done.snapshot) == ["on_creation"]
    assert done.departure is None


def test_a_hook_the_class_does_not_have_is_answered_all_the_same(host: FakeHost):
    host.load("Counter")

    assert host.hook("on_arrival", **MOVE).departure is None


def test_a_hook_that_raises_is_a_hook_error_with_its_name(host: FakeHost):
    host.load("NoCreation")

    failed = host.hook("on_creation", calls.Failed, host_name="alpha", host_address="x")

    assert failed.failure.code == "hook_error"
    assert failed.failure.detail["hook"] == "on_creation"


def test_a_hook_that_takes_too_long_is_reported_while_it_runs(host: FakeHost):
    host.load("SlowHook", hook_timeout_ms=30)

    failed = host.hook("on_creation", calls.Failed, host_name="alpha", host_address="x")

    assert failed.failure.code == "hook_timeout"


def test_a_hook_that_waits_for_its_host_too_long_is_reported(host: FakeHost):
    host.load("AsksInHook", hook_timeout_ms=30)

    failed = host.hook("on_creation", calls.Failed, host_name="alpha", host_address="x")

    assert failed.failure.code == "hook_timeout"
    host.reply(host.next_asked("hosts"), HostsReply(hosts=()))


def test_a_hook_for_a_clone_that_a_handler_waits_for_is_reported_too(host: FakeHost):
    host.open("AsksInHook", hook_timeout_ms=30)
    cloning = host.send(Message("clone"))
    asked = host.next_asked("clone")

    event = msgspec.json.encode(CLONE)
    failed = host.ask(calls.CloneState, calls.Failed, event=event)

    assert failed.failure.code == "hook_timeout"
    host.reply(asked, TransferError("its hook took too long", reason="hook_timeout"))
    sys.modules["paglets_for_tests"].HOLD.set()
    host.answer(cloning, calls.Failed)


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.UNQUEUED])
def test_a_hook_in_the_middle_of_a_handler_that_takes_too_long_ends_the_process(
    host: FakeHost, priority: int
):
    host.script["check"] = lambda request: TransferError("full", reason="full")
    host.open("AsksInHook", hook_timeout_ms=30)

    host.send(Message("go", priority=priority))

    assert host.exit_code() == 1
    assert isinstance(host.crashes[0], HookTimeoutError)


def test_a_hook_may_depart(host: FakeHost):
    host.script["check"] = lambda request: CheckReply(check_id="c1", target_name="gamma")
    host.load("Wanderer")

    done = host.hook("on_arrival", **MOVE)

    assert (done.departure.verb, done.departure.check_id) == ("dispatch", "c1")


def test_an_async_hook_is_awaited(host: FakeHost):
    host.load("Asynchronous")

    done = host.hook("on_creation", host_name="alpha", host_address="x")

    assert texts(done.snapshot) == ["on_creation"]


def test_a_dispatch_runs_hook_then_cleanup_and_takes_the_state_last(host: FakeHost):
    host.open("Hooked")

    quiesced = host.answer(host.quiesce(hook="on_dispatching", event=MOVE), calls.Quiesced)

    assert texts(quiesced.snapshot) == ["on_dispatching", "cleanup"]
    assert host.exit_code() == 0


def test_a_retract_runs_on_reverting(host: FakeHost):
    host.open("Hooked")

    quiesced = host.answer(host.quiesce("retract", "on_reverting", MOVE), calls.Quiesced)

    assert texts(quiesced.snapshot) == ["on_reverting"]


def test_a_deactivation_runs_on_deactivating(host: FakeHost):
    host.open("Hooked")
    event = {"reason": "requested", "policy": {}}

    quiesced = host.answer(host.quiesce("deactivate", "on_deactivating", event), calls.Quiesced)

    assert texts(quiesced.snapshot) == ["on_deactivating"]


def test_a_disposal_runs_on_disposing_and_takes_no_state(host: FakeHost):
    host.open("Hooked")

    number = host.quiesce("dispose", "on_disposing", {"reason": "requested"}, want_state=False)

    assert host.answer(number, calls.Quiesced).snapshot is None
    assert host.exit_code() == 0


def test_a_clone_runs_on_cloning_and_the_paglet_goes_on(host: FakeHost):
    host.open("Hooked")

    copied = host.ask(calls.CloneState, calls.Quiesced, event=msgspec.json.encode(CLONE))

    assert texts(copied.snapshot) == ["on_cloning"]
    assert host.state()["texts"] == ["on_cloning"]


def test_hooks_of_a_clone_run_while_the_handler_that_asked_for_it_waits(host: FakeHost):
    host.open("Hooked")
    number = host.start(calls.Deliver, body=b'{"kind":"clone"}')
    asked = host.next_asked("clone")

    copied = host.ask(calls.CloneState, calls.Quiesced, event=msgspec.json.encode(CLONE))
    host.hook("on_cloned", **CLONE)
    host.reply(asked, ProxyReply(ref=REF))

    assert texts(copied.snapshot) == ["on_cloning"]
    assert host.answer(number, calls.Delivered).reply == b'"b1"'
    assert host.state()["texts"] == ["on_cloning", "on_cloned"]


def test_a_hook_that_raises_keeps_the_paglet_here_with_its_gate_shut(host: FakeHost):
    host.open("NoDispatch")

    failed = host.answer(host.quiesce(hook="on_dispatching", event=MOVE), calls.Failed)

    assert failed.failure.code == "hook_error"
    assert host.answer(host.start(calls.Deliver, body=b'{"kind":"go"}'), calls.Failed)
    error = {"code": "transfer", "message": "no", "detail": {}}
    host.hook("on_move_failed", target_host_name="beta", error=error)
    host.tell(calls.OpenGate())
    host.script["check"] = lambda request: HostUnreachableError("no answer")
    assert host.call("go", to="beta") == "stayed: unreachable"


def test_a_refusal_by_the_check_is_told_to_on_move_failed_and_raised_in_place(host: FakeHost, made):
    host.script["check"] = lambda request: HostUnreachableError("no answer")
    host.open("Hooked")

    assert host.call("go", to="beta") == "stayed: unreachable"

    assert made.SEEN == ["TransferError beta False"]
    assert host.state()["texts"] == ["on_move_failed"]


def test_a_move_that_failed_late_is_told_with_its_error(host: FakeHost, made):
    host.load("Hooked")
    error = msgspec.to_builtins(encode_failure(HostUnreachableError("gone")))

    host.hook("on_move_failed", target_host_name="beta", error=error, restarted=True)

    assert made.SEEN == ["HostUnreachableError beta True"]


def test_a_hook_of_a_life_cycle_call_cannot_start_another(host: FakeHost):
    host.open("Leaver")

    failed = host.answer(host.quiesce(hook="on_dispatching", event=MOVE), calls.Failed)

    assert "hook of another life-cycle call" in failed.failure.message


def test_a_cleanup_that_raises_is_printed_and_the_others_run(host: FakeHost, made, capsys):
    host.open("Counter")
    host.call("track", name="first")
    host.call("track", name="second", fails=True)

    host.answer(host.quiesce(), calls.Quiesced)

    assert made.SEEN == ["second", "first"]
    assert "OSError: stuck" in capsys.readouterr().err


def test_checkpoint_is_sent_by_run_of_a_message_paglet(host: FakeHost):
    host.open("DurableRuns")

    frame = host.next_asked("checkpoint")

    host.reply(frame, Empty())
    assert host.state()["count"] == 1
