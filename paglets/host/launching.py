"""Reading launch.toml with all that a host knows: the knobs of its mesh and how URLs read.

`config/launch.py` checks each value by itself and knows neither.
"""

from dataclasses import replace
from pathlib import Path

from paglets.config.launch import LaunchConfig, knob_key, parse_launch, read_launch
from paglets.config.settings import HostSettings
from paglets.mesh.timing import MeshTiming, Preset, TimingError, adjusted, preset
from paglets.model.errors import InvalidRequestError
from paglets.remote.urls import parse_url


def load_launch(path: Path) -> LaunchConfig:
    """Read a launch.toml.

    Raises:
        LaunchConfigError: It cannot be read, or says what cannot be.
    """
    return _checked(read_launch(path, MeshTiming))


def check_launch(path: Path) -> LaunchConfig:
    """Read a launch.toml and check all that a host would: also whether its values go together.

    Raises:
        LaunchConfigError: It cannot be read, or says what cannot be.
    """
    config = load_launch(path)
    settings = HostSettings(name="alpha", data=path.parent)
    with_plan(replace(settings, **config.host), config)  # type: ignore[arg-type]  # by name
    return config


def load_launch_text(text: str, path: Path) -> LaunchConfig:
    """Return what the text of a launch.toml says; see `load_launch`.

    Args:
        text: What it holds.
        path: Its name in messages; relative paths in it start at its folder.
    """
    return _checked(parse_launch(text, path, MeshTiming))


def _checked(config: LaunchConfig) -> LaunchConfig:
    """Return `config` with each URL in one spelling, and folders that are there."""

    def parsed(table: str, key: str, text: str) -> str:
        try:
            return parse_url(text)
        except InvalidRequestError as error:
            raise config.source.error(table, key, error.message) from error

    host = dict(config.host)
    if isinstance(advertise := host.get("advertise"), str):
        host["advertise"] = parsed("host", "advertise", advertise)
    if isinstance(seeds := host.get("seeds"), tuple):
        host["seeds"] = tuple(parsed("mesh", "seeds", str(seed)) for seed in seeds)
    if isinstance(folders := host.get("agents"), tuple):
        for folder in folders:
            if not Path(folder).is_dir():
                raise config.source.error("host", "agents", f"there is no folder {folder}")
    return replace(config, host=host)


def check_timing(settings: HostSettings, config: LaunchConfig) -> None:
    """Check that the knobs of the mesh go together.

    Args:
        settings: Of the host, with the knobs.
        config: The file that set them, for the error.

    Raises:
        LaunchConfigError: They do not.
    """
    base = preset(Preset(settings.preset))
    try:
        adjusted(base, settings.timing)
    except TimingError as error:
        key = knob_key(error.knob, is_seconds=isinstance(getattr(base, error.knob), float))
        why = f"{error} (preset {settings.preset})"
        raise config.source.error("mesh.timing", key, why) from error


def with_launch(settings: HostSettings, launch: Path | str) -> HostSettings:
    """Return `settings` with all that a launch.toml says.

    Args:
        settings: What counts where the file is silent.
        launch: The file, or its text; relative paths in a text start at the data folder.

    Raises:
        LaunchConfigError: It cannot be read, or says what cannot be.
    """
    if isinstance(launch, str):
        config = load_launch_text(launch, settings.data / "launch.toml")
    else:
        config = load_launch(launch)
    return with_plan(replace(settings, **config.host), config)  # type: ignore[arg-type]  # by name


def with_plan(settings: HostSettings, config: LaunchConfig) -> HostSettings:
    """Return `settings` with what only a launch.toml can say.

    Raises:
        LaunchConfigError: Knobs of the mesh do not go together.
    """
    found = replace(
        settings,
        launch=config.plan,
        timing={**settings.timing, **config.timing},
        limits=replace(settings.limits, **config.limits),  # type: ignore[arg-type]  # by name
        timeouts=replace(settings.timeouts, **config.timeouts),
    )
    check_timing(found, config)
    return found
