"""`paglets examples mesh-benchmark`: what moves and messages cost between each two hosts."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, print_table, say
from paglets.cli.params import ending_on_sigterm, names, size

if TYPE_CHECKING:
    from paglets.examples.meshbench.model import Count, CrossPlan, Way
    from paglets.examples.meshbench.walk import Spread

CLOCKS = (
    "each time is taken by one clock, that of the source host, from the order until it knows that "
    "the target owns the paglet; clocks of two hosts are never compared"
)
MOST_PAYLOAD = 60 * 2**20
"""A little less than the default limit of a state."""


@click.command("mesh-benchmark")
@click.option("--hosts", callback=names(), metavar="NAME,NAME", default="",
              help="Only these. Default: all that are online.")  # fmt: skip
@click.option("--payload", callback=size(0, MOST_PAYLOAD), default="64KiB", show_default=True,
              metavar="SIZE", help="Random bytes that the traveller carries.")  # fmt: skip
@click.option("--moves", type=click.IntRange(1, 10_000), default=5, show_default=True,
              help="Moves each way.")  # fmt: skip
@click.option("--messages", type=click.IntRange(0, 10_000), default=20, show_default=True,
              help="Round trips each way.")  # fmt: skip
@click.option("--deadline", type=click.FloatRange(min=1), default=120.0, show_default=True,
              metavar="SECONDS", help="For all of it.")  # fmt: skip
@common
@click.pass_obj
def mesh_benchmark(
    shared: Common,
    *,
    hosts: tuple[str, ...],
    payload: int,
    moves: int,
    messages: int,
    deadline: float,
) -> None:
    """Measure moves and messages between each two hosts.

    A traveller goes every way from host to host; stations at both ends take the times. Rows are
    where a move or message starts, columns where it goes. The exit code is 1 if a way has no
    figures.
    """
    from paglets.examples.meshbench.model import CrossPlan  # light, but not needed by `--help`
    from paglets.examples.meshbench.running import run_mesh_benchmark  # loads the HTTP stack

    plan = CrossPlan(list(hosts), payload, moves, messages, deadline)
    warn_of_other_project()
    with shown(shared), ending_on_sigterm(), _status() as show:
        found = run_mesh_benchmark(shared.url, shared.key_file, plan, show)
    if shared.json:
        print_json(_facts(plan, found))
    else:
        _print_matrices(plan, found)
    if found.unusable or not found.ways or any(way.reason for way in found.ways):
        raise SystemExit(1)


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is measured, where a person looks at stderr."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console  # only where a person looks

    with Console(stderr=True).status("asking for the hosts") as status:
        yield status.update


def _facts(plan: "CrossPlan", found: "Count") -> dict[str, object]:
    from paglets.examples.meshbench.walk import spread, transfer_rate

    ways = []
    for way in found.ways:
        moves = spread(way.moves)
        ways.append(
            {
                "source": way.source,
                "target": way.target,
                "move_seconds": moves,
                "bytes_per_second": moves and transfer_rate(plan.payload_bytes, moves.p50),
                "round_trip_seconds": spread(way.trips),
                "reason": way.reason,
            }
        )
    return {"plan": plan, "clocks": CLOCKS, "unusable": found.unusable, "ways": ways}


def _print_matrices(plan: "CrossPlan", found: "Count") -> None:
    from paglets.examples.meshbench.walk import spread, transfer_rate

    def rate(way: "Way") -> str | None:
        moves = spread(way.moves)
        if moves is None:
            return None
        return f"{transfer_rate(plan.payload_bytes, moves.p50) / 2**20:.3g}"

    size_text = f"{plan.payload_bytes / 1024:g} KiB"
    _matrix(f"move with {size_text}, ms p50 / p95", found.ways, lambda w: _ms(spread(w.moves)))
    if plan.payload_bytes:
        _matrix(f"{size_text} / p50 of the move, MiB/s", found.ways, rate)
    if plan.messages:
        _matrix("round trip, ms p50 / p95", found.ways, lambda w: _ms(spread(w.trips)))
    say(CLOCKS)
    for host, reason in found.unusable.items():
        say(f"{host}: {reason}")
    for way in found.ways:
        if way.reason:
            say(f"{way.source} to {way.target}: {way.reason}")
    if not found.ways:
        say("there are no two hosts to go between")


def _matrix(title: str, ways: "Sequence[Way]", cell: "Callable[[Way], str | None]") -> None:
    hosts = sorted({way.source for way in ways})
    if not hosts:
        return
    texts = {(way.source, way.target): cell(way) or "failed" for way in ways}
    click.echo(title)
    rows = [(source, *(texts.get((source, target)) for target in hosts)) for source in hosts]
    print_table(("from / to", *hosts), rows)
    click.echo()


def _ms(found: "Spread | None") -> str | None:
    return None if found is None else f"{found.p50 * 1000:.2f} / {found.p95 * 1000:.2f}"
