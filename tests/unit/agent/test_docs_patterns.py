"""docs/patterns.md says what is so."""

from pathlib import Path

from paglets import MissingReason

PAGE = (Path(__file__).parents[3] / "docs" / "patterns.md").read_text()


def test_every_reason_is_explained():
    assert [f"\n| {reason.name} | " in PAGE for reason in MissingReason] == [True] * 7
