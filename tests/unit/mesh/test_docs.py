from dataclasses import fields
from pathlib import Path

import pytest

from paglets.mesh.timing import LAN, LOCAL, WAN, MeshTiming

GUIDE = Path(__file__).parents[3] / "docs" / "mesh.md"


def rows():
    lines = [line for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


@pytest.mark.parametrize("knob", [field.name for field in fields(MeshTiming)])
def test_every_knob_is_documented_with_its_presets_and_its_trade_off(knob):
    presets, meaning, smaller, larger = rows()[knob]
    values = [float(text) for text in presets.split("/")]
    expected = [float(getattr(timing, knob)) for timing in (LOCAL, LAN, WAN)]
    assert values in (expected, expected[:1])
    assert len(values) == 3 or len(set(expected)) == 1
    assert meaning
    assert smaller or larger


def test_no_knob_is_documented_that_does_not_exist():
    assert set(rows()) == {field.name for field in fields(MeshTiming)}
