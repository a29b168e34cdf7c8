import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.supervise.restarts import GiveUp, RestartAt, RestartLimits, decide_restart

LIMITS = RestartLimits(
    first_delay=1.0,
    factor=2.0,
    longest_delay=10.0,
    stable_after=60.0,
    max_restarts=5,
    max_seconds=1000.0,
)


def crash_at_once_again_and_again(times: int) -> list[float]:
    """Return crash times where each restart crashed as soon as it was started."""
    crashes = [100.0]
    while len(crashes) < times:
        decision = decide_restart(crashes, crashes[-1], PATIENT)
        assert isinstance(decision, RestartAt)
        crashes.append(decision.when)
    return crashes


PATIENT = RestartLimits(
    first_delay=1.0, longest_delay=10.0, stable_after=60.0, max_restarts=None, max_seconds=1000.0
)


def test_the_first_crash_is_restarted_after_the_first_delay() -> None:
    assert decide_restart([100.0], 100.0, LIMITS) == RestartAt(101.0)


def test_each_crash_of_a_row_doubles_the_delay_up_to_the_cap() -> None:
    crashes = crash_at_once_again_and_again(8)
    delays = [later - earlier for earlier, later in itertools.pairwise(crashes)]
    assert delays == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_a_stable_life_makes_the_next_crash_a_first_one() -> None:
    assert decide_restart([100.0, 101.0, 103.0 + 60.0], 163.0, LIMITS) == RestartAt(164.0)


def test_time_spent_waiting_for_the_restart_is_no_stable_life() -> None:
    assert decide_restart([100.0, 160.5], 160.5, LIMITS) == RestartAt(162.5)


def test_more_crashes_than_allowed_within_the_window_end_it() -> None:
    crashes = [100.0 + 70 * n for n in range(6)]
    assert isinstance(decide_restart(crashes[:5], crashes[4], LIMITS), RestartAt)
    assert decide_restart(crashes, crashes[5], LIMITS) == GiveUp(crashes=6, seconds=1000.0)


def test_crashes_before_the_window_are_forgotten() -> None:
    crashes = [1.0, 2.0, 3.0, 4.0, 5.0, 2000.0]
    assert decide_restart(crashes, 2000.0, LIMITS) == RestartAt(2001.0)


def test_without_a_crash_there_is_nothing_to_decide() -> None:
    with pytest.raises(ValueError, match="at least one crash"):
        decide_restart([], 1.0, LIMITS)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50).map(sorted))
def test_a_restart_is_never_before_the_crash_nor_later_than_the_cap(crashes: list[float]) -> None:
    decision = decide_restart(crashes, crashes[-1], PATIENT)
    assert isinstance(decision, RestartAt)
    assert crashes[-1] < decision.when <= crashes[-1] + 10.0 + 1e-6
