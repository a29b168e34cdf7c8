"""What readings of a machine mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model.errors import InvalidRequestError
from paglets.system.server_info.contract import COMMAND_LIMIT, PATTERN_LIMIT
from paglets.system.server_info.figures import (
    CpuReading,
    CpuUse,
    Pattern,
    make_load,
    shown_command,
    use_between,
)


def reading(at: float, busy: dict[int, float], total: dict[int, float], **quota) -> CpuReading:
    return CpuReading(at, busy, total, **quota)


def test_the_share_is_that_of_the_cpus_on_which_this_host_may_run():
    before = reading(0, {0: 10.0, 1: 50.0}, {0: 100.0, 1: 100.0})
    after = reading(10, {0: 15.0, 1: 60.0}, {0: 110.0, 1: 110.0})
    assert use_between(before, after, {0, 1}) == CpuUse(cpus=0.75)
    assert use_between(before, after, {0}) == CpuUse(cpus=0.5)
    assert use_between(before, after, {1}) == CpuUse(cpus=1.0)


def test_a_quota_has_a_share_of_its_own():
    before = reading(0, {0: 0.0}, {0: 0.0}, quota=0.5, quota_used=3.0)
    after = reading(10, {0: 1.0}, {0: 10.0}, quota=0.5, quota_used=7.0)
    assert use_between(before, after, {0}) == CpuUse(cpus=0.1, quota=0.8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"quota": None}, {"quota": 0.5, "quota_used": 1.0}),
        ({"quota": 0.5, "quota_used": 1.0}, {"quota": None}),
        ({"quota": 0.5, "quota_used": None}, {"quota": 0.5, "quota_used": None}),
    ],
)
def test_without_a_quota_or_its_use_there_is_no_share_of_it(before, after):
    use = use_between(reading(0, {}, {}, **before), reading(1, {}, {}, **after), {0})
    assert use == CpuUse()


def test_a_cpu_that_came_or_went_in_between_is_left_out():
    before = reading(0, {0: 0.0, 2: 0.0}, {0: 0.0, 2: 0.0})
    after = reading(1, {0: 0.5, 1: 90.0}, {0: 1.0, 1: 100.0})
    assert use_between(before, after, {0, 1, 2}) == CpuUse(cpus=0.5)


counters = st.dictionaries(st.integers(0, 3), st.floats(0, 1e9))


@given(counters, counters, counters, counters, st.floats(0, 64), st.floats(0, 1e9))
def test_shares_stay_between_0_and_1_whatever_the_counters_do(b1, t1, b2, t2, quota, used):
    both1 = b1.keys() & t1.keys()
    both2 = b2.keys() & t2.keys()
    before = reading(0, {k: b1[k] for k in both1}, {k: t1[k] for k in both1},
                     quota=quota, quota_used=used)  # fmt: skip
    after = reading(0.5, {k: b2[k] for k in both2}, {k: t2[k] for k in both2},
                    quota=quota, quota_used=used * 2)  # fmt: skip
    use = use_between(before, after, {0, 1, 2, 3})
    assert 0 <= use.cpus <= 1
    assert 0 <= use.quota <= 1


def test_the_machines_load_is_divided_by_the_machines_cpus():
    load = make_load((3.0, 2.0, 1.0), 0.5, 4, CpuUse(cpus=0.7))
    assert (load.load_1, load.load_5, load.load_15) == (3.0, 2.0, 1.0)
    assert (load.cpus, load.machine_cpus) == (0.5, 4)
    assert load.per_cpu == 0.75
    assert load.use == 0.7


def test_a_quota_that_is_used_up_counts_on_an_idle_machine():
    load = make_load((0.4, 0.0, 0.0), 0.5, 4, CpuUse(cpus=0.1, quota=0.95))
    assert load.per_cpu == 0.95
    assert load.use == 0.95


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("py", "/usr/bin/Python3 -m x", True),
        ("PY", "/usr/bin/python3", True),
        ("py", "ruby", False),
        ("", "anything", True),
        ("*", "", True),
        ("python*", "/usr/bin/python3", False),
        ("*python?", "/usr/bin/python3", True),
        ("python?", "python", False),
        ("a[b]*", "a[b]c", True),
        ("a[b]*", "abc", False),
        ("[x", "a[x", True),
    ],
)
def test_a_pattern_is_a_part_or_has_wildcards(pattern, text, matches):
    assert Pattern(pattern).matches(text) is matches


def test_a_pattern_matches_any_of_the_texts():
    assert Pattern("b").matches("a", "b")
    assert not Pattern("c*").matches("a", "b")


def test_a_pattern_of_many_stars_takes_no_time():
    assert not Pattern("*a" * (PATTERN_LIMIT // 2 - 1) + "b").matches("a" * 5000)


def test_a_pattern_beyond_the_limit_is_refused():
    Pattern("x" * PATTERN_LIMIT)
    with pytest.raises(InvalidRequestError, match="201 characters"):
        Pattern("x" * (PATTERN_LIMIT + 1))


def test_a_command_is_one_line_and_cut():
    assert shown_command(["sh", "-c", "a\nb\x1b[2J"]) == "sh -c a?b?[2J"
    assert shown_command([]) == ""
    whole = shown_command(["x" * COMMAND_LIMIT])
    assert whole == "x" * COMMAND_LIMIT
    cut = shown_command(["x" * COMMAND_LIMIT, "y"])
    assert len(cut) == COMMAND_LIMIT
    assert cut.endswith("x…")
