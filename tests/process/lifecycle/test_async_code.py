"""`async def` hooks, handlers and `run()` work as plain ones do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.enums import Priority
from paglets.model.errors import HandlerError
from paglets.model.message import Message
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]


def ref_of(proxy: PagletProxy) -> dict[str, str]:
    return {"host_url": proxy.host_url, "agent_id": proxy.agent_id}


def beside(kind: str) -> Message:
    return Message(kind, priority=Priority.UNQUEUED)


def test_async_hooks_and_handlers_run_in_order(make: Make) -> None:
    walker = make("asyncs:AsyncWalker")
    moved = walker.send(Message("go", {"to": "beta"}))
    assert moved.host_url != walker.host_url or moved == walker
    assert walker.send(Message("calls")) == [
        "on_creation@alpha",
        "on_dispatching@alpha",
        "on_arrival@beta",
    ]


def test_an_async_run_goes_on_beside_handlers_and_starts_anew_after_a_move(make: Make) -> None:
    walker = make("asyncs:AsyncWalker")
    wait_until(lambda: walker.send(Message("rounds")) > 2, timeout=PATIENCE, what="it runs")
    walker.dispatch("beta")
    before = walker.send(Message("rounds"))
    wait_until(lambda: walker.send(Message("rounds")) > before, timeout=PATIENCE, what="it runs")


def test_async_code_awaits_the_replies_of_others(make: Make) -> None:
    walker, other = make("asyncs:AsyncWalker"), make("asyncs:AsyncWalker", host="beta")
    assert walker.send(Message("ask", {"other": ref_of(other)})) == ["on_creation@beta"]


def test_a_blocking_verb_in_async_code_is_refused_with_a_hint(make: Make) -> None:
    walker, other = make("asyncs:AsyncWalker"), make("asyncs:AsyncWalker")
    with pytest.raises(HandlerError, match="send_future") as raised:
        walker.send(Message("ask and block", {"other": ref_of(other)}))
    assert raised.value.exception_type == "RuntimeError"


def test_a_reply_set_is_iterated_in_async_code(make: Make) -> None:
    # On gamma, where no other test of this folder has paglets that stay.
    walkers = [make("asyncs:AsyncWalker", host="gamma") for _ in range(3)]
    asked = walkers[0].send(Message("ask all"))
    assert asked == sorted(walker.agent_id for walker in walkers[1:])
    for walker in walkers:
        walker.dispose()


def test_async_handlers_beside_each_other_share_one_loop(make: Make) -> None:
    meeting = make("asyncs:Meeting")
    waiting = meeting.send_future(beside("wait"))
    meeting.send(beside("meet"))
    assert waiting.result(PATIENCE) == "met"


def test_async_code_under_the_state_lock_loses_no_update(make: Make) -> None:
    meeting = make("asyncs:Meeting")
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: meeting.send(beside("step")), range(24)))
    assert sorted(counts) == list(range(1, 25))


def test_a_plain_with_on_the_state_that_spans_an_await_is_an_error(make: Make) -> None:
    meeting = make("asyncs:Meeting")
    with pytest.raises(HandlerError, match="async with"):
        meeting.send(Message("hold over await"))
    assert meeting.send(Message("step")) == 1


def test_a_paglet_may_ask_itself_beside_its_handler(make: Make) -> None:
    assert make("asyncs:Meeting").send(Message("ask myself")) == 0
