"""When spares are made, who gets them, and when they are let go; with processes that are none."""

import asyncio
import itertools

import pytest

from paglets.model.errors import UnavailableError
from paglets.supervise.spares import SparePool
from paglets.testing.waiting import turn


class FakeSpare:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.title = ""
        self.is_alive = True

    def assume(self, title: str, _on_line: object) -> bool:
        if self.is_alive:
            self.title = title
        return self.is_alive

    def kill(self) -> None:
        self.is_alive = False


class Fork:
    """Forks at once unless `gate` is shut; remembers what it made."""

    def __init__(self) -> None:
        self.made: list[FakeSpare] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.late: set[int] = set()
        self._numbers = itertools.count(1)

    async def __call__(self) -> FakeSpare:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.made.append(FakeSpare(next(self._numbers)))
        return self.made[-1]


async def rest() -> None:
    """Let every task go on until all wait."""
    for _ in range(20):
        await turn()


def start(pool: SparePool) -> FakeSpare | None:
    """Start a process that says its first word at once."""
    pool.begin_start()
    spare = pool.claim("paglet:a", None)
    pool.end_start()
    return spare


@pytest.fixture
async def fork(monkeypatch) -> Fork:
    monkeypatch.setattr("paglets.supervise.spares.QUIET", 0.0)
    return Fork()


@pytest.fixture
async def pool(fork: Fork) -> SparePool:
    made = SparePool(2, fork, lambda spare: spare.pid not in fork.late)
    made.fill()
    await rest()
    return made


async def test_it_is_filled_up_to_its_size_and_no_further(pool, fork) -> None:
    pool.fill()
    await rest()
    assert pool.pids == [1, 2]


async def test_who_claims_gets_the_oldest_and_it_is_replaced(pool) -> None:
    spare = start(pool)
    assert (spare.pid, spare.title) == (1, "paglet:a")
    await rest()
    assert pool.pids == [2, 3]


async def test_an_empty_pool_has_nothing_to_give(pool, fork) -> None:
    fork.gate.clear()
    assert [start(pool) is None for _ in range(3)] == [False, False, True]


async def test_one_that_has_ended_is_passed_over(pool, fork) -> None:
    fork.made[0].kill()
    assert start(pool).pid == 2
    await rest()
    assert pool.pids == [3, 4]


async def test_none_is_made_while_a_process_starts(pool) -> None:
    pool.begin_start()
    start(pool)
    await rest()
    assert pool.pids == [2]
    pool.end_start()
    await rest()
    assert pool.pids == [2, 3]


async def test_a_start_soon_after_the_last_puts_off_the_next_spare(pool, monkeypatch) -> None:
    monkeypatch.setattr("paglets.supervise.spares.QUIET", 3600.0)
    start(pool)
    monkeypatch.setattr("paglets.supervise.spares.QUIET", 0.0)
    start(pool)
    await rest()
    assert pool.pids == [3, 4]


async def test_those_of_a_lost_forkserver_are_ended(pool, fork) -> None:
    pool.drop()
    assert pool.pids == []
    assert not any(spare.is_alive for spare in fork.made)


async def test_one_that_comes_too_late_for_its_forkserver_is_ended(pool, fork) -> None:
    fork.late = {3}
    start(pool)
    await rest()
    assert pool.pids == [2, 4]
    assert not fork.made[2].is_alive


@pytest.mark.parametrize("error", [UnavailableError("no memory"), RuntimeError("a defect")])
async def test_a_failed_fork_is_tried_again_after_the_next_start_only(pool, fork, error) -> None:
    fork.error = error
    start(pool)
    await rest()
    assert pool.pids == [2]
    fork.error = None
    await rest()
    assert pool.pids == [2]
    start(pool)
    await rest()
    assert pool.pids == [3, 4]


async def test_a_closed_pool_makes_none(pool, fork) -> None:
    start(pool)
    await pool.close()
    pool.fill()
    await rest()
    assert (pool.pids, len(fork.made)) == ([], 2)


async def test_a_pool_of_size_0_makes_none(fork) -> None:
    pool = SparePool(0, fork, lambda _spare: True)
    pool.fill()
    await rest()
    assert start(pool) is None
    assert fork.made == []
