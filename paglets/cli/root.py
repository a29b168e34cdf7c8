"""The top of the command line: the nouns and what each is for."""

import click

from paglets._version import __version__
from paglets.cli.lazy import LazyGroup
from paglets.cli.options import common

NOUNS = {
    "agent": ("paglets.cli.agent:agent", "Create, list, message, move and end paglets."),
    "completion": ("paglets.cli.completion:completion", "Print a script that completes commands."),
    "demo": ("paglets.cli.demo:demo", "Show it all on three local hosts, in half a minute."),
    "events": ("paglets.cli.events:events", "Show what happened on the hosts."),
    "examples": ("paglets.cli.examples:examples", "Run packaged paglets."),
    "host": ("paglets.cli.host:host", "Run a host until it is stopped."),
    "jobs": ("paglets.cli.jobs:jobs", "Have things computed where there is room."),
    "key": ("paglets.cli.key:key", "Show keys and carry them between machines."),
    "launch": ("paglets.cli.launch:launch", "Show and update what a host starts by itself."),
    "mesh": ("paglets.cli.mesh:mesh", "Show the hosts of the mesh."),
    "service": ("paglets.cli.service:service", "List services and call them."),
    "user": ("paglets.cli.user:user", "Read what paglets tell people, on all hosts."),
    "transfer": ("paglets.cli.transfer:transfer", "List moves and settle those in doubt."),
}
"""Each command, where it is, and its line in the help, so that the help loads none of them."""

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 host unreachable. "
    "Results go to stdout, talk to stderr."
)


@click.group(
    cls=LazyGroup,
    lazy=NOUNS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@common
@click.version_option(__version__, prog_name="paglets", message="%(prog)s %(version)s")
def root() -> None:
    """Mobile Python objects for a mesh of machines.

    Start a host with `paglets host`, or see everything at work with `paglets demo`.
    """
