"""Hosts beside each other, as tables and as a page that loads nothing."""

import re
import xml.etree.ElementTree as ET

import pytest

from paglets.examples.crew import Phase
from paglets.examples.performance.comparison import (
    compare,
    number_text,
    outcome,
    shown_tests,
    skipped_lines,
)
from paglets.examples.performance.model import Figure, Kind, Machine, Plan, Row, Skipped
from paglets.examples.performance.page import render_page


def row(host: str, **values: float) -> Row:
    figures = [Figure(test, value, value / 2, value * 2) for test, value in values.items()]
    return Row(host, Phase.DONE, figures=figures, machine=Machine(cores=2.0))


SLOW = row("alpha", copy=50.0, scan=100.0)
FAST = row("beta", copy=100.0, scan=100.0)
LOST = Row("gamma", Phase.FAILED, reason="the host <went> away")


def test_figures_are_shares_of_the_best_and_the_best_host_comes_first():
    first, second, third = compare([LOST, SLOW, FAST])
    assert [each.row.host for each in (first, second, third)] == ["beta", "alpha", "gamma"]
    assert second.cells["copy"].share == 0.5
    assert first.overall == pytest.approx(1.0)
    assert second.overall == pytest.approx(0.5**0.5)
    assert third.overall is None
    assert third.cells == {}


def test_equal_hosts_are_in_the_order_of_their_names():
    assert [each.row.host for each in compare([row("b", copy=1), row("a", copy=1)])] == ["a", "b"]


def test_a_figure_of_nothing_harms_no_other():
    assert compare([row("a", copy=0.0)])[0].cells == {}


def test_only_tests_with_figures_are_shown():
    assert [test.name for test in shown_tests([SLOW, LOST], Kind.MEMORY)] == ["copy", "scan"]
    assert shown_tests([SLOW], Kind.CPU) == []


def test_what_was_skipped_is_said_once_for_all_hosts():
    rows = [Row(host, skipped=[Skipped("copy", "why"), Skipped("scan", "why")]) for host in "ab"]
    assert skipped_lines(rows) == ["copy, scan on a, b: why"]


def test_a_host_without_a_result_shows_its_reason():
    assert outcome(LOST) == "the host <went> away"
    assert outcome(FAST) == "done"


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.5, "1.50"), (123.4, "123"), (12345.6, "12,346"),
                        (0, "0")],
)  # fmt: skip
def test_figures_have_three_digits_that_count(value, text):
    assert number_text(value) == text


def test_the_page_has_all_hosts_and_charts_and_loads_nothing():
    skipped = Row("delta", Phase.DONE, skipped=[Skipped("write", "disk < file")])
    page = render_page(Plan(), [SLOW, FAST, LOST, skipped], made_at="today")
    assert "the host &lt;went&gt; away" in page
    assert "disk &lt; file" in page
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script", page)
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        drawing = ET.fromstring(chart)
        assert len(drawing.findall("rect")) == 2
