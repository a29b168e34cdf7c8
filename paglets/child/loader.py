"""From `Load` to a class and its state: import, check, restore.

The host has checked the module against the owner's allowed prefixes before it sent the name. Here
the code runs for the first time, in a process that can be thrown away. Whatever is wrong becomes a
typed error that says what helps.
"""

import contextlib
import hashlib
import importlib
import mmap
import sys
import traceback
from dataclasses import dataclass
from importlib.machinery import FileFinder
from pathlib import Path
from typing import TypeAlias

from paglets.agent.introspection import (
    check_itinerary,
    class_name_of,
    itinerary_field,
    make_manifest,
    state_class_of,
)
from paglets.agent.itinerary import Itinerary
from paglets.agent.paglet import Paglet
from paglets.model.errors import ClassLoadError, DamagedError, PagletsError
from paglets.model.manifest import ClassManifest
from paglets.model.names import parse_class_name
from paglets.wire.calls import Load, Snapshot
from paglets.wire.codec import Decoded, StateCodec

AnyPaglet: TypeAlias = Paglet[object]
"""A paglet whose State is known at run time only."""

_MAP_ABOVE = 1024 * 1024
"""Bytes above which a state file is mapped; it then ends the process if its disk fails."""

_TRACEBACK_LIMIT = 6
"""Frames of an author's traceback that are told."""


@dataclass(frozen=True, slots=True)
class LoadedClass:
    """A class, its codec, and the paglet's state."""

    cls: type[AnyPaglet]
    manifest: ClassManifest
    codec: StateCodec[object]
    itinerary_field: str | None
    state: object
    is_new: bool
    """Made now, not restored."""
    data: bytes
    """The state as it was restored, or as it is at first; empty for a large one."""
    size: int
    """Bytes of the state."""
    dropped: tuple[str, ...] = ()


def load(call: Load) -> LoadedClass:
    """Import the class of `call` and make or restore its state.

    Raises:
        ClassLoadError: The module cannot be imported, or what is found is no fit Paglet.
        StateError: The state does not fit the class.
        DamagedError: The state's file is not what was written.
    """
    cls = find_class(call.class_name, call.import_paths)
    manifest = make_manifest(cls, cls.routes, code_version=call.code_version)
    state_class = state_class_of(cls)
    codec: StateCodec[object] = StateCodec.for_class(state_class)
    data: bytes | mmap.mmap
    if call.state is None:
        decoded, data = _begin(codec, call.initial, has_state=state_class is not None)
    else:
        decoded, data = _restore(codec, call.state, is_own_code=call.is_own_code)
    field = itinerary_field(state_class)
    plan = None if field is None else getattr(decoded.state, field)
    if isinstance(plan, Itinerary):
        check_itinerary(cls, plan)
    return LoadedClass(
        cls=cls,
        manifest=manifest,
        codec=codec,
        itinerary_field=field,
        state=decoded.state,
        is_new=call.state is None,
        data=data if isinstance(data, bytes) else b"",
        size=len(data),
        dropped=decoded.dropped,
    )


def learn(class_name: str, import_paths: tuple[str, ...]) -> None:
    """Import and examine a class that this process is probably going to load; in a spare.

    What is wrong with it is told to whom it concerns, by `load`: an import that failed is tried
    again there.
    """
    with contextlib.suppress(PagletsError):
        cls = find_class(class_name, import_paths)
        make_manifest(cls, cls.routes, code_version="")
        StateCodec.for_class(state_class_of(cls))


def find_class(name: str, import_paths: tuple[str, ...] = ()) -> type[AnyPaglet]:
    """Import and return a Paglet class by `module:QualName`.

    Raises:
        InvalidNameError: The name has another shape.
        ClassLoadError: There is no such module or class, it raises, or it is no Paglet.
    """
    module_name, _, qualname = parse_class_name(name).partition(":")
    add_import_paths(import_paths)
    try:
        found: object = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the author's module may raise anything
        raise _import_error(module_name, error) from error
    for part in qualname.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ClassLoadError(
                f"module {module_name} has no {qualname}; is the name right, and is it the "
                "same version of the module?",
                class_name=name,
            )
    if not isinstance(found, type) or not issubclass(found, Paglet) or found is Paglet:
        raise ClassLoadError(
            f"{name} is no Paglet: write `class {qualname}(Paglet[...])`", class_name=name
        )
    class_name_of(found)  # an alias of a class that hosts could not import under its own name
    return found


def add_import_paths(import_paths: tuple[str, ...]) -> None:
    """Put the owner's folders first on the import path."""
    for path in reversed(import_paths):
        if path not in sys.path:
            sys.path.insert(0, path)
        # Only what the forkserver had listed before: all of them cost each start half a
        # millisecond, and the others look again when their folder has changed.
        finder = sys.path_importer_cache.get(path)
        if isinstance(finder, FileFinder):
            finder.invalidate_caches()


def read_snapshot(snapshot: Snapshot) -> bytes | mmap.mmap:
    """Return the bytes of a state that came inline or as a file.

    A large file is mapped: read, its bytes would be in memory a second time beside the state.

    Raises:
        DamagedError: The file is gone or is not what was written.
    """
    if snapshot.path is None:
        return snapshot.data or b""
    data: bytes | mmap.mmap
    try:
        with Path(snapshot.path).open("rb") as file:
            if snapshot.size <= _MAP_ABOVE:
                data = file.read()
            else:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DamagedError(f"state file {snapshot.path}: {error.strerror}") from error
    except ValueError as error:  # an empty file cannot be mapped
        raise DamagedError(f"state file {snapshot.path} is empty") from error
    is_intact = len(data) == snapshot.size
    if is_intact and snapshot.sha256:
        is_intact = hashlib.sha256(data).hexdigest() == snapshot.sha256
    if not is_intact:
        raise DamagedError(f"state file {snapshot.path} is not what was written")
    return data


def _restore(
    codec: StateCodec[object], snapshot: Snapshot, *, is_own_code: bool
) -> tuple[Decoded[object], bytes | mmap.mmap]:
    data = read_snapshot(snapshot)
    if isinstance(data, bytes):
        return codec.decode_reporting(data), data
    # What its class has lost cannot be told without encoding it again.
    view = memoryview(data)
    decoded = Decoded(codec.decode(view)) if is_own_code else codec.decode_reporting(bytes(view))
    return decoded, data


def _begin(
    codec: StateCodec[object], initial: bytes | None, *, has_state: bool
) -> tuple[Decoded[object], bytes]:
    if not has_state:
        return Decoded(None), codec.snapshot(None)
    state = codec.from_json(initial or b"{}")
    return Decoded(state), codec.snapshot(state)


def _import_error(module_name: str, error: BaseException) -> ClassLoadError:
    remedy = ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        remedy = (
            "; put it in a folder given by --agents, or install it where the host runs"
            if module_name.startswith(error.name)
            else f"; install {error.name.partition('.')[0]} where the host runs"
        )
    lines = traceback.format_exception(error, limit=-_TRACEBACK_LIMIT)
    return ClassLoadError(
        f"module {module_name} cannot be imported: {type(error).__name__}: {error}{remedy}",
        module=module_name,
        traceback_text="".join(lines),
    )
