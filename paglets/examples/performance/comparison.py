"""Hosts beside each other: each figure relative to the best one, and an order of the hosts.

Pure; `paglets/cli/perf.py` prints it, page.py draws it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paglets.examples.crew import Phase
from paglets.examples.performance.model import TESTS, BenchmarkTest, Kind, Row


@dataclass(frozen=True)
class Cell:
    """One figure of one host."""

    value: float
    """In the unit of its test."""
    share: float
    """Of the best host's figure, above 0 and at most 1."""


@dataclass(frozen=True)
class Standing:
    """One host in the comparison."""

    row: Row
    cells: dict[str, Cell]
    """By the names of the tests it has figures of."""
    overall: float | None
    """Geometric mean of its shares; None if it has no figures."""


def compare(rows: Sequence[Row]) -> list[Standing]:
    """Return the hosts, best first, those without a result last."""
    best: dict[str, float] = {}
    for row in rows:
        for figure in row.figures:
            best[figure.test] = max(best.get(figure.test, 0.0), figure.value)
    standings = [_standing(row, best) for row in rows]
    return sorted(
        standings,
        key=lambda each: (
            each.row.phase is not Phase.DONE,
            -(each.overall or 0.0),
            each.row.host,
        ),
    )


def shown_tests(rows: Sequence[Row], kind: Kind) -> list[BenchmarkTest]:
    """Return the tests of a kind of which any host has a figure, in their order."""
    found = {figure.test for row in rows for figure in row.figures}
    return [test for test in TESTS if test.kind is kind and test.name in found]


def skipped_lines(rows: Sequence[Row]) -> list[str]:
    """Return what was skipped or reduced and why, each reason once with its tests and hosts."""
    grouped: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for skipped in row.skipped:
            tests, hosts = grouped.setdefault(skipped.reason, ({}, {}))
            tests[skipped.test] = None
            hosts[row.host] = None
    return [
        f"{', '.join(tests)} on {', '.join(hosts)}: {reason}"
        for reason, (tests, hosts) in grouped.items()
    ]


def outcome(row: Row) -> str:
    """Return what became of a host, for people."""
    return row.reason or row.phase.value


def number_text(value: float) -> str:
    """Return a figure with three digits that count, and separators between thousands."""
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}"


def _standing(row: Row, best: dict[str, float]) -> Standing:
    cells = {
        figure.test: Cell(figure.value, figure.value / best[figure.test])
        for figure in row.figures
        if best[figure.test] > 0
    }
    shares = [cell.share for cell in cells.values() if cell.share > 0]
    overall = math.exp(sum(map(math.log, shares)) / len(shares)) if shares else None
    return Standing(row, cells, overall)
