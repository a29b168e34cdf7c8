"""A stop that drains first: how long it waits, and what it says."""

import asyncio

import pytest

from paglets.host.leaving import drain_before_stop, summary
from paglets.model.errors import UnavailableError
from paglets.runtime.tasks import Tasks
from paglets.testing.waiting import turn
from paglets.wire.bodies import DrainAnswer, DrainedAgent

LONG = 60.0


class SlowDraining:
    """Answers when told to; remembers what it was asked."""

    def __init__(self, answer: DrainAnswer | Exception) -> None:
        self._answer = answer
        self.may_end = asyncio.Event()
        self.asked: list[tuple[str, float]] = []
        self.ended = False

    async def drain(self, *, to: str, deadline: float) -> DrainAnswer:
        self.asked.append((to, deadline))
        await self.may_end.wait()
        self.ended = True
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


EMPTY = DrainAnswer(agents=(DrainedAgent(agent_id="a", outcome="moved", host="b"),), is_empty=True)


@pytest.fixture
def lines():
    return []


async def begin(draining, lines, *, seconds=LONG, again=None):
    tasks = Tasks()
    again = again or asyncio.Event()
    waiting = asyncio.create_task(drain_before_stop(draining, tasks, seconds, again, lines.append))
    await turn()
    return waiting, tasks


async def test_it_returns_when_the_host_is_empty(lines):
    draining = SlowDraining(EMPTY)
    waiting, _ = await begin(draining, lines)
    assert not waiting.done()
    draining.may_end.set()
    await asyncio.wait_for(waiting, 5)
    assert draining.asked == [("auto", LONG)]
    assert lines[1:] == ["  1 paglets moved on, 0 wait here for its next start"]


async def test_a_second_signal_ends_the_wait_but_cuts_no_move(lines):
    draining, again = SlowDraining(EMPTY), asyncio.Event()
    waiting, tasks = await begin(draining, lines, again=again)
    again.set()
    await asyncio.wait_for(waiting, 5)
    assert not draining.ended
    draining.may_end.set()
    await turn()
    assert draining.ended
    await tasks.close(timeout=1)


async def test_the_stop_goes_on_when_the_time_is_over(lines):
    draining = SlowDraining(EMPTY)
    waiting, tasks = await begin(draining, lines, seconds=0.01)
    await asyncio.wait_for(waiting, 5)
    assert not draining.ended
    await tasks.close(timeout=1)


async def test_a_drain_that_fails_does_not_keep_the_host_from_stopping(lines, caplog):
    draining = SlowDraining(UnavailableError("the disk is full"))
    waiting, _ = await begin(draining, lines)
    draining.may_end.set()
    await asyncio.wait_for(waiting, 5)
    assert "the disk is full" in caplog.text


def test_what_did_not_leave_is_counted():
    answer = DrainAnswer(
        agents=tuple(
            DrainedAgent(agent_id=str(n), outcome=outcome)
            for n, outcome in enumerate(["moved", "asleep", "asleep", "left"])
        ),
        unsettled=("t1",),
    )
    assert summary(answer) == (
        "1 paglets moved on, 2 wait here for its next start, 1 are left, 1 moves are not settled"
    )
