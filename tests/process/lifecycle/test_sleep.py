"""DeactivationPolicy: what wakes a sleeping paglet, and what becomes of its messages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets.agent.proxy import PagletProxy
from paglets.model.errors import PagletInactiveError, PagletNotFoundError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import Message
from paglets.testing.waiting import wait_until
from tests.process.lifecycle.stage import PATIENCE

Make = Callable[..., PagletProxy]
QUIET = DeactivationPolicy(activate_on_message=False)
DEAF = DeactivationPolicy(activate_on_message=False, queue_messages=False)


def hear(text: str) -> Message:
    return Message("hear", {"text": text})


@pytest.fixture
def talker(make: Make) -> PagletProxy:
    return make("talking:Talker")


def test_state_is_kept_over_a_sleep(talker: PagletProxy) -> None:
    talker.send(hear("before"))
    talker.deactivate()
    assert talker.info().status == "inactive"
    assert talker.info().pid is None
    assert talker.state()["heard"] == ["before"]
    talker.activate()
    assert talker.send(Message("heard")) == ["before"]


def test_a_message_wakes_a_sleeping_paglet_and_is_answered(talker: PagletProxy) -> None:
    talker.deactivate()
    assert talker.send(hear("wake up")) == 1
    assert talker.info().status == "active"


def test_many_messages_at_once_wake_it_once_and_all_are_handled(talker: PagletProxy) -> None:
    talker.deactivate()
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda n: talker.send(hear(str(n))), range(16)))
    assert sorted(counts) == list(range(1, 17))


def test_messages_that_do_not_wake_it_are_stored_and_handled_in_order_later(
    talker: PagletProxy,
) -> None:
    talker.deactivate(QUIET)
    for text in ("one", "two", "three"):
        assert talker.send(hear(text)) is None
    assert talker.info().status == "inactive"
    talker.activate()
    assert talker.send(hear("newer")) == 4
    assert talker.send(Message("heard")) == ["one", "two", "three", "newer"]


def test_messages_fail_typed_where_the_policy_neither_wakes_nor_queues(talker: PagletProxy) -> None:
    talker.deactivate(DEAF)
    with pytest.raises(PagletInactiveError):
        talker.send(hear("hello"))
    talker.activate()
    assert talker.send(Message("heard")) == []


@pytest.mark.parametrize("policy", [DeactivationPolicy(), QUIET, DEAF], ids=str)
def test_no_delay_never_wakes_and_never_queues(
    talker: PagletProxy, policy: DeactivationPolicy
) -> None:
    talker.deactivate(policy)
    with pytest.raises(PagletInactiveError):
        talker.send(hear("hello"), no_delay=True)
    assert talker.info().status == "inactive"
    talker.activate()
    assert talker.send(Message("heard")) == []


def test_a_timer_wakes_it(talker: PagletProxy) -> None:
    talker.deactivate(DeactivationPolicy.after(0.3, activate_on_message=False))
    assert talker.info().activate_at is not None
    wait_until(lambda: talker.info().status == "active", timeout=PATIENCE, what="it is awake")


def test_the_policy_of_a_sleeping_paglet_can_be_changed(talker: PagletProxy) -> None:
    talker.deactivate(DEAF)
    talker.deactivate(DeactivationPolicy())
    assert talker.send(hear("now")) == 1


def test_messages_queued_when_it_falls_asleep_are_not_lost(make: Make) -> None:
    desk = make("locking:Desk")
    sleeping = desk.send_future(Message("sleep", {"seconds": 60}))
    wait_until(lambda: desk.info().queued == 0, timeout=PATIENCE, what="it sleeps")
    waiting = [desk.send_future(Message("nest")) for _ in range(3)]
    wait_until(lambda: desk.info().queued == 3, timeout=PATIENCE, what="three wait")
    desk.deactivate()
    assert sleeping.result(PATIENCE) == [True, True]
    assert [each.result(PATIENCE) for each in waiting] == [0, 0, 0]


def test_messages_queued_when_it_falls_asleep_deaf_fail_typed(make: Make) -> None:
    desk = make("locking:Desk")
    sleeping = desk.send_future(Message("sleep", {"seconds": 60}))
    wait_until(lambda: desk.info().queued == 0, timeout=PATIENCE, what="it sleeps")
    waiting = desk.send_future(Message("nest"))
    wait_until(lambda: desk.info().queued == 1, timeout=PATIENCE, what="one waits")
    desk.deactivate(DEAF)
    sleeping.result(PATIENCE)
    with pytest.raises(PagletInactiveError):
        waiting.result(5.0)


def test_messages_queued_when_it_falls_asleep_quietly_are_answered_as_stored(make: Make) -> None:
    desk = make("locking:Desk")
    sleeping = desk.send_future(Message("sleep", {"seconds": 60}))
    wait_until(lambda: desk.info().queued == 0, timeout=PATIENCE, what="it sleeps")
    waiting = desk.send_future(Message("put", {"number": 5}))
    wait_until(lambda: desk.info().queued == 1, timeout=PATIENCE, what="one waits")
    desk.deactivate(QUIET)
    sleeping.result(PATIENCE)
    assert waiting.result(5.0) is None
    desk.activate()
    desk.send(Message("nest"))
    assert desk.state()["numbers"] == [5]


def test_a_sleeping_paglet_is_cloned_and_moved_without_waking_it(talker: PagletProxy) -> None:
    talker.send(hear("kept"))
    talker.deactivate()
    clone = talker.clone("beta")
    talker.dispatch("gamma")
    info = talker.info()
    assert (info.status, info.host_name) == ("inactive", "gamma")
    assert clone.send(Message("heard")) == ["kept"]
    assert talker.send(Message("heard")) == ["kept"]


def test_stored_messages_travel_with_a_sleeping_paglet(talker: PagletProxy) -> None:
    talker.deactivate(QUIET)
    for text in ("one", "two"):
        talker.send(hear(text))
    talker.dispatch("beta")
    talker.activate()
    assert talker.send(Message("heard")) == ["one", "two"]


def test_activating_an_active_paglet_changes_nothing(talker: PagletProxy) -> None:
    before = talker.info().pid
    talker.activate()
    assert talker.info().pid == before


def test_a_disposed_paglet_cannot_be_put_to_sleep(talker: PagletProxy) -> None:
    talker.dispose()
    with pytest.raises(PagletNotFoundError):
        talker.deactivate()
