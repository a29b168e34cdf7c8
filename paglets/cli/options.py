"""Options that every command has, accepted before or after the subcommand; the last one counts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Common:
    """What the shared options say; commands get it by `click.pass_obj`."""

    url: str | None = None
    """The host to talk to; None to look for one."""
    json: bool = False
    """Write results, and errors, as JSON."""
    key_file: Path | None = None
    """The key to sign with; None to look for the one the host uses."""


def common(command: F) -> F:
    """Give a command or group the options `--url`, `--key-file` and `--json`."""
    for option in (_JSON, _KEY_FILE, _URL):
        command = option(command)
    return command


def host_option(what: str) -> Callable[[F], F]:
    """Return the option `--host NAME` with its help text."""
    return click.option("--host", "host_name", metavar="NAME", help=what)


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    shared = ctx.ensure_object(Common)
    name = parameter.name
    if not name or not value:
        return
    is_said = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    # What a variable says counts less than an option that stood further left.
    if is_said or not getattr(shared, name):
        setattr(shared, name, value)


_URL = click.option(
    "--url",
    envvar="PAGLETS_URL",
    show_envvar=True,
    metavar="URL",
    expose_value=False,
    callback=_remember,
    help="Host to talk to. Default: the only one that runs here, else port 8765 of this machine.",
)
_KEY_FILE = click.option(
    "--key-file",
    envvar="PAGLETS_KEY_FILE",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    expose_value=False,
    callback=_remember,
    help="Key to sign with. Default: the one of yours that the host uses.",
)
_JSON = click.option(
    "--json",
    envvar="PAGLETS_JSON",
    show_envvar=True,
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Write results as JSON.",
)
