"""What is read from a Paglet class: its State, its hooks, its services; and the checks of both.

Runs in a Paglet Process when a class is loaded, and where a class is named in code (`create`). The
result for hosts, which never import the class, is its `ClassManifest`.
"""

import inspect
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from types import NoneType
from typing import TypeVar, get_args, get_origin
from weakref import WeakKeyDictionary

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.contracts import ServiceContract, contract_manifest
from paglets.agent.handlers import RoutingTable
from paglets.agent.hooks import LifecycleHooks
from paglets.agent.itinerary import Itinerary, unknown_tasks
from paglets.model.enums import Durability, Hook, RestartPolicy, require_enum
from paglets.model.errors import ClassLoadError
from paglets.model.manifest import AutoStartManifest, ClassManifest, ContractManifest
from paglets.wire.codec import StateCodec
from paglets.wire.jsonvalues import encode_json_value

_TRAVEL_HOOKS = frozenset(
    {Hook.ON_DISPATCHING, Hook.ON_ARRIVAL, Hook.ON_REVERTING, Hook.ON_MOVE_FAILED}
)


def class_name_of(cls: type) -> str:
    """Return `module:QualName` of a class, as hosts name it.

    Raises:
        ClassLoadError: Hosts could not import it: it is defined in `__main__` or in a function.
    """
    for place in ("__main__", "__mp_main__"):
        if cls.__module__ == place:
            raise ClassLoadError(
                f"{cls.__qualname__} is defined in the script itself, which other processes cannot "
                "import: put it in a module, e.g. tour.py"
            )
    if "<locals>" in cls.__qualname__:
        raise ClassLoadError(
            f"{cls.__qualname__} is defined inside a function, which other processes cannot "
            "import: put it in a module, e.g. tour.py"
        )
    return f"{cls.__module__}:{cls.__qualname__}"


def encode_initial_state(state: object) -> bytes:
    """Return an instance of a State, or a dict of its fields, as the JSON that a creator sends.

    Raises:
        StateError: A value does not fit, or JSON cannot hold it.
        TypeError: A dict holds a value that is not JSON-compatible.
        ClassLoadError: Its class cannot be a State.
    """
    if isinstance(state, dict):
        return encode_json_value(state, "state")
    return StateCodec.for_class(type(state)).to_json(state)


_state_classes: WeakKeyDictionary[type, type | None] = WeakKeyDictionary()
"""As `_manifests`."""


def state_class_of(cls: type) -> type | None:
    """Return the State of a Paglet class, read from its parameter; None for `Paglet[None]`.

    Raises:
        ClassLoadError: It has no parameter, or one that is no class.
    """
    if cls not in _state_classes:
        _state_classes[cls] = _find_state_class(cls)
    return _state_classes[cls]


def _find_state_class(cls: type) -> type | None:
    found = _parameter(cls)
    if found is NoneType or found is None:
        return None
    if isinstance(found, type):
        return found
    raise ClassLoadError(
        f"{cls.__qualname__} does not say what its State is: write `class {cls.__name__}"
        "(Paglet[TheState])`, with TheState defined above it, or `Paglet[None]`"
    )


def _parameter(cls: type) -> object:
    for base in cls.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base)
        if not (isinstance(origin, type) and issubclass(origin, LifecycleHooks)):
            continue
        arguments = get_args(base)
        inner = _parameter(origin)
        if not isinstance(inner, TypeVar):
            return inner
        names: tuple[object, ...] = getattr(origin, "__parameters__", ())
        return arguments[names.index(inner)] if inner in names else inner
    own: tuple[object, ...] = cls.__dict__.get("__parameters__", ())
    if own:
        return own[0]  # Paglet itself
    for base in cls.__bases__:
        if issubclass(base, LifecycleHooks) and base is not LifecycleHooks:
            return _parameter(base)
    return cls


def check_class_variables(cls: type) -> None:
    """Check what a class says of itself, when it is defined.

    Raises:
        TypeError: A closed value is no member of its enum, or a value has another type.
        ValueError: A number is out of range.
    """
    name = cls.__qualname__
    require_enum(_of(cls, "durability"), Durability, f"{name}.durability")
    require_enum(_of(cls, "restart"), RestartPolicy, f"{name}.restart")
    services = _of(cls, "services")
    if not isinstance(services, tuple) or not all(
        isinstance(contract, ServiceContract) for contract in services
    ):
        raise TypeError(f"{name}.services is a tuple of ServiceContract, such as (TOKENIZER,)")
    auto_start = _of(cls, "auto_start")
    if auto_start is not None and not isinstance(auto_start, AutoStartSpec):
        raise TypeError(f"{name}.auto_start is an AutoStartSpec or None")
    grace, limit = _of(cls, "run_grace"), _of(cls, "handler_limit")
    if not isinstance(grace, int | float) or grace < 0:
        raise ValueError(f"{name}.run_grace is a number of seconds, not below 0")
    if limit is not None and (not isinstance(limit, int | float) or limit <= 0):
        raise ValueError(f"{name}.handler_limit is a number of seconds above 0, or None")


def overridden_hooks(cls: type) -> tuple[str, ...]:
    """Return the hooks that `cls` or a base of it overrides."""
    return tuple(
        hook.value
        for hook in Hook
        if getattr(cls, hook.value) is not getattr(LifecycleHooks, hook.value)
    )


def _told_hooks(cls: type, *, has_itinerary: bool) -> tuple[str, ...]:
    """Return the hooks a host must tell: those overridden, and those at which a plan acts."""
    hooks = overridden_hooks(cls)
    if not has_itinerary:
        return hooks
    return tuple(hook.value for hook in Hook if hook.value in hooks or hook in _TRAVEL_HOOKS)


_manifests: WeakKeyDictionary[type, ClassManifest] = WeakKeyDictionary()
"""What was found of each class. Made before a fork it costs each child neither time nor memory."""


def make_manifest(cls: type, routes: RoutingTable, *, code_version: str) -> ClassManifest:
    """Return what hosts must know of a class; checks everything about it that can be checked.

    Raises:
        ClassLoadError: State, services or handlers are unfit; the message says what to write.
    """
    known = _manifests.get(cls)
    if known is None:
        known = _manifests[cls] = _examine(cls, routes)
    return replace(known, code_version=code_version)


def _examine(cls: type, routes: RoutingTable) -> ClassManifest:
    state_class = state_class_of(cls)
    StateCodec.for_class(state_class)
    for route in routes.routes.values():
        route.prepare(cls)
    auto_start = _of(cls, "auto_start")
    durability, restart = _of(cls, "durability"), _of(cls, "restart")
    assert isinstance(durability, Durability)
    assert isinstance(restart, RestartPolicy)
    return ClassManifest(
        class_name=class_name_of(cls),
        state_class=None if state_class is None else _state_name(state_class),
        code_version="",
        durability=durability,
        restart=restart,
        run_grace=_seconds(_of(cls, "run_grace")) or 0.0,
        handler_limit=_seconds(_of(cls, "handler_limit")),
        hooks=_told_hooks(cls, has_itinerary=itinerary_field(state_class) is not None),
        services=tuple(_contracts(cls, routes)),
        auto_start=None
        if not isinstance(auto_start, AutoStartSpec)
        else AutoStartManifest(
            alias=auto_start.alias, agent_id=auto_start.agent_id, singleton=auto_start.singleton
        ),
    )


@lru_cache(maxsize=256)
def itinerary_field(state_class: type | None) -> str | None:
    """Return the name of the State's field that holds its Itinerary, None if it has none.

    Raises:
        ClassLoadError: There are two.
    """
    if state_class is None or not is_dataclass(state_class):
        return None
    hints = typing.get_type_hints(state_class)
    names = [
        each.name
        for each in fields(state_class)
        if hints[each.name] is Itinerary or Itinerary in get_args(hints[each.name])
    ]
    if len(names) > 1:
        raise ClassLoadError(
            f"{state_class.__qualname__} has two itineraries, {' and '.join(names)}: keep one"
        )
    return names[0] if names else None


def check_itinerary(cls: type, itinerary: Itinerary) -> None:
    """Check that the tasks of all stops are methods of `cls`.

    Raises:
        ClassLoadError: One is not; the message names it.
    """
    for stop in itinerary.stops:
        for name in unknown_tasks(stop, cls):
            raise ClassLoadError(
                f"stop {stop.host!r} of the itinerary names the task {name!r}, "
                f"which is no method of {cls.__qualname__}"
            )


def _contracts(cls: type, routes: RoutingTable) -> Iterator[ContractManifest]:
    services = _of(cls, "services")
    assert isinstance(services, tuple)
    for contract in services:
        assert isinstance(contract, ServiceContract)
        for operation in contract.operations:
            if not routes.provides(operation):
                raise ClassLoadError(
                    f"{cls.__qualname__} offers {contract.name}, but no method is marked "
                    f"@provides for its operation {operation.name!r}"
                )
        yield contract_manifest(contract)


def _state_name(state_class: type) -> str:
    return f"{state_class.__module__}:{state_class.__qualname__}"


def _of(cls: type, name: str) -> object:
    value: object = inspect.getattr_static(cls, name)
    return value


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
