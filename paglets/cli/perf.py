"""`paglets examples perf`: measures the hosts and shows them beside each other."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, print_table, say
from paglets.cli.params import ending_on_sigterm, names, size

if TYPE_CHECKING:
    from paglets.examples.performance.comparison import Standing
    from paglets.examples.performance.model import Row

KINDS = ("cpu", "memory", "disk")


@click.command()
@click.option("--hosts", callback=names(), metavar="NAME,NAME", default="",
              help="Only these. Default: all that are online.")  # fmt: skip
@click.option("--only", callback=names(KINDS), metavar="KIND,KIND", default=",".join(KINDS),
              show_default=True, help="What to measure: cpu, memory, disk.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(0.05, 600), default=1.0, show_default=True,
              metavar="SECONDS", help="For each test.")  # fmt: skip
@click.option("--disk-size", callback=size(4096), default="64MiB", show_default=True,
              metavar="SIZE",
              help="Of the file that is written; at most a tenth of what is free.")  # fmt: skip
@click.option("--deadline", type=click.FloatRange(min=1), default=300.0, show_default=True,
              metavar="SECONDS", help="For all of it, waiting for locks included.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              metavar="FILE", help="Write a report with charts to this file.")  # fmt: skip
@common
@click.pass_obj
def perf(  # noqa: PLR0913 - one parameter an option
    shared: Common,
    *,
    hosts: tuple[str, ...],
    only: tuple[str, ...],
    duration: float,
    disk_size: int,
    deadline: float,
    html: Path | None,
) -> None:
    """Measure CPU, memory and disk of the hosts.

    A paglet on the entry host clones a worker to each host. Workers on one machine measure one
    after another, those of different machines at once. Ctrl-C ends them. The exit code is 1 if
    a host has no result.
    """
    from paglets.examples.crew import Phase  # these are not for `--help`
    from paglets.examples.performance.model import Kind, Plan
    from paglets.examples.performance.page import render_page
    from paglets.examples.performance.running import run_performance  # loads the HTTP stack

    plan = Plan(
        hosts=list(hosts),
        kinds=[Kind(name) for name in only],
        seconds=duration,
        disk_bytes=disk_size,
        deadline=deadline,
    )
    warn_of_other_project()
    with shown(shared), ending_on_sigterm(), watching() as show:
        rows = run_performance(shared.url, shared.key_file, plan, show)
    with shown(shared):
        if html is not None:
            made_at = time.strftime("%Y-%m-%d %H:%M %Z")
            html.write_text(render_page(plan, rows, made_at=made_at), encoding="utf-8")
    if shared.json:
        print_json({"plan": plan, "hosts": rows})
    else:
        print_rows(rows)
    if html is not None:
        say(f"report written to {html}")
    if not rows or any(row.phase is not Phase.DONE for row in rows):
        raise SystemExit(1)


def print_rows(rows: "Sequence[Row]") -> None:
    """Print what became of the hosts, their figures, and what was skipped."""
    from paglets.examples.performance.comparison import compare, outcome, skipped_lines
    from paglets.examples.performance.model import Kind

    standings = compare(rows)
    print_table(
        ("host", "overall", "cores", "memory free", "disk free", "waited", "result"),
        [
            (
                each.row.host,
                None if each.overall is None else f"{each.overall:.0%}",
                *_machine(each.row),
                outcome(each.row),
            )
            for each in standings
        ],
    )
    for kind in Kind:
        _print_kind(kind.value, standings, rows)
    for line in skipped_lines(rows):
        say(f"skipped or reduced: {line}")


def _machine(row: "Row") -> tuple[str | None, ...]:
    machine = row.machine
    if machine is None:
        return (None, None, None, f"{row.waited:.1f} s" if row.waited else None)
    return (
        f"{machine.cores:g}",
        f"{machine.memory_bytes / 2**30:.1f} GiB",
        f"{machine.disk_bytes / 2**30:.1f} GiB {machine.filesystem}",
        f"{row.waited:.1f} s",
    )


def _print_kind(kind: str, standings: "Sequence[Standing]", rows: "Sequence[Row]") -> None:
    from paglets.examples.performance.comparison import number_text, shown_tests
    from paglets.examples.performance.model import Kind

    tests = shown_tests(rows, Kind(kind))
    if not tests:
        return
    lines = []
    for each in standings:
        cells = [each.cells.get(test.name) for test in tests]
        if any(cells):
            texts = [c and f"{number_text(c.value)} ({c.share:.0%})" for c in cells]
            lines.append((each.row.host, *texts))
    click.echo()
    print_table(("host", *(f"{test.name} {test.unit}" for test in tests)), lines)


@contextmanager
def watching() -> "Iterator[Callable[[Sequence[Row]], None]]":
    """Give a function that shows how far the hosts are, where a person looks at stderr."""
    if not sys.stderr.isatty():
        yield lambda _rows: None
        return
    from rich.console import Console  # only where a person looks
    from rich.live import Live

    with Live(console=Console(stderr=True), transient=True) as live:
        yield lambda rows: live.update(progress_text(rows))


def progress_text(rows: "Sequence[Row]") -> str:
    """Return one line a host: how far it is."""
    width = max((len(row.host) for row in rows), default=0)
    lines = [
        f"{row.host.ljust(width)}  {row.phase.value:<9}  {row.reason or row.text}".rstrip()
        for row in rows
    ]
    return "\n".join(lines) or "asking for the hosts"
