"""Waiting in tests: as soon as it is so, and never for ever."""

import asyncio

import pytest

from paglets.model.errors import DeadlineError
from paglets.testing.clock import run_virtual
from paglets.testing.waiting import turn, wait_until, wait_until_async


def test_a_condition_that_holds_is_not_waited_for():
    wait_until(lambda: True, timeout=0.0, what="it is so")


def test_a_condition_that_never_holds_is_told_with_its_story():
    with pytest.raises(DeadlineError, match="waited 0 s in vain until it rains:\nsunny"):
        wait_until(lambda: False, timeout=0.0, what="it rains", story=lambda: "sunny")


def test_the_loop_goes_on_while_a_condition_is_waited_for():
    async def main():
        loop = asyncio.get_running_loop()
        happened = asyncio.Event()
        loop.call_later(2.0, happened.set)
        await wait_until_async(happened.is_set, timeout=10.0, what="it happens", interval=0.5)
        return loop.time()

    assert run_virtual(main()) == pytest.approx(2.0, abs=0.6)


def test_on_a_loop_too_a_condition_that_never_holds_is_told():
    async def main():
        await wait_until_async(lambda: False, timeout=3600.0, what="it rains", interval=60.0)

    with pytest.raises(DeadlineError, match="waited 3600 s in vain until it rains"):
        run_virtual(main())


async def test_a_turn_runs_every_task_that_is_ready():
    seen = []

    async def note(number):
        seen.append(number)

    tasks = [asyncio.create_task(note(number)) for number in range(3)]
    await turn()
    assert (seen, all(task.done() for task in tasks)) == ([0, 1, 2], True)
