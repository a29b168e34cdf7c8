"""What a State class may be: its annotations become shapes when the class is loaded, or an error.

The error names the field by its dotted path and what to write instead, so that an author learns it
before the first paglet exists. msgspec reads the annotations (`msgspec.inspect`): names of an
author's module, generics, aliases and `from __future__ import annotations` are its business.
"""

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect as ms

from paglets.model.errors import ClassLoadError
from paglets.model.refs import Epoch
from paglets.wire import shapes as sh
from paglets.wire.leaves import LEAVES, TRANSIENT, UNFIT
from paglets.wire.paths import decode_path
from paglets.wire.places import describe, misfits

_JSON_SCALARS = (NoneType, bool, int, float, str)
_JSON_LABEL = "a JSON-compatible value (None, bool, int, float, str, list, dict with text keys)"


class _UnfitError(Exception):
    """An annotation that State cannot hold: path, what it is, what helps."""


def shape_of(state_class: type) -> sh.Fields:
    """Return the shape of a State class, with everything it holds checked.

    Called once a class, in the child that loads it.

    Raises:
        ClassLoadError: It is no dataclass, or a field cannot be carried; `field` names it.
    """
    name = _name(state_class)
    cls = get_origin(state_class) or state_class
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ClassLoadError(
            f"{name} cannot be a State: it is no dataclass; put @dataclass above the class",
            class_name=name,
        )
    try:
        try:
            info = ms.type_info(state_class)
            builder = _Builder()
            shape = builder.build(info, "")
            msgspec.msgpack.Decoder(state_class, dec_hook=decode_path)
        except (TypeError, NameError, NotImplementedError) as error:
            raise _blame(state_class, error) from error
    except _UnfitError as unfit:
        path, what, remedy = unfit.args
        place = f"state field {path}" if path else "the class"
        raise ClassLoadError(
            f"{name} cannot be a State: {place}: {what}; {remedy}",
            class_name=name,
            field=path,
        ) from unfit.__cause__
    if not isinstance(shape, sh.Fields):
        raise TypeError(f"{name} is read as {shape.label}")
    shape.bottomless = builder.is_recursive
    return shape


def json_schema(payload_type: type) -> dict[str, Any]:
    """Return the JSON schema of a type, such as a service operation's request.

    Raises:
        ClassLoadError: The type has no JSON form; the message says why.
    """
    try:
        return msgspec.json.schema(payload_type, schema_hook=_path_schema)
    except (TypeError, NameError, NotImplementedError) as error:
        name = _name(payload_type)
        hint = ""
        if "Path is unsupported" in str(error):
            hint = "; write a Path default as field(default_factory=lambda: Path(...))"
        raise ClassLoadError(f"{name} has no JSON form: {error}{hint}", class_name=name) from error


def _path_schema(cls: type) -> dict[str, Any]:
    if cls is Path:
        return {"type": "string", "format": "path"}
    raise NotImplementedError


def _name(cls: object) -> str:
    module, name = getattr(cls, "__module__", ""), getattr(cls, "__qualname__", repr(cls))
    return f"{module}:{name}"


class _Builder:
    """Builds the shapes of one State class; remembers classes, as they may hold themselves."""

    def __init__(self) -> None:
        self._classes: dict[type, sh.Fields] = {}
        self._open: list[type] = []

    @property
    def is_recursive(self) -> bool:
        """Whether one of the classes built may hold itself."""
        return any(shape.recursive for shape in self._classes.values())

    def build(self, info: ms.Type, path: str) -> sh.Shape:
        """Return the shape of what msgspec read of an annotation."""
        shape = LEAVES.get(type(info)) or _atom(info)
        if shape is not None:
            return shape
        match info:
            case ms.DictType(key_type=key_type, value_type=value_type):
                key = self._key(key_type, path)
                item = self.build(value_type, f"{path}[]")
                return sh.Mapping(f"dict[{key.label}, {item.label}]", key, item)
            case ms.UnionType(types=types):
                return self._union(types, path)
            case ms.DataclassType(cls=cls, fields=fields):
                return self._dataclass(cls, fields, path)
            case ms.NamedTupleType(cls=cls, fields=fields) if cls is Epoch:
                items = tuple(self.build(field.type, path) for field in fields)
                return sh.Places(cls.__name__, cls, items)
            case _:
                return self._collection(info, path)

    def _collection(self, info: ms.Type, path: str) -> sh.Shape:
        kind: type
        match info:
            case ms.ListType(item_type=item_type):
                item, kind = self.build(item_type, f"{path}[]"), list
            case ms.SetType(item_type=item_type):
                item, kind = self._member(item_type, path, "set"), set
            case ms.FrozenSetType(item_type=item_type):
                item, kind = self._member(item_type, path, "frozenset"), frozenset
            case ms.VarTupleType(item_type=item_type):
                item, kind = self.build(item_type, f"{path}[]"), tuple
            case ms.TupleType(item_types=item_types):
                items = tuple(self.build(t, f"{path}[{i}]") for i, t in enumerate(item_types))
                label = ", ".join(item.label for item in items)
                return sh.Places(f"tuple[{label}]", tuple, items)
            case _:
                what = getattr(info, "cls", None)
                name = f"{what.__module__}.{what.__qualname__}" if what else type(info).__name__
                remedy = UNFIT.get(type(info)) or UNFIT.get(what, TRANSIENT)
                raise _UnfitError(path, f"{name} cannot be kept", remedy)
        more = ", ..." if kind is tuple else ""
        return sh.Items(f"{kind.__name__}[{item.label}{more}]", kind, item)

    def _union(self, types: tuple[ms.Type, ...], path: str) -> sh.Shape:
        members = tuple(self.build(member, path) for member in types)
        for member in members:
            if isinstance(member, sh.Json):
                return member
        return sh.Either(members)

    def _member(self, info: ms.Type, path: str, kind: str) -> sh.Shape:
        if isinstance(info, ms.AnyType):
            return sh.Leaf("None | bool | int | float | str", *_JSON_SCALARS)
        item = self.build(info, f"{path}[]")
        if not _is_hashable(item, set()):
            raise _UnfitError(
                path,
                f"{item.label} cannot be in a {kind}, as it can change",
                "use a tuple, a frozenset, a frozen dataclass, or a list instead of the set",
            )
        return item

    def _key(self, info: ms.Type, path: str) -> sh.Shape:
        if isinstance(info, ms.AnyType):
            return LEAVES[ms.StrType]
        key = self.build(info, f"{path}[key]")
        if not _is_key(key):
            raise _UnfitError(
                path, f"{key.label} cannot be a key", "use text, a number, an Enum or a tuple"
            )
        return key

    def _dataclass(self, cls: type, fields: tuple[ms.Field, ...], path: str) -> sh.Fields:
        known = self._classes.get(cls)
        if known is not None:
            if cls in self._open:
                for inner in self._open[self._open.index(cls) :]:
                    self._classes[inner].recursive = True
            return known
        origin = get_origin(cls) or cls
        if not dataclasses.is_dataclass(origin):
            raise _UnfitError(path, f"{origin.__qualname__} cannot be kept", "make it a dataclass")
        shape = self._classes[cls] = sh.Fields(origin)
        self._open.append(cls)
        built: dict[str, sh.Shape] = {}
        for field in fields:
            below = f"{path}.{field.name}".lstrip(".")
            built[field.name] = self.build(field.type, below)
        self._open.pop()
        shape.set_fields(built)
        for field in fields:
            _require_default_fits(field, built[field.name], f"{path}.{field.name}".lstrip("."))
        return shape


def _atom(info: ms.Type) -> sh.Shape | None:
    match info:
        case ms.AnyType():
            return sh.Json(_JSON_LABEL, frozenset({*_JSON_SCALARS, list, dict}))
        case ms.EnumType(cls=cls):
            return sh.Leaf(cls.__name__, cls)
        case ms.LiteralType(values=values):
            return sh.OneOf(f"one of {', '.join(map(repr, values))}", tuple(values))
        case ms.CustomType(cls=cls) if cls is Path:
            return sh.Leaf("Path", type(Path()))
        case _:
            return None


def _require_default_fits(field: ms.Field, shape: sh.Shape, path: str) -> None:
    if field.default is not msgspec.NODEFAULT and misfits(shape, field.default):
        wanted = f"{shape.label} | None" if field.default is None else shape.label
        raise _UnfitError(
            path,
            f"its default {describe(field.default)} is no {shape.label}",
            f"annotate it as {wanted} or change the default",
        )


def _is_hashable(shape: sh.Shape, seen: set[type]) -> bool:
    match shape:
        case sh.Items(item=item):
            return not shape.types & {list, set} and _is_hashable(item, seen)
        case sh.Places(items=members) | sh.Either(members=members):
            return all(_is_hashable(member, seen) for member in members)
        case sh.Fields(cls=cls, fields=fields):
            by_identity = getattr(cls, "__hash__", None) is object.__hash__
            if cls in seen or by_identity:
                return True
            seen.add(cls)
            frozen = getattr(cls, "__hash__", None) is not None
            return frozen and all(_is_hashable(field, seen) for field in fields.values())
        case sh.Mapping() | sh.Json():
            return False
        case _:
            return bytearray not in shape.types


def _is_key(shape: sh.Shape) -> bool:
    """Return whether a host, which has no classes, can read such a key too."""
    match shape:
        case sh.Items(item=item):
            return not shape.types & {list, set} and _is_key(item)
        case sh.Places(items=members) | sh.Either(members=members):
            return all(_is_key(member) for member in members)
        case sh.Fields():
            return False
        case _:
            return _is_hashable(shape, set())


def _blame(cls: type, error: Exception) -> _UnfitError:
    """Return the error for the innermost annotation that msgspec refuses.

    msgspec names the type but not the field; so each is tried alone.
    """
    return _search(cls, "", set()) or _UnfitError("", _plain(error), _remedy(error))


def _search(cls: type, path: str, seen: set[object]) -> _UnfitError | None:
    if cls in seen:
        return None
    seen.add(cls)
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        return _UnfitError(path, _plain(error), _remedy(error))
    for field in dataclasses.fields(cls):
        below = f"{path}.{field.name}".lstrip(".")
        for inner in _dataclasses_in(hints[field.name]):
            found = _search(inner, below, seen)
            if found:
                return found
        try:
            _Builder().build(ms.type_info(hints[field.name]), below)
            msgspec.msgpack.Decoder(hints[field.name], dec_hook=decode_path)
        except (TypeError, NameError, NotImplementedError) as error:
            return _UnfitError(below, _plain(error), _remedy(error))
    return None


def _dataclasses_in(hint: object) -> Iterator[type]:
    for inner in (hint, *get_args(hint)):
        cls = get_origin(inner) or inner
        if isinstance(cls, type) and dataclasses.is_dataclass(cls):
            yield cls
        elif inner is not hint:
            yield from _dataclasses_in(inner)


def _plain(error: Exception) -> str:
    return str(error).replace("`", "")


def _remedy(error: Exception) -> str:
    text = str(error)
    if isinstance(error, NameError):
        return "import the name at the top of the module, outside `if TYPE_CHECKING`"
    if "InitVar" in text:
        return "make it a field, or compute it in __post_init__"
    if "num" in text and "Literal" not in text:
        return "give all members of the Enum text, or all of them ints of 63 bits"
    if "nion" in text:
        return "use one dataclass with optional fields, or a union with None only"
    if "Literal" in text:
        return "write the values as str, int, bool or None, or use the Enum itself"
    return TRANSIENT
