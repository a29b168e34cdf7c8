"""The State Lock: owned by the call, thread or task; reentrant; handed on in order."""

import asyncio
import threading

import pytest

from paglets.agent.statelock import LockedState, StateLock, state_locked
from paglets.model.errors import DeadlineError
from paglets.testing.waiting import turn


def in_thread(code) -> threading.Thread:
    thread = threading.Thread(target=code, daemon=True)
    thread.start()
    return thread


def test_the_lock_is_reentrant_in_its_thread():
    lock = StateLock()

    with LockedState(lock, 1) as one, LockedState(lock, 2) as two:
        assert (one, two) == (1, 2)
        assert lock.is_held
    assert not lock.is_held


def test_another_thread_waits_and_is_handed_the_lock():
    lock, order = StateLock(), []
    lock.acquire()
    begun = threading.Event()

    def other() -> None:
        begun.set()
        with LockedState(lock, None):
            order.append("other")

    thread = in_thread(other)
    assert begun.wait(5)
    order.append("first")
    lock.release()
    thread.join(5)

    assert order == ["first", "other"]


def test_who_waits_too_long_is_told():
    lock = StateLock()
    lock.acquire()
    raised: list[BaseException] = []

    def other() -> None:
        try:
            lock.acquire(0.001)
        except DeadlineError as error:
            raised.append(error)

    in_thread(other).join(5)

    assert "held the state lock" in str(raised[0])
    lock.release()
    lock.acquire()
    lock.release()


def test_releasing_what_is_not_held_is_an_error():
    with pytest.raises(RuntimeError, match="not held"):
        StateLock().release()


def test_wait_lets_go_of_all_levels_and_takes_them_again():
    lock = StateLock()

    def other() -> None:
        lock.acquire()
        lock.notify_all()
        lock.release()

    lock.acquire()
    lock.acquire()
    thread = in_thread(other)
    assert lock.wait(5)
    thread.join(5)
    assert lock.is_held
    lock.release()
    assert lock.is_held
    lock.release()


async def test_two_tasks_of_one_thread_exclude_each_other():
    lock, order = StateLock(), []

    async def work(name: str) -> None:
        async with LockedState(lock, None):
            order.append(f"{name} in")
            await turn()
            order.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"))

    assert order == ["a in", "a out", "b in", "b out"]


async def test_the_lock_is_reentrant_in_its_task():
    lock = StateLock()

    async with LockedState(lock, 1), LockedState(lock, 2) as two:
        assert two == 2


async def test_a_task_waits_for_a_thread_without_stopping_the_loop():
    lock = StateLock()
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with LockedState(lock, None):
            taken.set()
            let_go.wait(5)

    thread = in_thread(hold)
    assert taken.wait(5)
    asyncio.get_running_loop().call_soon(let_go.set)

    async with LockedState(lock, None):
        pass
    thread.join(5)


async def test_a_plain_with_that_spans_an_await_is_noticed():
    lock = StateLock()

    with pytest.raises(RuntimeError, match="spans an await"), LockedState(lock, None):
        await turn()

    assert not lock.is_held


async def test_a_plain_with_without_an_await_is_fine_in_async_code():
    lock = StateLock()

    with LockedState(lock, None):
        pass
    await turn()


async def test_a_plain_with_on_what_another_task_holds_is_refused():
    lock = StateLock()
    taken, let_go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with LockedState(lock, None):
            taken.set()
            await let_go.wait()

    holder = asyncio.create_task(hold())
    await taken.wait()

    with pytest.raises(RuntimeError, match="async with"), LockedState(lock, None):
        pass

    let_go.set()
    await holder


async def test_a_cancelled_waiter_leaves_the_queue():
    lock = StateLock()
    taken, let_go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with LockedState(lock, None):
            taken.set()
            await let_go.wait()

    async def wait() -> None:
        async with LockedState(lock, None):
            pass

    holder = asyncio.create_task(hold())
    await taken.wait()
    waiter = asyncio.create_task(wait())
    await turn()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    let_go.set()
    await holder

    async with LockedState(lock, None):
        pass


class Safe:
    def __init__(self) -> None:
        self.lock = StateLock()

    def locked(self) -> LockedState[None]:
        return LockedState(self.lock, None)

    @state_locked
    def plain(self) -> bool:
        return self.lock.is_held

    @state_locked
    async def waiting(self) -> bool:
        await turn()
        return self.lock.is_held


async def test_state_locked_methods_run_under_the_lock():
    safe = Safe()

    assert safe.plain()
    assert await safe.waiting()
    assert not safe.lock.is_held
