"""The State Lock, waits of handlers and `run()`, and leaving in the middle of code."""

from collections.abc import Callable

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.enums import Priority
from paglets.model.errors import HandlerError, HookError, PagletsError, QuiesceTimeoutError
from paglets.model.message import Message
from paglets.testing.waiting import wait_until
from tests.agents.lifecycle.locking import LingererState
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]


def beside(kind: str, **args: object) -> Message:
    return Message(kind, args, priority=Priority.UNQUEUED)


def test_the_state_lock_is_reentrant(make: Make) -> None:
    assert make("locking:Desk").send(Message("nest")) == 0


def test_wait_state_is_woken_by_a_change_beside_it(make: Make) -> None:
    desk = make("locking:Desk")
    waiting = desk.send_future(Message("wait for numbers", {"count": 2, "seconds": PATIENCE}))
    desk.send(beside("put", number=1))
    desk.send(beside("put", number=2))
    assert waiting.result(PATIENCE) is True


def test_wait_state_says_false_when_its_time_is_over(make: Make) -> None:
    desk = make("locking:Desk")
    assert desk.send(Message("wait for numbers", {"count": 1, "seconds": 0.05})) is False


def test_wait_state_is_woken_by_notify_state_changed(make: Make) -> None:
    desk = make("locking:Desk")
    waiting = desk.send_future(Message("wait until open", {"seconds": PATIENCE}))
    desk.send(beside("open"))
    assert waiting.result(PATIENCE) is True


def test_wait_message_is_woken_by_a_queued_message(make: Make) -> None:
    desk = make("locking:Desk")
    waiting = desk.send_future(Message("wait for a message", {"seconds": PATIENCE}))
    queued = desk.send_future(Message("put", {"number": 1}))
    assert waiting.result(PATIENCE) is True
    queued.result(PATIENCE)


def test_wait_message_is_woken_by_notify_message(make: Make) -> None:
    desk = make("locking:Desk")
    waiting = desk.send_future(Message("wait for a message", {"seconds": PATIENCE}))
    # A bell that rings before anybody waits is not kept: ring until it is heard.
    wait_until(
        lambda: desk.send(beside("ring")) is None and waiting.done(),
        timeout=PATIENCE,
        what="the bell is heard",
    )
    assert waiting.result(PATIENCE) is True


def test_wait_message_says_false_when_its_time_is_over(make: Make) -> None:
    assert make("locking:Desk").send(Message("wait for a message", {"seconds": 0.05})) is False


def test_a_handler_that_sleeps_wakes_up_when_the_paglet_leaves(make: Make) -> None:
    desk = make("locking:Desk")
    sleeping = desk.send_future(Message("sleep", {"seconds": 60}))
    wait_until(lambda: desk.info().queued == 0, timeout=PATIENCE, what="it sleeps")
    desk.dispatch("beta")
    assert sleeping.result(PATIENCE) == [True, True]
    assert desk.send(Message("sleep", {"seconds": 0.01})) == [False, False]


def test_run_and_handlers_share_the_state_under_the_lock(make: Make) -> None:
    pacer = make("locking:Pacer")
    for _ in range(20):
        pacer.send(Message("put"))
    wait_until(lambda: len(pacer.send(Message("numbers"))) == 120, timeout=PATIENCE, what="done")
    assert pacer.send(Message("numbers")) == list(range(120))


def test_a_life_cycle_call_waits_for_run_within_its_grace(make: Make) -> None:
    lingerer = make("locking:Lingerer", LingererState(seconds=0.2))
    lingerer.dispatch("beta")
    assert lingerer.send(Message("rounds")) == 1


@pytest.mark.slow
def test_a_handler_that_goes_on_too_long_keeps_the_paglet_at_home(make: Make) -> None:
    fragile = make("talking:Fragile")
    hanging = fragile.send_future(Message("hang"), timeout=60)
    wait_until(lambda: fragile.info().queued == 0, timeout=PATIENCE, what="it hangs")
    with pytest.raises(QuiesceTimeoutError):
        fragile.dispatch("beta")
    assert fragile.info().status == "active"
    assert not hanging.done()
    fragile.dispose(force=True)
    with pytest.raises(PagletsError):
        hanging.result(PATIENCE)


def test_leaving_unwinds_and_runs_finally_blocks_whatever_is_swallowed(make: Make) -> None:
    desk = make("locking:Desk")
    moved = desk.send(Message("leave and clean", {"to": "beta"}))
    assert isinstance(moved, PagletProxy)
    notes = desk.send(Message("notes"))
    assert notes == ["swallowed", "finally", "went on"]
    assert desk.info().host_name == "beta"


def test_leaving_in_a_thread_of_the_authors_own_is_refused(make: Make) -> None:
    desk = make("locking:Desk")
    assert desk.send(Message("leave from a thread", {"to": "beta"})) == "LifecycleError"


def test_a_hook_of_leaving_cannot_start_another_life_cycle_call(make: Make) -> None:
    rude = make("locking:Rude")
    with pytest.raises(HookError, match="another life-cycle call"):
        rude.dispatch("beta")
    assert rude.info().status == "active"


def test_a_running_handler_learns_that_its_caller_has_gone(make: Make) -> None:
    desk = make("locking:Desk")
    with pytest.raises(PagletsError):
        desk.send(Message("wait until cancelled"), timeout=0.2)
    assert desk.send(Message("notes"), timeout=PATIENCE) == ["cancelled"]


def test_an_error_in_a_handler_names_type_message_and_place(make: Make) -> None:
    with pytest.raises(HandlerError) as raised:
        make("talking:Talker").send(Message("fail"))
    error = raised.value
    assert error.exception_type == "KeyError"
    assert "no such page" in str(error.exception_message)
    assert "talking.py" in str(error.traceback_text)
