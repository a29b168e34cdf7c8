"""When a host is sampled, and when the mesh is told of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from paglets.system.cgroup import CgroupLimits
from paglets.system.mesh_info import glancing
from paglets.system.mesh_info.glancing import Glancer
from paglets.system.mesh_info.pacing import (
    GLANCE_INTERVAL,
    INTEREST_SECONDS,
    LOAD_CHANGE,
    SAMPLE_INTERVAL,
    Glance,
    Known,
    is_change,
    is_sample_due,
    is_telling_due,
    pause_after,
)
from paglets.system.mesh_info.ranking import REST_INTERVAL
from tests.unit.system.test_ranking import FIGURES, GIB

NEVER = -float("inf")
GLANCE = Glance(0.5, 8 * GIB, 100 * GIB, 50 * GIB)
REST = replace(FIGURES, gpu_free_bytes=())
KNOWN = Known(REST, GLANCE, sampled_at=1000.0, confirmed_at=1000.0, told_at=1000.0)


def is_due(after, glance=GLANCE, known=KNOWN, asked_ago=float("inf")):
    return is_sample_due(known, glance, 1000.0 + after, 1000.0 + after - asked_ago)


def test_a_host_that_was_never_sampled_is_sampled():
    assert is_sample_due(None, GLANCE, 0.0, NEVER)


def test_a_sample_holds_while_nothing_changes_and_nobody_asks_but_not_for_ever():
    assert not is_due(GLANCE_INTERVAL)
    assert not is_due(SAMPLE_INTERVAL - 0.1)
    assert is_due(SAMPLE_INTERVAL)


def test_a_question_keeps_figures_fresh_for_a_while():
    assert is_due(GLANCE_INTERVAL, asked_ago=INTEREST_SECONDS - 0.1)
    assert not is_due(GLANCE_INTERVAL, asked_ago=INTEREST_SECONDS)


def test_graphics_processors_are_sampled_more_often_as_no_glance_shows_them():
    known = replace(KNOWN, figures=FIGURES)
    assert not is_due(REST_INTERVAL - 0.1, known=known)
    assert is_due(REST_INTERVAL, known=known)


@pytest.mark.parametrize(
    ("change", "is_worth_it"),
    [
        ({"load_per_cpu": 0.49 + LOAD_CHANGE}, False),
        ({"load_per_cpu": 0.51 + LOAD_CHANGE}, True),
        ({"load_per_cpu": 0.49 - LOAD_CHANGE}, True),
        ({"memory_available_bytes": 8 * GIB - 16 * GIB // 20}, False),
        ({"memory_available_bytes": 7 * GIB}, True),
        ({"memory_available_bytes": 9 * GIB}, True),
        ({"disk_free_bytes": 95 * GIB}, False),
        ({"disk_free_bytes": 94 * GIB}, True),
        ({"temp_free_bytes": 47 * GIB}, True),
    ],
)
def test_a_change_that_matters_is_worth_a_sample(change, is_worth_it):
    glance = replace(GLANCE, **change)
    assert is_change(KNOWN, glance) is is_worth_it
    assert is_due(GLANCE_INTERVAL, glance) is is_worth_it


def test_the_mesh_is_told_again_of_a_sample_that_holds():
    assert not is_telling_due(KNOWN, 1000.0 + GLANCE_INTERVAL)
    assert not is_telling_due(KNOWN, 1000.0 + 2 * GLANCE_INTERVAL + 0.5)
    assert is_telling_due(KNOWN, 1000.0 + REST_INTERVAL - 0.5)
    assert is_telling_due(replace(KNOWN, told_at=NEVER), 1000.0)


def test_a_glance_sees_this_machine(tmp_path: Path):
    glance = Glancer(tmp_path).look()
    assert glance.load_per_cpu >= 0
    assert glance.memory_available_bytes > 0
    assert glance.disk_free_bytes > 0
    assert glance.temp_free_bytes > 0


def test_a_glance_sees_how_much_of_a_quota_is_used(monkeypatch, tmp_path: Path):
    times = iter([10.0, 20.0, 20.0])
    used = iter([1.0, 5.0, 9.0])
    monkeypatch.setattr(glancing.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(glancing.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(
        glancing, "cgroup_limits", lambda: CgroupLimits(0.5, next(used), 1000, 4000)
    )
    glancer = Glancer(tmp_path)
    first, second, third = glancer.look(), glancer.look(), glancer.look()
    assert (first.load_per_cpu, second.load_per_cpu, third.load_per_cpu) == (0.0, 0.8, 0.0)
    assert first.memory_available_bytes == 1000


def test_what_failed_is_tried_again_soon_and_then_ever_more_seldom():
    assert pause_after(0) == GLANCE_INTERVAL
    assert [pause_after(n) for n in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert pause_after(6) == pause_after(10_000) == REST_INTERVAL
