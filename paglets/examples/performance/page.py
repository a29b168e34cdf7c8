"""The HTML report: one file with its charts inside, which loads nothing from anywhere."""

from collections.abc import Sequence
from html import escape

from paglets.examples.performance.comparison import (
    Standing,
    compare,
    number_text,
    outcome,
    shown_tests,
    skipped_lines,
)
from paglets.examples.performance.model import BenchmarkTest, Kind, Plan, Row

_BAR = 22
"""Height of a bar with its gap, in pixels."""
_LABEL, _WIDTH, _VALUE = 130, 420, 160
"""Widths of a chart's columns, in pixels."""
_TITLES = {Kind.CPU: "CPU", Kind.MEMORY: "Memory", Kind.DISK: "Disk"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1c2430; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d9dee5;
  vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.failed { color: #a3201a; } .note { color: #5a6573; }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: currentColor; }
.bar { fill: #3b6ea5; } .best { fill: #1f8a5b; } .spread { stroke: #1c2430; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) { body { color: #e4e8ee; background: #14181d; }
  th, td { border-color: #333b45; } .spread { stroke: #e4e8ee; } .failed { color: #ff8a80; } }
"""


def render_page(plan: Plan, rows: Sequence[Row], *, made_at: str) -> str:
    """Return the report as HTML.

    Args:
        plan: What was asked for.
        rows: What was found.
        made_at: When, for people.
    """
    standings = compare(rows)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>Performance of the hosts</title>",
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Performance of the hosts</h1>",
        f'<p class="note">{escape(made_at)}. {plan.seconds:g} s for each test. More is better in '
        "all charts; percentages are of the best host. A line across the end of a bar spans the "
        "slowest and the fastest of its rounds.</p>",
        _summary(standings),
    ]
    for kind in Kind:
        tests = shown_tests(rows, kind)
        if tests:
            parts.append(f"<h2>{_TITLES[kind]}</h2>")
            parts += [_chart(test, standings) for test in tests]
    lines = skipped_lines(rows)
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        parts.append(f"<h2>Skipped, or done with less</h2><ul>{items}</ul>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _summary(standings: Sequence[Standing]) -> str:
    head = ("host", "overall", "cores", "memory free", "disk free", "waited", "load before",
            "system", "result")  # fmt: skip
    lines = [f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>"]
    for standing in standings:
        row, machine = standing.row, standing.row.machine
        overall = "" if standing.overall is None else f"{standing.overall:.0%}"
        facts = ["", "", "", "", "", ""]
        if machine is not None:
            facts = [
                f"{machine.cores:g}",
                f"{machine.memory_bytes / 2**30:.1f} GiB",
                f"{machine.disk_bytes / 2**30:.1f} GiB {machine.filesystem}",
                f"{row.waited:.1f} s",
                f"{machine.load:.2f}",
                f"{machine.system}, Python {machine.python}",
            ]
        cells = "".join(f"<td>{escape(text)}</td>" for text in (row.host, overall, *facts))
        kind = ' class="failed"' if row.reason else ""
        lines.append(f"<tr>{cells}<td{kind}>{escape(outcome(row))}</td></tr>")
    return f"<table>{''.join(lines)}</table>"


def _chart(test: BenchmarkTest, standings: Sequence[Standing]) -> str:
    shown = [each for each in standings if test.name in each.cells]
    shown.sort(key=lambda each: -each.cells[test.name].value)
    top = max(
        figure.high for each in shown for figure in each.row.figures if figure.test == test.name
    )
    height = _BAR * len(shown) + 4
    bars = "".join(_bar(test, each, index, top) for index, each in enumerate(shown))
    width = _LABEL + _WIDTH + _VALUE
    return (
        f"<h3>{escape(test.name)} <span class='note'>{escape(test.unit)}</span></h3>"
        f'<svg role="img" aria-label="{escape(test.name)} by host" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" font-size="13">{bars}</svg>'
    )


def _bar(test: BenchmarkTest, standing: Standing, index: int, top: float) -> str:
    cell = standing.cells[test.name]
    figure = next(each for each in standing.row.figures if each.test == test.name)
    scale, y = _WIDTH / (top or 1.0), index * _BAR + 2
    length = max(1.0, cell.value * scale)
    low, high = _LABEL + figure.low * scale, _LABEL + figure.high * scale
    middle, kind = y + _BAR / 2 - 2, "best" if cell.share >= 1 else "bar"
    text = f"{number_text(cell.value)} ({cell.share:.0%})"
    return (
        f'<text x="{_LABEL - 8}" y="{middle + 5:g}" text-anchor="end">'
        f"{escape(standing.row.host)}</text>"
        f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR - 4}" '
        f'rx="2"><title>{escape(f"{standing.row.host}: {text}")}</title></rect>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:g}" y2="{middle:g}"/>'
        f'<text x="{_LABEL + _WIDTH + 8}" y="{middle + 5:g}">{escape(text)}</text>'
    )
