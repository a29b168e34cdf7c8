"""docs/patterns.md says what is so."""

from pathlib import Path

from paglets import MissingReason
from paglets.agent.tasks.desk import DeskBounds

PAGE = (Path(__file__).parents[3] / "docs" / "patterns.md").read_text()


def test_every_reason_is_explained():
    assert [f"\n| {reason.name} | " in PAGE for reason in MissingReason] == [True] * 7


def test_the_numbers_of_tasks_are_those_of_the_desk():
    bounds = DeskBounds()
    flat = " ".join(PAGE.split())
    assert f"takes up to {bounds.open} open tasks" in flat
    assert f"outcomes of the last {bounds.ended}." in flat
