"""When spares are made, who gets them, and when they are let go; with processes that are none."""

import asyncio
import itertools

import pytest

from paglets.model.errors import UnavailableError
from paglets.supervise.control import Lesson
from paglets.supervise.spares import SparePool
from paglets.testing.waiting import turn


class FakeSpare:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.title = ""
        self.is_alive = True
        self.lesson: Lesson | None = None

    def assume(self, title: str, _on_line: object) -> bool:
        if self.is_alive:
            self.title = title
        return self.is_alive

    def teach(self, lesson: Lesson) -> None:
        self.lesson = lesson

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


def start(pool: SparePool, lesson: Lesson | None = None) -> FakeSpare | None:
    """Start a process that says its first word at once."""
    pool.begin_start()
    spare = pool.claim("paglet:a", None, lesson)
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


TOUR, ECHO = Lesson("tour:Tour", ("agents",)), Lesson("echo:Echo", ("agents",))


def lessons(fork: Fork, pool: SparePool) -> list[Lesson | None]:
    """Return what the spares of a pool have learned, the oldest first."""
    return [fork.made[pid - 1].lesson for pid in pool.pids]


async def started(pool: SparePool, lesson: Lesson) -> FakeSpare | None:
    """Start a process, and wait until the pool is at rest again."""
    spare = start(pool, lesson)
    await rest()
    return spare


async def test_one_learns_what_was_started_last_and_one_stays_blank(pool, fork) -> None:
    first = await started(pool, TOUR)
    assert first.lesson is None
    assert lessons(fork, pool) == [TOUR, None]
    second = await started(pool, TOUR)
    assert second.lesson == TOUR
    assert sorted(lessons(fork, pool), key=str) == [TOUR, None]


async def test_one_that_has_learned_something_is_given_to_nobody_else(pool, fork) -> None:
    await started(pool, TOUR)
    fork.gate.clear()
    assert start(pool, ECHO).lesson is None
    assert start(pool, ECHO) is None
    assert start(pool) is None
    assert start(pool, TOUR).lesson == TOUR
    fork.gate.set()
    await rest()


async def test_what_is_started_once_displaces_nothing(pool, fork) -> None:
    await started(pool, TOUR)
    await started(pool, ECHO)
    assert sorted(lessons(fork, pool), key=str) == [TOUR, None]
    await started(pool, ECHO)
    assert sorted(lessons(fork, pool), key=str) == [ECHO, None]
    assert sum(spare.is_alive and spare.title == "" for spare in fork.made) == 2


async def test_what_is_expected_is_learned_at_once_and_only_by_one(pool, fork) -> None:
    pool.expect(TOUR)
    pool.expect(TOUR)
    assert lessons(fork, pool) == [TOUR, None]
    assert (await started(pool, TOUR)).lesson == TOUR


async def test_where_all_have_learned_something_the_oldest_makes_room_for_a_blank(
    pool, fork
) -> None:
    pool.expect(TOUR)
    pool.expect(ECHO)
    assert lessons(fork, pool) == [TOUR, ECHO]
    assert await started(pool, Lesson("log:Log", ())) is None
    assert lessons(fork, pool) == [ECHO, None]
    assert not fork.made[0].is_alive


async def test_a_pool_of_one_stays_blank(fork) -> None:
    pool = SparePool(1, fork, lambda _spare: True)
    pool.fill()
    await rest()
    pool.expect(TOUR)
    await started(pool, TOUR)
    assert lessons(fork, pool) == [None]
