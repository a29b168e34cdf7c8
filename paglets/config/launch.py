"""LaunchConfig: what launch.toml says, read and checked; nothing is started or imported.

A file is read once, when `paglets host` starts. What is no valid value is a `LaunchConfigError`
with its place. Which of option, variable, file and default counts is decided in `cli/host.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from paglets.config.settings import Limits, Timeouts
from paglets.config.tables import Source, Table
from paglets.model.enums import ResidentLifecycle
from paglets.model.errors import InvalidNameError, LaunchConfigError
from paglets.model.launch import (
    IDLE_TIMEOUT,
    LaunchedPaglet,
    LaunchPlan,
    ResidentService,
    RestartTerms,
)
from paglets.model.names import parse_class_name, parse_name

Knobs = dict[str, int | float]
"""Values of a dataclass of numbers, by field."""


class Numbers(Protocol):
    """A dataclass whose fields are knobs: whole numbers, or seconds as floats."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # of any dataclass


@dataclass(frozen=True, kw_only=True)
class LaunchConfig:
    """The launch.toml of a host."""

    source: Source = field(repr=False, compare=False)
    """The file, for messages about what it says."""
    plan: LaunchPlan = field(default_factory=LaunchPlan)
    """What the host starts by itself."""
    host: Mapping[str, object] = field(default_factory=dict)
    """Fields of HostSettings that the file sets."""
    limits: Knobs = field(default_factory=dict)
    """Fields of Limits that the file sets."""
    timeouts: Knobs = field(default_factory=dict)
    """Fields of Timeouts that the file sets."""
    timing: Knobs = field(default_factory=dict)
    """Fields of MeshTiming that the file sets over the preset."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path


def read_launch(path: Path, timing: type[Numbers]) -> LaunchConfig:
    """Read and check a launch.toml.

    Args:
        path: The file.
        timing: The mesh's knobs, for `[mesh.timing]`.

    Raises:
        LaunchConfigError: It cannot be read, or says what cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise LaunchConfigError(
            f"{path}: {why}; `paglets launch sync` makes one in its usual place", file=str(path)
        ) from error
    return parse_launch(text, path, timing)


def parse_launch(text: str, path: Path, timing: type[Numbers]) -> LaunchConfig:
    """Return what a launch.toml says; see `read_launch`.

    Args:
        text: What it holds.
        path: Its name in messages; relative paths in it start at its folder.
        timing: The mesh's knobs.
    """
    source = Source(text, path)
    top = Table(source, "", source.values)
    host = read_values(_table(source, top, "host"), HOST_KEYS)
    launch_table = _table(source, top, "launch")
    modules = launch_table.texts("modules")
    launch = read_values(launch_table, LAUNCH_KEYS)
    mesh = _table(source, top, "mesh")
    knobs = Table(source, "mesh.timing", mesh.take("timing", dict, "a table") or {})
    config = LaunchConfig(
        source=source,
        plan=LaunchPlan(
            residents=_residents(source, top), paglets=_paglets(source, top), modules=modules
        ),
        host={**host, **launch, **read_values(mesh, MESH_KEYS)},
        limits=read_knobs(_table(source, top, "limits"), Limits),
        timeouts=read_knobs(_table(source, top, "timeouts"), Timeouts),
        timing=read_knobs(knobs, timing),
    )
    top.finish()
    return config


def _table(source: Source, top: Table, name: str) -> Table:
    return Table(source, name, top.take(name, dict, "a table") or {})


Reader = Callable[[Table, str], object]
"""Takes a key of a table."""


def _name(table: Table, key: str) -> str | None:
    value = table.text(key)
    return None if value is None else _checked(table, key, lambda: parse_name(value, what=key))


def _checked(table: Table, key: str, parse: Callable[[], str]) -> str:
    try:
        return parse()
    except InvalidNameError as error:
        raise table.error(key, error.message) from error


def _port(table: Table, key: str) -> int | None:
    return table.whole(key, least=0, most=65535)


HOST_KEYS: Mapping[str, Reader] = {
    "name": _name,
    "data": Table.path,
    "bind": Table.text,
    "port": _port,
    "advertise": Table.text,
    "agents": Table.paths,
    "allow": Table.texts,
    "mesh_version": Table.text,
    "tags": Table.texts,
    "properties": Table.words,
    "capabilities": Table.texts,
    "key_file": Table.path,
    "insecure": Table.flag,
    "allowed_hosts": Table.texts,
    "allowed_origins": Table.texts,
    "tls_cert": Table.path,
    "tls_key": Table.path,
    "start_method": lambda table, key: table.choice(key, ("fork", "spawn")),
    "environment": Table.texts,
    "drain_on_stop_seconds": Table.number,
    "reload": Table.flag,
}
"""Keys of `[host]`: fields of HostSettings, those in seconds with their unit."""

LAUNCH_KEYS: Mapping[str, Reader] = {
    "preload": Table.texts,
    "spare_processes": lambda table, key: table.whole(key, least=0, most=64),
}
"""Keys of `[launch]` that are fields of HostSettings."""

MESH_KEYS: Mapping[str, Reader] = {
    "seeds": Table.texts,
    "preset": lambda table, key: table.choice(key, ("local", "lan", "wan")),
    "multicast": Table.flag,
    "multicast_group": Table.text,
    "multicast_port": _port,
    "multicast_ttl": lambda table, key: table.whole(key, least=0, most=255),
    "multicast_interface": Table.text,
}
"""Keys of `[mesh]`: fields of HostSettings."""


def read_values(table: Table, keys: Mapping[str, Reader]) -> dict[str, object]:
    """Return what a table sets, by field, and raise for keys that it may not have."""
    found = {field_of(key): read(table, key) for key, read in keys.items()}
    table.finish()
    return {key: value for key, value in found.items() if value is not None}


def field_of(key: str) -> str:
    """Return the field of HostSettings that a key sets."""
    return key.removesuffix("_seconds")


def read_knobs(table: Table, numbers: type[Numbers]) -> Knobs:
    """Return the knobs that a table sets, by field."""
    found: dict[str, int | float | None] = {}
    for each in fields(numbers):
        key = knob_key(each.name, is_seconds=isinstance(each.default, float))
        assert each.default is not MISSING, "a knob has a default"
        is_seconds = isinstance(each.default, float)
        found[each.name] = table.number(key) if is_seconds else table.whole(key)
    table.finish()
    return {name: value for name, value in found.items() if value is not None}


def knob_key(name: str, *, is_seconds: bool) -> str:
    """Return the key of a knob in TOML, which carries its unit: `hook` is `hook_seconds`."""
    return f"{name}_seconds" if is_seconds and not name.endswith("_seconds") else name


def _entries(source: Source, top: Table, name: str) -> Iterable[Table]:
    entries = top.take(name, list, f"an array of tables: write [[{name}]]") or []
    return [
        Table(source, name, entry, number=number) for number, entry in enumerate(entries, start=1)
    ]


def _residents(source: Source, top: Table) -> tuple[ResidentService, ...]:
    found: list[ResidentService] = []
    for table in _entries(source, top, "services"):
        resident = _resident(source, table)
        twin = next((each for each in found if each.class_name == resident.class_name), None)
        if twin is not None:
            raise table.error(
                "class",
                f"{resident.class_name} is declared already in {twin.place}: a host runs one; "
                "remove one of the two",
            )
        found.append(resident)
    return tuple(found)


def _resident(source: Source, table: Table) -> ResidentService:
    class_name = table.text("class")
    if class_name is None:
        raise table.error("class", 'is missing: write class = "module:QualName"')
    _checked(table, "class", lambda: parse_class_name(class_name))
    lifecycle = table.choice("lifecycle", [each.value for each in ResidentLifecycle])
    if lifecycle is None:
        raise table.error("lifecycle", 'is missing: write "lazy" or "eager"')
    idle = table.number("idle_timeout_seconds")
    if idle is not None and lifecycle == ResidentLifecycle.EAGER.value:
        raise table.error("idle_timeout_seconds", "is for lazy services: eager ones never sleep")
    resident = ResidentService(
        class_name=class_name,
        lifecycle=ResidentLifecycle(lifecycle),
        idle_timeout=IDLE_TIMEOUT if idle is None else idle,
        agent_id=_name(table, "agent_id"),
        state=table.take("state", dict, "a table of fields") or {},
        restart=_restart(source, table),
        place=table.place,
    )
    table.finish()
    return resident


def _restart(source: Source, table: Table) -> RestartTerms:
    values = table.take("restart", dict, "a table such as { max_restarts = 10 }") or {}
    terms = Table(source, "services.restart", values, number=table.number_here)
    default = RestartTerms()
    found = RestartTerms(
        first_delay=terms.number("first_delay_seconds") or default.first_delay,
        longest_delay=terms.number("longest_delay_seconds") or default.longest_delay,
        max_restarts=terms.whole("max_restarts"),
        max_seconds=terms.number("max_seconds") or default.max_seconds,
    )
    terms.finish()
    return found


def _paglets(source: Source, top: Table) -> tuple[LaunchedPaglet, ...]:
    return tuple(_paglet(table) for table in _entries(source, top, "paglets"))


def _paglet(table: Table) -> LaunchedPaglet:
    class_name, alias = table.text("class"), _name(table, "alias")
    if class_name is None and alias is None:
        raise table.error("class", 'is missing: write class = "module:QualName" or alias = "…"')
    if class_name is not None and alias is not None:
        raise table.error("alias", "is for entries without a class: remove one of the two")
    if class_name is not None:
        _checked(table, "class", lambda: parse_class_name(class_name))
    paglet = LaunchedPaglet(
        class_name=class_name,
        alias=alias,
        agent_id=_name(table, "agent_id"),
        state=table.take("state", dict, "a table of fields") or {},
        place=table.place,
    )
    table.finish()
    return paglet
