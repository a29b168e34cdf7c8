"""The plots of the documentation are of what was measured."""

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks import growth
from benchmarks.growth import Point

FIGURES = Path(__file__).parents[3] / "docs" / "figures"
PERFORMANCE = FIGURES.parent / "performance.md"


def test_a_point_is_the_best_round_with_the_spread_of_all():
    rounds = [[0.003, 0.003, 0.009], [0.001, 0.002, 0.002]]
    assert growth.point(10, rounds, 1000) == Point(10, 2.0, 2.0, 3.0)


def test_the_committed_figures_have_every_size():
    found = json.loads(growth.DATA.read_text())
    assert found.keys() == growth.PARTS.keys()
    expected = {"paglets": growth.PAGLETS, "size": growth.SIZES, "hosts": growth.MESHES}
    for part, sizes in expected.items():
        for points in found[part]["series"].values():
            assert [each["x"] for each in points] == list(sizes)
            assert all(each.keys() == asdict(Point(0, 0, 0, 0)).keys() for each in points)


def test_every_plot_is_shown_and_every_shown_plot_exists():
    text = PERFORMANCE.read_text()
    drawn = {path.name for path in FIGURES.glob("*.svg")}
    shown = {part.partition(")")[0] for part in text.split("(figures/")[1:]}
    assert drawn == shown
    assert len(drawn) == len(growth.PARTS)
