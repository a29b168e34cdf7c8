"""Shapes: what a value annotated so-and-so looks like in memory, and whether it still does.

msgspec checks bytes against types when it decodes, but encodes whatever it is given: a tuple in a
list field, a subclass in a base-typed one, text where a date should be. A State codec therefore
asks its shape first. Shapes look at *columns*: all values that one annotation covers are checked
together (`set(map(type, values))`), which costs tens of nanoseconds a value instead of a call.

`wire/schema.py` builds shapes from annotations; `wire/places.py` walks them to name a place. They
say nothing about bytes: `wire/codec.py` does that.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Any

from paglets.model.message import DEPTH_LIMIT
from paglets.wire.jsonvalues import is_plain_json


class TooDeepError(Exception):
    """Values are nested deeper than `DEPTH_LIMIT`, or contain themselves."""


class Shape:
    """The values one annotation allows.

    Args:
        label: The annotation, for people.
        types: The exact types of its values; a subclass is a misfit.
        plain: Whether `types` alone decides.
    """

    def __init__(self, label: str, types: frozenset[type], *, plain: bool = False) -> None:
        self.label = label
        self.types = types
        self.plain = plain

    def fits(self, values: list[Any], _depth: int) -> bool:
        """Return whether all `values`, that many levels below the state, are of this shape.

        Raises:
            TooDeepError: They are nested too deep.
        """
        return self.types.issuperset(map(type, values))

    def look_into(self, _kind: type) -> "Shape | None":
        """Return the shape that decides on a value of one of the types, None if the type does."""
        return None if self.plain else self


class Leaf(Shape):
    """Values without parts, decided by their type."""

    def __init__(self, label: str, *types: type) -> None:
        super().__init__(label, frozenset(types), plain=True)


class Float(Shape):
    """Floats, and ints that are the same number as a float: they come back as that."""

    def fits(self, values: list[Any], _depth: int) -> bool:
        """Return whether all are floats or such ints."""
        kinds = {*map(type, values)}
        if int not in kinds:
            return kinds <= self.types
        return kinds <= self.types and all(_is_float(v) for v in values if type(v) is int)

    def look_into(self, kind: type) -> Shape | None:
        """Return itself for an int: only some are floats."""
        return self if kind is int else None


def _is_float(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


class Time(Shape):
    """Times of day: ISO 8601 holds an offset of whole minutes, and no zone without a date."""

    def fits(self, values: list[Any], _depth: int) -> bool:
        """Return whether all are naive or have such an offset."""
        return self.types.issuperset(map(type, values)) and all(map(_is_portable, values))


def _is_portable(time: dt.time) -> bool:
    if time.tzinfo is None:
        return True
    offset = time.utcoffset()
    return offset is not None and not offset % dt.timedelta(minutes=1)


class OneOf(Shape):
    """The values of a `Literal`."""

    def __init__(self, label: str, choices: tuple[object, ...]) -> None:
        super().__init__(label, frozenset(map(type, choices)))
        self._choices = frozenset((type(choice), choice) for choice in choices)

    def fits(self, values: list[Any], _depth: int) -> bool:
        """Return whether all are one of the choices; True is not 1."""
        return self.types.issuperset(map(type, values)) and self._choices.issuperset(
            zip(map(type, values), values, strict=True)
        )


class Json(Shape):
    """JSON-like values, the meaning of `Any` in State; NaN and infinities are allowed too."""

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether all are made of exactly the JSON types."""
        return is_plain_json(values, finite=False, tuples=False, depth=depth)

    def look_into(self, kind: type) -> Shape | None:
        """Return itself for a list or dict: a scalar is right by its type."""
        return self if kind is list or kind is dict else None


class Items(Shape):
    """A list, set, frozenset or tuple of any length."""

    def __init__(self, label: str, kind: type, item: Shape) -> None:
        super().__init__(label, frozenset({kind}))
        self.item = item

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether all are of this kind and so are their items."""
        if not self.types.issuperset(map(type, values)):
            return False
        _require_depth(values, depth)
        if self.item.plain:
            return self.item.types.issuperset(map(type, chain.from_iterable(values)))
        items = [*chain.from_iterable(values)]
        return not items or self.item.fits(items, depth + 1)


class Places(Shape):
    """A tuple of fixed length, with a shape for each place."""

    def __init__(self, label: str, kind: type, items: tuple[Shape, ...]) -> None:
        super().__init__(label, frozenset({kind}))
        self.items = items
        single = all(item.plain and len(item.types) == 1 for item in items)
        self._rows = {tuple(kind for item in items for kind in item.types)} if single else None

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether all are such tuples."""
        if not values:
            return True
        if not self.types.issuperset(map(type, values)):
            return False
        _require_depth(values, depth)
        if self._rows is not None:
            return all((*map(type, value),) in self._rows for value in values)
        if not {len(self.items)}.issuperset(map(len, values)):
            return False
        pairs = zip(self.items, zip(*values, strict=True), strict=True)
        return all(item.fits([*column], depth + 1) for item, column in pairs)


class Mapping(Shape):
    """A dict."""

    def __init__(self, label: str, key: Shape, item: Shape) -> None:
        super().__init__(label, frozenset({dict}))
        self.key = key
        self.item = item

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether all are dicts of such keys and values."""
        if not self.types.issuperset(map(type, values)):
            return False
        _require_depth(values, depth)
        keys = [*chain.from_iterable(values)]
        if not keys:
            return True
        items = [*chain.from_iterable(map(dict.values, values))]
        return self.key.fits(keys, depth + 1) and self.item.fits(items, depth + 1)


class Either(Shape):
    """A union, whose members are told apart by the type of the value."""

    def __init__(self, members: tuple[Shape, ...]) -> None:
        super().__init__(
            " | ".join(member.label for member in members),
            frozenset().union(*(member.types for member in members)),
            plain=all(member.plain for member in members),
        )
        self.members = members
        # Float first, so that an int member gets the ints.
        ordered = sorted(members, key=lambda member: not isinstance(member, Float))
        self.by_type = {kind: member for member in ordered for kind in member.types}
        self._plain_types = frozenset(k for k, member in self.by_type.items() if member.plain)

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether each is of the member its type belongs to."""
        kinds = {*map(type, values)} - self._plain_types
        if not kinds:
            return True
        if not kinds <= self.types:
            return False
        return all(
            self.by_type[kind].fits([v for v in values if type(v) is kind], depth) for kind in kinds
        )

    def look_into(self, kind: type) -> Shape | None:
        """Return what decides in the member that values of this type belong to."""
        return self.by_type[kind].look_into(kind)


class Fields(Shape):
    """A dataclass."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls.__name__, frozenset({cls}))
        self.cls = cls
        self.fields: dict[str, Shape] = {}
        """By name; filled in by `set_fields`, as a class may hold itself."""
        self.recursive = False
        """Whether a value may hold another of the same class, however far below."""
        self.bottomless = False
        """Whether it, or a class below it, is recursive; set for the State class."""
        self._defaults = _plain_defaults(cls)
        self._get: Callable[[Any], tuple[Any, ...]] = tuple
        self._shapes: tuple[Shape, ...] = ()
        self._todo: dict[tuple[type, ...], list[tuple[int, Shape]]] = {}

    def set_fields(self, fields: dict[str, Shape]) -> None:
        """Complete the shape."""
        self.fields = fields
        self._shapes = tuple(fields.values())
        self._get = _getter(tuple(fields))

    def fits(self, values: list[Any], depth: int) -> bool:
        """Return whether all are of exactly this class and their fields have fitting values."""
        if not values:
            return True
        _require_depth(values, depth)
        if not self.types.issuperset(map(type, values)):
            return False
        if self.recursive:
            # One look at each, else a cycle through two fields doubles the work at every level.
            values = [*{id(value): value for value in values}.values()]
        if self._defaults:
            self._complete(values)
        try:
            rows = [*map(self._get, values)]
        except AttributeError:
            return False
        if len(rows) == 1:
            return self._fits_one(rows[0], depth + 1)
        columns = zip(*rows, strict=True) if self.fields else ()
        for shape, column in zip(self._shapes, columns, strict=True):
            # Spelled out for plain ones: a call more for each column would double the time.
            plain = shape.plain and shape.types.issuperset(map(type, column))
            if not plain and not shape.fits([*column], depth + 1):
                return False
        return True

    def _complete(self, values: list[Any]) -> None:
        """Give values that msgspec decoded the fields that it left to their class.

        It does not set a field that was missing and has a plain default, and does not encode what
        is not set: the field would be left out of what is stored, and later follow its class.
        """
        wanted = self._defaults.keys()
        for value in values:
            present = value.__dict__
            if not wanted <= present.keys():
                present.update({n: d for n, d in self._defaults.items() if n not in present})

    def _fits_one(self, row: tuple[Any, ...], depth: int) -> bool:
        kinds = (*map(type, row),)
        todo = self._todo.get(kinds)
        if todo is None:
            if not all(k in shape.types for k, shape in zip(kinds, self._shapes, strict=True)):
                return False
            looks = enumerate(zip(self._shapes, kinds, strict=True))
            todo = [(index, look) for index, (s, k) in looks if (look := s.look_into(k))]
            if len(self._todo) < _REMEMBERED:
                self._todo[kinds] = todo
        return all(look.fits([row[index]], depth) for index, look in todo)


_REMEMBERED = 64
"""Most rows of types one dataclass remembers to be right: unions may make many."""


def _plain_defaults(cls: type) -> dict[str, Any]:
    """Return the fields with a default that is no factory; none for a class with slots."""
    if not dataclasses.is_dataclass(cls) or not _has_dict(cls):
        return {}
    fields = dataclasses.fields(cls)
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}


def _has_dict(cls: type) -> bool:
    return cls.__dictoffset__ != 0


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        get = attrgetter(*names)
        return lambda value: (get(value),)
    return lambda _value: ()


def _require_depth(values: list[Any], depth: int) -> None:
    if depth >= DEPTH_LIMIT and values:
        raise TooDeepError
