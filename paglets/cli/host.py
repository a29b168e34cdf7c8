"""`paglets host`: run a host until it is stopped. Options and variables become HostSettings."""

import re
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from paglets.cli.asking import warn_of_other_project
from paglets.cli.errors import shown
from paglets.cli.launching import TOLD
from paglets.cli.lazy import LazyGroup
from paglets.cli.options import Common
from paglets.cli.output import say

if TYPE_CHECKING:
    from paglets.config.settings import HostSettings

FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def _option(*names: str, **attributes: Any) -> Callable[[Any], Any]:  # click's own types
    """Return an option whose variable is named after it."""
    variable = "PAGLETS_" + names[0].strip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **attributes)


@click.group(
    cls=LazyGroup,
    lazy={"drain": ("paglets.cli.drain:drain", "Move a host's paglets away before it stops.")},
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
)
@_option("--name", metavar="NAME",
         help="What others call it. Default: the one --data has, else this machine's.")  # fmt: skip
@_option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
         help="TCP port; 0 takes a free one.")  # fmt: skip
@_option("--bind", metavar="ADDRESS", default="127.0.0.1", show_default=True,
         help="Address to listen on; 0.0.0.0 for all.")  # fmt: skip
@_option("--advertise", metavar="URL", help="Where others reach it. Default: of bind and port.")
@_option("--seed", "seeds", metavar="URL", multiple=True, help="A host to join. Repeatable.")
@_option("--multicast", is_flag=True, help="Find hosts of this network by beacons.")
@_option("--agents", type=FOLDER, multiple=True, metavar="DIR",
         help="Folder of your own paglets. Repeatable.")  # fmt: skip
@_option("--allow", metavar="PREFIX", multiple=True,
         help="Module prefix of installed packages whose classes may run. Repeatable.")  # fmt: skip
@_option("--preset", type=click.Choice(["local", "lan", "wan"]), default="lan",
         show_default=True, help="Timing of the mesh.")  # fmt: skip
@_option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
         help="Folder of its store. Default: ~/.paglets/hosts/NAME.")  # fmt: skip
@_option("--launch", type=FILE, metavar="FILE",
         help="What it starts by itself, and its settings. Default: ~/.paglets/launch.toml, made "
         "where there is none.")  # fmt: skip
@_option("--tag", "tags", metavar="TAG", multiple=True, help="For choosing hosts. Repeatable.")
@_option("--property", "properties", metavar="KEY=VALUE", multiple=True,
         help="Told to its paglets. Repeatable.")  # fmt: skip
@_option("--capability", "capabilities", metavar="WORD", multiple=True,
         help="What tickets may require. Repeatable.")  # fmt: skip
@_option("--key-file", type=FILE, help="Its key; made where there is none.")
@_option("--insecure", is_flag=True, help="No key: anybody who reaches the port can use it.")
@_option("--allowed-host", "allowed_hosts", metavar="NAME", multiple=True,
         help="Further name for the Host header. Repeatable.")  # fmt: skip
@_option("--tls-cert", type=FILE, help="Certificate chain in PEM, for https.")
@_option("--tls-key", type=FILE, help="Key of the certificate.")
@_option("--mesh-version", metavar="TEXT", help="Code version by word. Default: of the code.")
@_option("--preload", metavar="MODULE", multiple=True,
         help="Imported once, for quick starts of paglets. Repeatable.")  # fmt: skip
@_option("--start-method", type=click.Choice(["fork", "spawn"]),
         default="spawn" if sys.platform == "darwin" else "fork",
         show_default="fork; spawn on macOS",
         help="How Paglet Processes are started.")  # fmt: skip
@_option("--drain-on-stop", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
         help="Time its paglets have to move to other hosts before it stops. Default: none; they "
              "sleep in --data.")  # fmt: skip
@_option("--spare-processes", type=click.IntRange(0, 64), default=2, show_default=True,
         help="Processes forked ahead, for quick starts of paglets.")  # fmt: skip
@_option("--reload", is_flag=True, help="Development: renew code when a file changes.")
@_option("--greet", type=click.IntRange(0), default=0, hidden=True)
@_option("--greet-url", default="http://127.0.0.1:8765", hidden=True)
@click.pass_context
def host(ctx: click.Context, /, **options: Any) -> None:  # typed by `settings_of`
    """Run a host until it is stopped by SIGTERM or Ctrl-C.

    With --agents . the classes of the modules in this folder may run on it. Variables of
    repeatable options hold several values separated by spaces, PAGLETS_AGENTS by colons.
    """
    if ctx.invoked_subcommand is not None:
        return
    warn_of_other_project()
    with shown(ctx.ensure_object(Common)):
        settings = settings_of(options, said=_said(ctx))
        from paglets.host.stages import run_host  # the whole server; not for `--help`

        raise SystemExit(run_host(settings))


def _said(ctx: click.Context) -> frozenset[str]:
    """Return the names of the parameters that an option or a variable has set."""
    silent = {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None}
    return frozenset(name for name in ctx.params if ctx.get_parameter_source(name) not in silent)


def settings_of(options: dict[str, Any], *, said: frozenset[str]) -> "HostSettings":
    """Return the settings that options, variables and launch.toml spell.

    Args:
        options: Values of all parameters of the command.
        said: Those that count before launch.toml.

    Raises:
        click.UsageError: Options that do not go together, or a value of another shape.
        LaunchConfigError: The file cannot be read, or says what cannot be.
        InvalidNameError: The name is none.
        InvalidRequestError: A URL is none.
    """
    from paglets.config.settings import HostSettings, paglets_home  # light, but not for `--help`
    from paglets.host.launching import load_launch, with_plan
    from paglets.model.names import parse_name
    from paglets.remote.urls import parse_url
    from paglets.store.opening import stored_name

    # What was typed is looked at before a file is made.
    options["properties"] = _properties(options["properties"])
    options["seeds"] = tuple(parse_url(seed) for seed in options["seeds"])
    for key, parse in (("advertise", parse_url), ("name", partial(parse_name, what="host name"))):
        if options[key] is not None:
            options[key] = parse(options[key])
    config = load_launch(options.pop("launch") or _own_launch())
    options |= {key: value for key, value in config.host.items() if key not in said}
    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if options["insecure"] and options["key_file"] is not None:
        raise click.UsageError("Give --key-file or --insecure, not both.")
    data = options.pop("data")
    known = stored_name(data.expanduser()) if data is not None else None
    name = options.pop("name") or known or default_name()
    data = data or paglets_home() / "hosts" / name
    settings = HostSettings(name=name, data=data.expanduser().absolute(), **options)
    return with_plan(settings, config)


def _own_launch() -> Path:
    """Return the owner's launch.toml, made or updated as far as nobody needs to be asked."""
    from paglets.config.launchfile import bundled_path, launch_path, sync_launch

    path = launch_path()
    try:
        report = sync_launch(path)
    except OSError as error:
        say(f"WARNING {path} cannot be written ({error.strerror}): the bundled one is used")
        return path if path.exists() else bundled_path()
    told = TOLD.get(report.action)
    if told is not None:
        say(told.format(path=path, backup=report.backup))
    return path


def default_name() -> str:
    """Return this machine's name in the characters that names may have."""
    short = socket.gethostname().partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]", "-", short)[:64].lstrip("._-") or "host"


def _properties(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--property {pair!r} is no KEY=VALUE.")
        found[key] = value
    return found
