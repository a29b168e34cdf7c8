"""docs/user-info.md says what is so."""

from pathlib import Path

from paglets.model.enums import Severity
from paglets.system.user_info import contract
from paglets.system.user_info.journal import Bounds

PAGE = " ".join((Path(__file__).parents[3] / "docs" / "user-info.md").read_text().split())


def test_the_bounds_on_the_page_are_those_of_the_journal():
    bounds = Bounds()
    kib = 1024

    assert f"{bounds.notices} notifications and {bounds.notice_bytes // kib} KiB" in PAGE
    assert f"{bounds.lines} lines and {bounds.line_bytes // kib} KiB of each stream" in PAGE
    assert f"{bounds.streams} streams and {bounds.all_lines_bytes // kib} KiB of all" in PAGE
    assert f"the {bounds.readers} readers" in PAGE


def test_the_lengths_on_the_page_are_those_of_the_contract():
    assert f"cut at {contract.TITLE_CHARACTERS} characters" in PAGE
    assert f"texts at {contract.TEXT_CHARACTERS}, lines at {contract.LINE_CHARACTERS}" in PAGE


def test_every_severity_is_on_the_page():
    assert all(each.name in PAGE for each in Severity)
