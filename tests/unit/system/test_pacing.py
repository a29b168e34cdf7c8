"""When a host is sampled, and when the mesh is told another snapshot of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from paglets.system.cgroup import CgroupLimits
from paglets.system.mesh_info import glancing
from paglets.system.mesh_info.glancing import LOOK_BACK, Glancer
from paglets.system.mesh_info.pacing import (
    FIRST_RETRY,
    GLANCE_INTERVAL,
    GPU_INTERVAL,
    INTEREST_SECONDS,
    LONGEST_RETRY,
    PART_INTERVAL,
    SAMPLE_INTERVAL,
    Glance,
    Known,
    is_news,
    is_sample_due,
    pause_after,
)
from paglets.system.mesh_info.ranking import HELD_FOR
from tests.unit.system.test_ranking import FIGURES, GIB

NEVER = -float("inf")
GLANCE = Glance(4.0, 0.2, 0.5, 16 * GIB, 8 * GIB, 100 * GIB, 50 * GIB)
PART = replace(GLANCE, memory_available_bytes=None, cpu_use=None)
REST = GLANCE.update(replace(FIGURES, gpu_free_bytes=()))
KNOWN = Known(REST, REST, sampled_at=1000.0, seen_at=1000.0)


def is_due(after, glance=GLANCE, known=KNOWN, asked_ago=float("inf")):
    return is_sample_due(known, glance, 1000.0 + after, 1000.0 + after - asked_ago)


def test_a_host_that_was_never_sampled_is_sampled():
    assert is_sample_due(None, GLANCE, 0.0, NEVER)


def test_a_sample_holds_while_glances_show_all_and_nobody_asks_but_not_for_ever():
    assert not is_due(GLANCE_INTERVAL)
    assert not is_due(SAMPLE_INTERVAL - 0.1)
    assert is_due(SAMPLE_INTERVAL)


def test_a_busy_host_is_not_sampled_for_that_as_a_glance_shows_it():
    busy = replace(GLANCE, load_per_cpu=7.0, cpu_use=1.0, memory_available_bytes=GIB)
    assert not is_due(GLANCE_INTERVAL, busy)


def test_a_question_keeps_figures_fresh_for_a_while():
    assert is_due(GLANCE_INTERVAL, asked_ago=INTEREST_SECONDS - 0.1)
    assert not is_due(GLANCE_INTERVAL, asked_ago=INTEREST_SECONDS)


def test_a_system_that_does_not_show_all_at_a_glance_is_sampled_more_often():
    for part in (replace(PART, cpu_use=0.1), replace(PART, memory_available_bytes=1)):
        assert not is_due(PART_INTERVAL - 0.1, part)
        assert is_due(PART_INTERVAL, part)


def test_graphics_processors_are_sampled_more_often_as_no_glance_shows_them():
    known = replace(KNOWN, figures=FIGURES)
    assert FIGURES.gpu_free_bytes
    assert not is_due(GPU_INTERVAL - 0.1, known=known)
    assert is_due(GPU_INTERVAL, known=known)


def test_a_glance_brings_figures_up_to_date_and_leaves_what_it_does_not_show():
    seen = replace(GLANCE, cpus=2.0, memory_total_bytes=4 * GIB, temp_free_bytes=7)
    figures = seen.update(FIGURES)
    assert (figures.cpus, figures.memory_total_bytes, figures.temp_free_bytes) == (2.0, 4 * GIB, 7)
    assert figures.gpu_free_bytes == FIGURES.gpu_free_bytes
    part = PART.update(FIGURES)
    assert part.cpu_use == FIGURES.cpu_use
    assert part.memory_available_bytes == FIGURES.memory_available_bytes
    assert part.load_per_cpu == PART.load_per_cpu


def test_a_figure_that_has_not_changed_is_no_news():
    assert not is_news(REST, REST)


@pytest.mark.parametrize(
    ("change", "is_worth_it"),
    [
        ({"load_per_cpu": 0.64}, False),
        ({"load_per_cpu": 0.66}, True),
        ({"load_per_cpu": 0.34}, True),
        ({"cpu_use": 0.64}, False),
        ({"cpu_use": 0.66}, True),
        ({"cpu_use": 0.0}, False),
        ({"memory_available_bytes": 8 * GIB - 16 * GIB // 20}, False),
        ({"memory_available_bytes": 7 * GIB}, True),
        ({"memory_available_bytes": 9 * GIB}, True),
        ({"memory_total_bytes": 17 * GIB}, True),
        ({"cpus": 3.0}, True),
        ({"disk_free_bytes": 95 * GIB}, False),
        ({"disk_free_bytes": 94 * GIB}, True),
        ({"temp_free_bytes": 47 * GIB}, True),
        ({"gpu_free_bytes": (1,)}, True),
    ],
)
def test_a_change_that_matters_is_worth_telling(change, is_worth_it):
    assert is_news(REST, replace(REST, **change)) is is_worth_it


def test_where_load_is_high_it_may_swing_by_more_as_all_cores_are_taken():
    busy = replace(REST, load_per_cpu=4.0, cpu_use=1.0)
    assert not is_news(busy, replace(busy, load_per_cpu=5.1, cpu_use=0.7))
    assert is_news(busy, replace(busy, load_per_cpu=5.3))
    assert is_news(busy, replace(busy, load_per_cpu=2.7))


def test_memory_of_a_graphics_processor_that_is_taken_is_news():
    one = replace(REST, gpu_free_bytes=(GIB, GIB))
    assert is_news(one, replace(one, gpu_free_bytes=(GIB, GIB * 9 // 10)))
    assert not is_news(one, replace(one, gpu_free_bytes=(GIB, GIB * 99 // 100)))


def test_a_host_vouches_for_longer_than_one_glance_and_takes_back_after_a_few():
    assert 2 * GLANCE_INTERVAL < HELD_FOR <= 4 * GLANCE_INTERVAL


def test_a_glance_that_fails_is_tried_again_soon_and_then_more_seldom():
    assert pause_after(0) == GLANCE_INTERVAL
    assert [pause_after(n) for n in (1, 2, 3)] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert pause_after(100) == LONGEST_RETRY


def test_a_glance_sees_this_machine(tmp_path: Path):
    glancer = Glancer(tmp_path)
    assert glancer.look().cpu_use is None, "nothing to compare with yet"
    glance = glancer.look()
    assert glance.load_per_cpu >= 0
    assert 0 < glance.memory_available_bytes <= glance.memory_total_bytes
    assert glance.disk_free_bytes > 0
    assert glance.temp_free_bytes > 0
    assert 0 <= glance.cpu_use <= 1
    assert glance.cpus > 0


def played(monkeypatch, *, times, quota=None, quota_used=(), cpus=(), load=0.0):
    """Have glances see a machine that is played."""
    times, quota_used, cpus = iter(times), iter(quota_used), iter(cpus)
    monkeypatch.setattr(glancing.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(glancing.os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(glancing, "cpus_allowed_numbers", lambda: {0})
    monkeypatch.setattr(glancing, "cpu_times", lambda: next(cpus, ({}, {})))
    limits = lambda: CgroupLimits(quota, next(quota_used, None), 1000, 4000)  # noqa: E731
    monkeypatch.setattr(glancing, "cgroup_limits", limits)


def test_a_glance_sees_how_much_of_a_quota_is_used(monkeypatch, tmp_path: Path):
    played(monkeypatch, times=(10.0, 20.0, 20.0), quota=0.5, quota_used=(1.0, 5.0, 5.0))
    glancer = Glancer(tmp_path)
    first, second = glancer.look(), glancer.look()
    assert (first.load_per_cpu, second.load_per_cpu) == (0.0, 0.8)
    assert (first.memory_available_bytes, first.memory_total_bytes) == (1000, 4000)


def test_a_glance_sees_the_cpus_of_the_last_minute_so_that_a_burst_is_no_news(
    monkeypatch, tmp_path: Path
):
    looks = range(10)
    burst = [({0: 10.0 if n > 6 else 0.0}, {0: 10.0 * n}) for n in looks]
    played(monkeypatch, times=[10.0 * n for n in looks], cpus=burst)
    glancer = Glancer(tmp_path)
    uses = [glancer.look().cpu_use for _ in looks]
    assert uses[:7] == [None] + [0.0] * 6
    assert uses[7] == round(10 / LOOK_BACK, 3)


def test_where_no_file_tells_of_cpus_their_use_is_not_known(monkeypatch, tmp_path: Path):
    played(monkeypatch, times=(10.0, 20.0))
    glancer = Glancer(tmp_path)
    assert [glancer.look().cpu_use, glancer.look().cpu_use] == [None, None]
