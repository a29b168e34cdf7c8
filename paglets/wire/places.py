"""Places in a value: where a misfit is, what should be there, and what a field is called.

The slow half of the State codec: it runs when something is wrong already, or once when an older
state is restored. `wire/shapes.py` is the fast half.
"""

import enum
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from paglets.model.errors import StateError
from paglets.model.message import DEPTH_LIMIT
from paglets.wire.shapes import Either, Fields, Items, Json, Mapping, Places, Shape, TooDeepError

PATH_LIMIT = 160
"""Longest path in an error, in characters; the middle is left out."""

VALUE_LIMIT = 60
"""Longest value in an error, in characters."""


class _Missing:
    """Stands for an attribute that was never set, or deleted."""


_MISSING = _Missing()
_SCALARS = (str, int, float, bytes, bytearray)


def misfits(shape: Shape, value: object) -> bool:
    """Return whether `value`, looked at alone, is not of this shape."""
    try:
        return not shape.fits([value], 0)
    except TooDeepError:
        return True


def misfit_error(shape: Shape, state: object) -> StateError:
    """Return the error for a state that does not fit, naming the innermost place."""
    return locate(shape, state, misfits)


def locate(shape: Shape, state: object, is_bad: Callable[[Shape, object], bool]) -> StateError:
    """Return the error for the innermost place that is bad.

    Args:
        shape: The shape of the state.
        state: A bad state.
        is_bad: Tells whether a value that should be of a shape is bad, parts included.
    """
    root, path, value = shape.label, "", state
    seen: dict[int, str] = {}
    for _ in range(2 * DEPTH_LIMIT):
        seen[id(value)] = path
        for step, child, part in _parts(shape, value):
            if is_bad(child, part):
                path, shape, value = path + step, child, part
                break
        else:
            break
        if id(value) in seen and not isinstance(value, _SCALARS):
            back = _shorten(seen[id(value)].lstrip("."), PATH_LIMIT) or root
            return _error(path, root, "a value that is not inside itself", f"{back} again")
    try:
        shape.fits([value], 0)
    except TooDeepError:
        return _error(path, root, f"nesting of at most {DEPTH_LIMIT}", "more below")
    return _error(path, root, shape.label, describe(value))


def _error(path: str, root: str, expected: str, found: str) -> StateError:
    return StateError(_shorten(path.lstrip("."), PATH_LIMIT) or root, expected, found)


def describe(value: object) -> str:
    """Return what `value` is, for an error: its type, and a short text if it is small."""
    kind = type(value)
    if value is None:
        return "None"
    if kind is _Missing:
        return "no value"
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    text = _brief(value)
    return f"{text} ({name})" if text else f"a value of type {name}"


def _brief(value: object) -> str:
    """Return a short text for a plain value, "" for others: their repr may be long, or raise."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    match value:
        case int() if value.bit_length() > 64:
            return f"an int of {value.bit_length()} bits"
        case str() | bytes() | bytearray():
            text = type(value[:1]).__repr__(value[: VALUE_LIMIT + 1])
        case tuple():
            text = f"({', '.join(_brief(part) or '…' for part in value[:8])})"
        case None | bool() | int() | float():
            text = str(value)
        case _:
            text = ""
    return _shorten(text, VALUE_LIMIT)


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}…{text[-(limit // 2) :]}"


def _parts(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, object]]:
    """Yield step, shape and value of what `value` is made of; nothing if its type is wrong."""
    if type(value) not in shape.types:
        return
    match shape:
        case Fields(fields=fields):
            for name, child in fields.items():
                yield f".{name}", child, getattr(value, name, _MISSING)
        case Items(item=item):
            yield from ((f"[{index}]", item, part) for index, part in enumerate(value))
        case Places(items=items) if len(items) == len(value):
            pairs = zip(items, value, strict=True)
            yield from ((f"[{index}]", item, part) for index, (item, part) in enumerate(pairs))
        case Mapping(key=key, item=item):
            for name, part in value.items():
                yield f"[key {_step(name)}]", key, name
                yield f"[{_step(name)}]", item, part
        case Either(by_type=by_type):
            yield from _parts(by_type[type(value)], value)
        case Json() if type(value) in {list, dict}:
            named = enumerate(value) if type(value) is list else value.items()
            yield from ((f"[{_step(name)}]", shape, part) for name, part in named)
        case _:
            return


def _step(key: object) -> str:
    return _brief(key) or describe(key)


_MESSAGE = re.compile(r"(?P<text>.*?)( - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_GOT = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<found>[^`]+)`", re.DOTALL)
_REQUIRED = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_ENUM = re.compile(r"Invalid enum value (?P<found>.*)", re.DOTALL)


def decode_error(shape: Shape, error: Exception) -> StateError:
    """Return the error for data that msgspec could not decode into this shape.

    Args:
        shape: The shape of the state.
        error: What msgspec raised, or the author's `__post_init__` through it.
    """
    root = shape.label
    matched = _MESSAGE.fullmatch(str(error))
    text, path = str(error), ""
    if matched:
        text, path = matched["text"], (matched["path"] or "$").removeprefix("$")
    required = _REQUIRED.fullmatch(text)
    if required:
        path += f".{required['name']}"
    at = _follow(shape, path)
    if matched and matched["key"]:
        path, at = path + "[key]", at.key if isinstance(at, Mapping) else None
    expected = at.label if at else "data of its type"
    if required:
        return _error(path, root, expected, "no value, and the field has no default")
    got = _GOT.fullmatch(text) or _ENUM.fullmatch(text)
    if got:
        return _error(path, root, expected, got["found"])
    found = text.replace("`", "") or type(error).__name__
    return _error(path, root, expected, _shorten(f"a value refused: {found}", 500))


def _follow(shape: Shape | None, path: str) -> Shape | None:
    for matched in _STEP.finditer(path):
        shape = _child(shape, matched[1], matched[2])
    return shape


def _child(shape: Shape | None, name: str | None, index: str | None) -> Shape | None:
    match shape:
        case Fields(fields=fields) if name:
            return fields.get(name)
        case Items(item=item) | Mapping(item=item):
            return item
        case Places(items=items) if index and index.isdigit() and int(index) < len(items):
            return items[int(index)]
        case Either(members=members):
            return next(filter(None, (_child(member, name, index) for member in members)), None)
        case Json():
            return shape
        case _:
            return None


def find_unknown(shape: Shape, raw: list[Any], path: str, found: dict[str, Fields]) -> None:
    """Add to `found` the paths in undecoded data that no field takes: path → its dataclass.

    Args:
        shape: What should be there.
        raw: All data that stands there, decoded without types.
        path: Where that is; items of lists and dicts are `[]`, so that each field is told once.
        found: Gets the result.
    """
    if not raw:
        return
    match shape:
        case Fields(fields=fields):
            maps = [value for value in raw if type(value) is dict]
            for name in set().union(*maps) - fields.keys():
                found[f"{path}.{name}".lstrip(".")] = shape
            for name, child in fields.items():
                column = [value[name] for value in maps if name in value]
                find_unknown(child, column, f"{path}.{name}", found)
        case Items(item=item) | Mapping(item=item) if not item.plain:
            find_unknown(item, [*chain.from_iterable(map(_members, raw))], f"{path}[]", found)
        case Places(items=items):
            for index, child in enumerate(items):
                column = [row[index] for row in map(_members, raw) if index < len(row)]
                find_unknown(child, column, f"{path}[{index}]", found)
        case Either(members=members):
            for member in members:
                find_unknown(member, raw, path, found)
        case _:
            return


def _members(raw: object) -> list[Any]:
    match raw:
        case list():
            return raw
        case dict():
            return [*raw.values()]
        case _:
            return []
