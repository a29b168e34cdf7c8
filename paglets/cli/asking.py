"""One command, one question to a host: opens the way to it, asks, closes it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from paglets.cli.errors import shown
from paglets.cli.options import Common
from paglets.cli.output import say

if TYPE_CHECKING:
    from paglets.remote.client import HostClient

T = TypeVar("T")

OTHER_PROJECT = "paglets"
"""A distribution on PyPI that is not ours and takes the same import name."""


def ask(
    common: Common, work: "Callable[[HostClient], Awaitable[T]]", *, until_interrupt: bool = False
) -> T:
    """Return what `work` says, given a client of the host that the options name.

    Args:
        common: The shared options.
        work: What to ask.
        until_interrupt: Ctrl-C is how the command is meant to end: exit code 0.

    Raises:
        CommandError: Anything went wrong; shown as one line.
    """
    warn_of_other_project()
    with shown(common):
        try:
            return asyncio.run(_ask(common, work))
        except KeyboardInterrupt:
            if until_interrupt:
                raise SystemExit(0) from None
            raise


async def _ask(common: Common, work: "Callable[[HostClient], Awaitable[T]]") -> T:
    from paglets.connect.entry import open_host  # loads the HTTP stack, which `--help` must not

    async with open_host(common.url, common.key_file, sender="cli") as host:
        return await work(host)


def warn_of_other_project() -> None:
    """Say in one line if the other project called paglets is installed too."""
    from importlib import metadata  # not needed by `--help`

    try:
        version = metadata.version(OTHER_PROJECT)
    except metadata.PackageNotFoundError:
        return
    say(
        f"Warning: another project's distribution {OTHER_PROJECT!r} {version} is installed and "
        f"overwrites this one; run `pip uninstall {OTHER_PROJECT}`, then install paglets-mesh again"
    )
