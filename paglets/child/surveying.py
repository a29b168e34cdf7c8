"""Which classes launch.toml may start: found by importing modules in a process that then ends.

What importing does to this process is gone with it; a module that cannot be imported is told and
hides no other.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.introspection import class_name_of
from paglets.agent.paglet import Paglet
from paglets.child.loader import add_import_paths, find_class
from paglets.model.errors import PagletsError
from paglets.wire.calls import Startable, Survey, Surveyed


def survey(call: Survey) -> Surveyed:
    """Import what `call` names and return the classes that may be started."""
    add_import_paths(call.import_paths)
    failures: dict[str, str] = {}
    found: dict[str, Startable] = {}
    for name in call.modules:
        for module in _modules(name, failures):
            found.update((each.class_name, each) for each in _startable(module))
    for class_name in call.classes:
        try:
            found.setdefault(class_name, _described(find_class(class_name), class_name))
        except PagletsError as error:
            failures[class_name] = error.message
    return Surveyed(
        call=call.call, found=tuple(found.values()), failures=tuple(sorted(failures.items()))
    )


def _modules(name: str, failures: dict[str, str]) -> Iterator[ModuleType]:
    """Yield a module, and all that is below it if it is a package."""
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the author's module; told
        failures[name] = f"{type(error).__name__}: {error}"
        return
    yield module
    for below in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        if not below.name.endswith(".__main__"):
            yield from _modules(below.name, failures)


def _startable(module: ModuleType) -> Iterator[Startable]:
    """Yield the classes of a module that have an AutoStartSpec of their own.

    One that a class inherits names its base: else every subclass would double the alias.
    """
    for value in list(vars(module).values()):
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, Paglet) and isinstance(vars(value).get("auto_start"), AutoStartSpec):
            yield _described(value, class_name_of(value))


def _described(cls: type[Paglet[object]], class_name: str) -> Startable:
    spec = cls.auto_start
    place = _place(cls)
    if spec is None:
        return Startable(class_name=class_name, place=place, singleton=False)
    return Startable(
        class_name=class_name,
        place=place,
        alias=spec.alias,
        agent_id=spec.agent_id,
        singleton=spec.singleton,
    )


def _place(cls: type) -> str:
    try:
        _, line = inspect.getsourcelines(cls)
        return f"{Path(inspect.getsourcefile(cls) or cls.__module__).name} line {line}"
    except (OSError, TypeError):  # no source: a compiled module
        return cls.__module__
