"""How often a host looks at itself."""

from dataclasses import replace

import pytest

from paglets.system.mesh_info.pacing import BUSY_INTERVAL, INTEREST_SECONDS, interval
from paglets.system.mesh_info.ranking import REST_INTERVAL
from tests.unit.system.test_ranking import FIGURES

NEVER = float("inf")


def test_a_host_where_nothing_happens_is_looked_at_seldom():
    assert interval(FIGURES, FIGURES, NEVER) == REST_INTERVAL


def test_after_the_first_look_the_second_comes_soon():
    assert interval(None, FIGURES, NEVER) == BUSY_INTERVAL


def test_a_question_makes_figures_fresh_for_a_while():
    assert interval(FIGURES, FIGURES, INTEREST_SECONDS - 0.1) == BUSY_INTERVAL
    assert interval(FIGURES, FIGURES, INTEREST_SECONDS) == REST_INTERVAL


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"cpu_use": FIGURES.cpu_use + 0.26}, BUSY_INTERVAL),
        ({"cpu_use": FIGURES.cpu_use + 0.24}, REST_INTERVAL),
        ({"load_per_cpu": FIGURES.load_per_cpu - 0.26}, BUSY_INTERVAL),
        ({"memory_available_bytes": 6 * 2**30}, BUSY_INTERVAL),
        ({"memory_available_bytes": 7 * 2**30}, REST_INTERVAL),
        ({"disk_free_bytes": 0}, REST_INTERVAL),
    ],
)
def test_a_host_that_becomes_busy_or_free_is_looked_at_soon(change, seconds):
    assert interval(FIGURES, replace(FIGURES, **change), NEVER) == seconds
