"""`paglets launch`: what a host starts by itself and is set to, and keeping that up to date."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paglets.cli.errors import shown
from paglets.cli.launching import STATES, TOLD
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common
from paglets.cli.output import plain, print_json, print_table, say
from paglets.model.enums import LaunchConfigSyncAction, ResidentLifecycle

if TYPE_CHECKING:
    from paglets.config.launch import LaunchConfig

_FILE = click.option(
    "--launch",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PAGLETS_LAUNCH",
    show_envvar=True,
    metavar="FILE",
    help="Another file than ~/.paglets/launch.toml.",
)


@click.group(cls=SuggestingGroup)
@common
def launch() -> None:
    """See and update launch.toml: what a host starts by itself, and its settings."""


@launch.command()
@_FILE
@common
@click.pass_obj
def show(shared: Common, file: Path | None) -> None:
    """Check launch.toml and show what it comes to.

    Options and variables of `paglets host` count before the settings in it.
    """
    from paglets.host.launching import check_launch  # the mesh's knobs too; not for `--help`

    with shown(shared):
        path, action = (file, None) if file is not None else _own()
        config = check_launch(path)
    if shared.json:
        print_json(_described(config, action))
        return
    click.echo(f"{path}{'' if action is None else f': {STATES[action]}'}")
    _show(config)


@launch.command()
@click.option("--yes", is_flag=True, help="Bring news into an edited file too.")
@common
@click.pass_obj
def sync(shared: Common, yes: bool) -> None:
    """Make ~/.paglets/launch.toml, or bring what is new in this paglets to it.

    A file that nobody edited is replaced. One that was edited changes only with --yes, and keeps
    every edit and comment. The file as it was is kept beside it, as launch.toml.bak1 and so on.
    """
    from paglets.config.launchfile import launch_path, sync_launch  # tomlkit; not for `--help`

    with shown(shared):
        report = sync_launch(launch_path(), yes=yes)
    if shared.json:
        backup = None if report.backup is None else str(report.backup)
        print_json({**asdict(report), "path": str(report.path), "backup": backup})
        return
    click.echo(report.action.value)
    for change in report.changes:
        click.echo(f"  {change}")
    told = TOLD.get(report.action, "{path} stays as it is: " + STATES[report.action])
    say(told.format(path=report.path, backup=report.backup))


def _own() -> tuple[Path, LaunchConfigSyncAction]:
    """Return this user's file, or the bundled one where there is none yet, and its state."""
    from paglets.config.launchfile import bundled_path, launch_path, sync_launch

    path = launch_path()
    action = sync_launch(path, look=True).action
    return (bundled_path() if action is LaunchConfigSyncAction.COPIED else path), action


def _described(config: "LaunchConfig", action: LaunchConfigSyncAction | None) -> dict[str, object]:
    return {
        "path": str(config.path),
        "sync": None if action is None else action.value,
        "services": plain(config.plan.residents),
        "paglets": plain(config.plan.paglets),
        "settings": [
            {"table": table, "key": key, "value": value} for table, key, value in _settings(config)
        ],
    }


def _show(config: "LaunchConfig") -> None:
    if config.plan.residents:
        click.echo()
        rows = [
            (
                each.class_name,
                each.lifecycle.value,
                f"{each.idle_timeout:g} s" if each.lifecycle is ResidentLifecycle.LAZY else None,
                each.agent_id,
            )
            for each in config.plan.residents
        ]
        print_table(("service", "lifecycle", "idle timeout", "id"), rows)
    if config.plan.paglets:
        click.echo()
        paglets = [
            (each.class_name or each.alias, each.agent_id, each.state or None)
            for each in config.plan.paglets
        ]
        print_table(("paglet", "id", "state"), paglets)
    settings = [(f"[{table}] {key}", value) for table, key, value in _settings(config)]
    if settings:
        click.echo()
        print_table(("setting", "value"), settings)


def _settings(config: "LaunchConfig") -> Iterator[tuple[str, str, object]]:
    """Yield each setting of the file: table, key and value."""

    def walk(table: str, values: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
        for key, value in values.items():
            if isinstance(value, Mapping) and f"{table}.{key}" == "mesh.timing":
                yield from walk(f"{table}.{key}", value)
            else:
                yield table, key, value

    for table, values in config.source.values.items():
        if isinstance(values, Mapping):
            yield from walk(table, values)
