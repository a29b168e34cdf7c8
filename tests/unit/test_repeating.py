"""When a call is repeated, how long and how often; time is the loop's and passes as told."""

import asyncio

import pytest

from paglets.model.errors import (
    HandlerError,
    HostUnreachableError,
    MoveInDoubtError,
    PagletCrashedError,
    PagletNotFoundError,
    UnavailableError,
)
from paglets.repeating import (
    FIRST_PAUSE,
    LAST_PAUSE,
    may_be_handled_later,
    may_have_been_done,
    never,
    repeat,
)


class PassingTime:
    """Stands for the loop's clock and for sleeping in it."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: self.now)
        monkeypatch.setattr("paglets.repeating.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def test_pauses_double_up_to_the_longest_and_end_with_the_budget(monkeypatch):
    passing = PassingTime(monkeypatch)

    async def attempt(_number: int, _left: float) -> None:
        raise UnavailableError("starting")

    with pytest.raises(UnavailableError):
        await repeat(attempt, seconds=30.0, is_worth_repeating=may_be_handled_later)
    assert passing.pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert max(passing.pauses) == LAST_PAUSE
    assert passing.now < 30.0


async def test_retry_after_is_obeyed(monkeypatch):
    passing = PassingTime(monkeypatch)
    errors = [UnavailableError("starting", retry_after=7.0)]

    async def attempt(number: int, left: float) -> tuple[int, float]:
        if errors:
            raise errors.pop()
        return number, left

    assert await repeat(attempt, seconds=30.0, is_worth_repeating=may_be_handled_later) == (2, 23.0)
    assert passing.pauses == [7.0]


async def test_a_call_that_once_reached_a_host_may_have_been_done_whatever_comes_after(monkeypatch):
    passing = PassingTime(monkeypatch)
    errors = [HostUnreachableError("reset", connected=True)]

    async def attempt(_number: int, _left: float) -> None:
        raise errors.pop() if errors else HostUnreachableError("refused", connected=False)

    with pytest.raises(HostUnreachableError, match="refused") as caught:
        await repeat(attempt, seconds=30.0, is_worth_repeating=may_have_been_done)
    assert caught.value.detail["connected"] is True
    # The last word decides whether it is asked again: nobody is there.
    assert passing.pauses == [FIRST_PAUSE]


async def test_an_error_that_will_not_change_is_raised_at_once():
    async def attempt(_number: int, _left: float) -> None:
        raise PagletNotFoundError("gone")

    with pytest.raises(PagletNotFoundError):
        await repeat(attempt, seconds=30.0, is_worth_repeating=may_be_handled_later)


@pytest.mark.parametrize(
    ("error", "message", "verb"),
    [
        (HostUnreachableError("reset", connected=True), True, True),
        (HostUnreachableError("refused", connected=False), True, False),
        (MoveInDoubtError("waits"), True, False),
        (PagletCrashedError("ended"), True, False),
        (HandlerError("raised"), False, False),
        (PagletNotFoundError("gone"), False, False),
    ],
)
def test_what_is_worth_repeating(error, message, verb):
    assert may_be_handled_later(error) is message
    assert may_have_been_done(error) is verb
    assert never(error) is False
