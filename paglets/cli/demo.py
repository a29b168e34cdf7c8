"""`paglets demo`: the whole of it on three local hosts; see `examples/demo/`."""

import click

from paglets.cli.asking import warn_of_other_project


@click.command()
@click.option("--keep", is_flag=True, help="Leave the hosts' folder, with their logs, for a look.")
def demo(*, keep: bool) -> None:
    """Start three hosts here, move paglets over them, kill one host, and lose nothing.

    Takes about twenty seconds, uses free ports, a temporary folder and a key of its own, and
    leaves nothing behind. Exit code 0: every step was checked and held.
    """
    from paglets.examples.demo.story import run_demo  # the hosts' client, not for `--help`

    warn_of_other_project()
    raise SystemExit(run_demo(keep=keep))
