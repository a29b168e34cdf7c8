import asyncio
import time

import pytest

from paglets.testing.clock import VirtualClock, elapse, run_virtual


def test_actions_run_in_order_of_their_time_and_then_of_their_adding():
    clock, seen = VirtualClock(), []
    clock.call_at(2.0, seen.append, "c")
    clock.call_at(1.0, seen.append, "a")
    clock.call_at(1.0, seen.append, "b")
    clock.run_until(1.5)
    assert (seen, clock.now) == (["a", "b"], 1.5)
    clock.run_for(1.0)
    assert (seen, clock.now) == (["a", "b", "c"], 2.5)


def test_actions_may_add_others_and_the_past_is_now():
    clock, seen = VirtualClock(10.0), []
    clock.call_later(1.0, lambda: clock.call_at(5.0, lambda: seen.append(clock.now)))
    clock.run_for(2.0)
    assert seen == [11.0]


def test_an_hour_passes_at_once_on_a_virtual_loop():
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return loop.time() - before

    started = time.monotonic()
    assert run_virtual(main()) == pytest.approx(3600)
    assert time.monotonic() - started < 5


def test_waiting_for_what_never_comes_is_an_error_not_a_hang(monkeypatch):
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="for ever"):
        run_virtual(main())


def test_virtual_time_elapses_with_all_that_is_due_in_it():
    async def main():
        happened = asyncio.Event()
        asyncio.get_running_loop().call_later(59.0, happened.set)
        await elapse(60.0)
        return happened.is_set()

    assert run_virtual(main())


async def test_on_a_real_loop_no_time_elapses_it_would_be_waited_for():
    with pytest.raises(RuntimeError, match="run_virtual"):
        await elapse(60.0)
