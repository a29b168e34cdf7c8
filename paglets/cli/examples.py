"""`paglets examples …`: runs packaged paglets on the mesh and prints what they found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.lazy import LazyGroup
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, print_table, say, working

if TYPE_CHECKING:
    from paglets.examples.machine import Sight

OTHERS = {
    "grep": ("paglets.cli.grep:grep", "Search the files of the hosts where they are."),
    "mesh-benchmark": (
        "paglets.cli.meshbench:mesh_benchmark",
        "Measure moves and messages between each two hosts.",
    ),
    "perf": ("paglets.cli.perf:perf", "Measure CPU, memory and disk of the hosts."),
}
"""Commands of files of their own; see `root.NOUNS`."""


@click.group(cls=LazyGroup, lazy=OTHERS)
@common
def examples() -> None:
    """Run packaged paglets."""


@examples.command()
@click.option(
    "--timeout", default=60.0, show_default=True, metavar="SECONDS", help="For all of it."
)
@common
@click.pass_obj
def tour(shared: Common, timeout: float) -> None:
    """Send one paglet to every host and show what it saw there.

    The exit code is 1 if a host could not be visited.
    """
    from paglets.examples.touring import run_tour  # loads the HTTP stack, which `--help` must not

    warn_of_other_project()
    with shown(shared), working("touring the hosts"):
        seen = run_tour(shared.url, shared.key_file, timeout=timeout)
    if shared.json:
        print_json(seen.sights)
    else:
        _print_sights(seen.sights)
    if seen.missed:
        say(f"not visited: {', '.join(seen.missed)}")
        raise SystemExit(1)


def _print_sights(sights: "Sequence[Sight]") -> None:
    print_table(
        ("host", "machine", "python", "cpus", "load", "memory free", "disk free"),
        [
            (
                sight.host,
                sight.machine,
                sight.python,
                sight.cpus,
                f"{sight.load:.2f}",
                f"{sight.memory_free_bytes / 2**30:.1f} GiB",
                f"{sight.disk_free_bytes / 2**30:.1f} GiB",
            )
            for sight in sights
        ],
    )
    say(f"{len(sights)} hosts seen by one paglet")
