"""State: what goes in comes out equal, and what would not is refused with its place."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import math
import uuid
from collections import OrderedDict, defaultdict
from dataclasses import InitVar, dataclass, field, make_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paglets.model.errors import ClassLoadError, InvalidRequestError, StateError
from paglets.model.refs import Epoch, PagletProxyRef
from paglets.wire.codec import StateCodec
from paglets.wire.render import render
from paglets.wire.schema import json_schema

T = TypeVar("T")
NO_UUID = uuid.UUID(int=0)
Meters = NewType("Meters", int)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    A = "a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    a: int
    b: str = ""


@dataclass
class Base:
    n: int = 0


@dataclass
class Derived(Base):
    extra: list[Key] = field(default_factory=list)


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T] = field(default_factory=list)


@dataclass
class Node:
    name: str = ""
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None


@dataclass
class Everything:
    nothing: None = None
    flag: bool = False
    count: int = 0
    ratio: float = 0.0
    text: str = ""
    data: bytes = b""
    buffer: bytearray = field(default_factory=bytearray)
    color: Color = Color.RED
    levels: list[Level] = field(default_factory=list)
    modes: frozenset[Mode] = frozenset()
    path: Path = Path()
    paths: dict[Path, set[Path]] = field(default_factory=dict)
    at: dt.datetime | None = None
    day: dt.date = dt.date(2020, 1, 1)
    hour: dt.time = dt.time(1)
    span: dt.timedelta = dt.timedelta()
    uid: uuid.UUID = NO_UUID
    price: Decimal = Decimal()
    ref: PagletProxyRef | None = None
    choice: Literal["x", 1, None] = None
    meters: Meters = Meters(0)
    pair: tuple[int, str] = (0, "")
    row: tuple[float, ...] = ()
    keys: set[Key] = field(default_factory=set)
    grid: dict[tuple[int, int], list[bytearray]] = field(default_factory=dict)
    by_color: dict[Color, Derived] = field(default_factory=dict)
    by_uid: dict[uuid.UUID, dt.date] = field(default_factory=dict)
    box: Box[int] | None = None
    mixed: int | str | list[Key] | None = None
    free: Any = None
    bare: list = field(default_factory=list)
    table: dict[str, Any] = field(default_factory=dict)
    tree: Node = field(default_factory=Node)


ints = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(allow_nan=False)
names = st.text(max_size=8)
zones = st.none() | st.sampled_from(
    [dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-5))]
)
FIRST = dt.datetime(2, 1, 1)  # noqa: DTZ001 - hypothesis adds the zones
LAST = dt.datetime(9998, 1, 1)  # noqa: DTZ001 - hypothesis adds the zones
times = st.datetimes(FIRST, LAST, timezones=zones, allow_imaginary=False)
keys = st.builds(Key, a=ints, b=names)
json_values = st.recursive(
    st.none() | st.booleans() | ints | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
paths = st.lists(st.text("abc é.", min_size=1, max_size=4), max_size=3).map(lambda p: Path(*p))
trees = st.recursive(
    st.builds(Node, names),
    lambda inner: st.builds(Node, names, st.lists(inner, max_size=2)),
    max_leaves=5,
)
OF = {
    "count": ints,
    "ratio": floats | st.sampled_from([math.inf, -math.inf, -0.0]),
    "text": names,
    "flag": st.booleans(),
    "data": st.binary(max_size=9),
    "buffer": st.binary(max_size=9).map(bytearray),
    "color": st.sampled_from(Color),
    "levels": st.lists(st.sampled_from(Level), max_size=3),
    "modes": st.frozensets(st.sampled_from(Mode)),
    "path": paths,
    "paths": st.dictionaries(paths, st.sets(paths, max_size=2), max_size=2),
    "at": st.none() | times,
    "day": st.dates(),
    "hour": st.times(
        timezones=st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(minutes=90))])
    ),
    "span": st.timedeltas(),
    "uid": st.uuids(),
    "price": st.decimals(allow_nan=False),
    "ref": st.none()
    | st.builds(PagletProxyRef, names, names, names, names, st.builds(Epoch, ints, ints)),
    "choice": st.sampled_from(["x", 1, None]),
    "meters": ints,
    "pair": st.tuples(ints, names),
    "row": st.lists(floats, max_size=3).map(tuple),
    "keys": st.sets(keys, max_size=3),
    "grid": st.dictionaries(
        st.tuples(ints, ints),
        st.lists(st.binary(max_size=3).map(bytearray), max_size=2),
        max_size=2,
    ),
    "by_color": st.dictionaries(
        st.sampled_from(Color), st.builds(Derived, ints, st.lists(keys, max_size=2)), max_size=2
    ),
    "by_uid": st.dictionaries(st.uuids(), st.dates(), max_size=2),
    "box": st.none() | st.builds(Box, ints, st.lists(ints, max_size=2)),
    "mixed": st.none() | ints | names | st.lists(keys, max_size=2),
    "free": json_values,
    "bare": st.lists(json_values, max_size=2),
    "table": st.dictionaries(names, json_values, max_size=2),
    "tree": trees,
}
codec = StateCodec.for_class(Everything)


def same(one, other):
    """Equal, and of the same types all the way down, but for zones of times."""
    if isinstance(one, dt.datetime):
        return one == other and (one.tzinfo is None) == (other.tzinfo is None)
    if type(one) is not type(other):
        return False
    if hasattr(one, "__dataclass_fields__"):
        return all(
            same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    return one == other


def some(fields):
    """States with a few of `fields` set: all at once would be slow to make."""
    one = st.sampled_from(sorted(fields)).flatmap(
        lambda name: st.tuples(st.just(name), fields[name])
    )
    return st.lists(one, max_size=4).map(dict)


@settings(max_examples=200, deadline=None)
@given(some(OF))
def test_what_was_committed_comes_back_equal_and_of_the_same_types(values):
    state = Everything(**values)
    restored = codec.decode(codec.snapshot(state))
    assert same(state, restored)
    assert codec.decode_reporting(codec.encode(state)).dropped == ()


NOT_IN_JSON = {"grid", "ratio", "row", "paths"}


@settings(max_examples=100, deadline=None)
@given(some({name: OF[name] for name in OF.keys() - NOT_IN_JSON}))
def test_what_json_can_hold_comes_back_from_json_too(values):
    state = Everything(**values)
    assert same(codec.from_json(codec.to_json(state)), state)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_state_error(data):
    for decode in (codec.decode, codec.decode_reporting, StateCodec.for_class(Node).decode):
        with contextlib.suppress(StateError):
            decode(data)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*Everything.__dataclass_fields__, "x"]),
        json_values | st.binary(max_size=5),
        max_size=4,
    )
)
def test_no_values_in_the_wrong_places_raise_anything_but_a_state_error(raw):
    data = msgspec.msgpack.encode(raw)
    with contextlib.suppress(StateError):
        assert isinstance(codec.decode(data), Everything)
        codec.decode_reporting(data)


@given(st.binary(max_size=60) | json_values.map(msgspec.json.encode))
def test_no_json_raises_anything_but_an_invalid_request(data):
    with contextlib.suppress(InvalidRequestError):
        codec.from_json(data)


def fail(state, cls=None):
    with pytest.raises(StateError) as caught:
        StateCodec.for_class(cls or type(state)).snapshot(state)
    return caught.value


class Custom:
    pass


class OurStr(str):
    __slots__ = ()

    def __repr__(self):
        raise KeyError


MISFITS = [
    ("count", "7", "int", "'7' (str)"),
    ("count", True, "int", "True (bool)"),
    ("count", Level.LOW, "int", "Level.LOW"),
    ("count", 2**64, "int", "65 bits"),
    ("count", -(2**63) - 1, "int", "-9223372036854775809"),
    ("count", None, "int", "None"),
    ("ratio", "1.0", "float", "'1.0' (str)"),
    ("ratio", 2**53 + 1, "float", "9007199254740993 (int)"),
    ("ratio", 10**400, "float", "bits"),
    ("text", OurStr("x"), "str", "OurStr"),
    ("text", Mode.A, "str", "Mode.A"),
    ("text", "\ud800", "str", "'\\ud800' (str)"),
    ("data", bytearray(b"x"), "bytes", "bytearray"),
    ("color", "red", "Color", "'red' (str)"),
    ("path", "a", "Path", "'a' (str)"),
    ("at", dt.date(2020, 1, 1), "datetime | None", "datetime.date"),
    (
        "at",
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "datetime",
        "datetime.datetime",
    ),
    ("hour", dt.time(1, tzinfo=ZoneInfo("Europe/Berlin")), "whole minutes", "datetime.time"),
    ("choice", True, "one of", "True (bool)"),
    ("pair", [1, "a"], "tuple[int, str]", "list"),
    ("pair", (1, "a", 2), "tuple[int, str]", "tuple"),
    ("bare", [(1,)], "JSON-compatible", "tuple"),
    ("free", {1: 2}, "JSON-compatible", "dict"),
    ("free", b"x", "JSON-compatible", "b'x' (bytes)"),
    ("table", defaultdict(list), "dict[str", "collections.defaultdict"),
    ("table", OrderedDict(), "dict[str", "collections.OrderedDict"),
    ("mixed", 1.5, "int | str", "1.5 (float)"),
    ("table", {OurStr("x"): 1}, "str", "OurStr"),
    ("table", {(1, "x"): 1}, "str", "(1, 'x') (tuple)"),
    ("paths", {Path("a"): {Custom}}, "Path", "a value of type type"),
    ("box", Box("x"), "int", "'x' (str)"),
]


@pytest.mark.parametrize(("name", "value", "expected", "found"), MISFITS)
def test_a_value_that_does_not_fit_its_annotation_is_told_with_its_field(
    name, value, expected, found
):
    error = fail(Everything(**{name: value}))
    assert error.field.startswith(name)
    assert expected in error.expected
    assert found in error.found


def test_the_place_inside_of_collections_is_told():
    state = Everything(by_color={Color.BLUE: Derived(1, [Key(a=1), Key(a="2")])})
    error = fail(state)
    assert error.field == "by_color[Color.BLUE].extra[1].a"
    assert str(error) == f"state field {error.field}: expected int, found '2' (str)"


def test_a_subclass_in_a_base_typed_field_is_refused():
    cls = make_dataclass(
        "Holder", [("base", Base), ("many", list[Base], field(default_factory=list))]
    )
    assert "Derived" in fail(cls(Derived())).found
    assert fail(cls(Base(), [Base(), Derived()])).field == "many[1]"


def test_a_state_of_another_class_is_refused():
    assert "Derived" in fail(Derived(), Base).found


def test_a_deleted_attribute_is_told():
    state = Base()
    del state.__dict__["n"]
    state.__class__ = make_dataclass("NoDefault", [("n", int)])
    assert fail(state).found == "no value"


def test_a_cycle_is_a_state_error_that_names_the_way_back():
    root = Node("root")
    root.children = [Node("a", parent=root), Node("b", parent=root)]
    error = fail(root)
    assert "inside itself" in error.expected
    assert error.field == "children[0].parent"


def test_a_cycle_in_plain_json_is_a_state_error():
    loop = {}
    loop["a"] = loop["b"] = [loop]
    assert "inside itself" in fail(Everything(free=loop)).expected


def chain(length):
    node = Node()
    for _ in range(length - 1):
        node = Node(children=[node])
    return node


def test_nesting_ends_at_the_limit_and_not_before():
    nodes = StateCodec.for_class(Node)
    assert nodes.decode(nodes.snapshot(chain(32))) == chain(32)
    assert "at most 64" in fail(chain(33)).expected
    assert "at most 64" in fail(chain(5000)).expected


def test_bytes_nested_too_deep_are_a_state_error():
    too_deep = b"\x81\xa8children\x91"
    for count in (33, 40, 5000):
        with pytest.raises(StateError, match="at most 64"):
            StateCodec.for_class(Node).decode(too_deep * count + b"\x80")


def test_shared_references_become_copies():
    leaf = Node("leaf")
    restored = StateCodec.for_class(Node).decode(
        StateCodec.for_class(Node).snapshot(Node(children=[leaf, leaf]))
    )
    assert restored.children[0] == restored.children[1]
    assert restored.children[0] is not restored.children[1]


def test_zoned_times_come_back_in_utc():
    at = dt.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    restored = codec.decode(codec.snapshot(Everything(at=at)))
    assert restored.at == at
    assert restored.at.tzinfo is dt.UTC


def test_a_time_of_an_old_zone_with_odd_seconds_loses_none_of_them():
    at = dt.datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    state = Everything(at=at)
    assert codec.decode(codec.snapshot(state)).at == codec.from_json(codec.to_json(state)).at == at


def test_nan_stays_nan_and_an_int_in_a_float_field_becomes_a_float():
    assert math.isnan(codec.decode(codec.snapshot(Everything(ratio=math.nan))).ratio)
    assert type(codec.decode(codec.snapshot(Everything(ratio=3))).ratio) is float


def test_a_file_name_that_is_no_utf8_comes_back():
    state = Everything(path=Path("a\udcff"))
    assert codec.decode(codec.snapshot(state)).path == state.path
    with pytest.raises(StateError):
        codec.to_json(state)


@dataclass
class Strict:
    low: int = 0
    high: int = 1
    loads: list[int] = field(default_factory=list, init=False)

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.low < 0:
            raise KeyError(self.low)


def test_post_init_runs_on_restore_and_its_refusal_is_a_state_error_at_the_checkpoint():
    state = Strict()
    state.loads.append(1)
    assert (
        StateCodec.for_class(Strict).decode(StateCodec.for_class(Strict).snapshot(state)) == state
    )
    state.low = 2
    assert "low is above high" in fail(state).found
    state.low = -1
    assert "-1" in fail(state).found


def test_a_paglet_without_state_has_none():
    none = StateCodec.for_class(None)
    assert none.decode(none.snapshot(None)) is None
    assert none.from_json(b"null") is None
    assert none.from_json(b"{}") is None
    with pytest.raises(StateError):
        none.encode(3)
    with pytest.raises(StateError):
        none.decode(b"\x80")


def test_an_older_state_fits_a_class_that_has_grown_and_shrunk():
    old_hit = make_dataclass("Hit", [("line", int), ("column", int)])
    old = make_dataclass("Old", [("gone", int), ("hits", list[old_hit])])
    new_hit = make_dataclass("Hit", [("line", int), ("text", str, "")])
    new = make_dataclass(
        "New", [("hits", list[new_hit]), ("fresh", list[int], field(default_factory=list))]
    )
    data = StateCodec.for_class(old).encode(old(1, [old_hit(1, 2), old_hit(3, 4)]))

    decoded = StateCodec.for_class(new).decode_reporting(data)

    assert decoded.state == new([new_hit(1), new_hit(3)])
    assert decoded.dropped == ("gone", "hits[].column")
    assert StateCodec.for_class(new).decode(data) == decoded.state


def test_a_missing_field_without_default_is_named():
    cls = make_dataclass("Needs", [("inner", list[make_dataclass("Inner", [("x", int)])])])
    with pytest.raises(StateError) as caught:
        StateCodec.for_class(cls).decode(msgspec.msgpack.encode({"inner": [{"x": 1}, {}]}))
    assert caught.value.field == "inner[1].x"
    assert caught.value.expected == "int"
    assert "no default" in caught.value.found


def test_a_stored_value_that_no_longer_fits_is_named():
    with pytest.raises(StateError) as caught:
        codec.decode(msgspec.msgpack.encode({"by_color": {"red": {"extra": [{"a": "x"}]}}}))
    assert caught.value.detail == {
        "field": "by_color[...].extra[0].a",
        "expected": "int",
        "found": "str",
    }
    with pytest.raises(StateError) as caught:
        codec.decode(msgspec.msgpack.encode({"color": "green"}))
    assert caught.value.detail == {"field": "color", "expected": "Color", "found": "'green'"}


def test_a_typo_in_json_is_an_error_with_the_names_that_exist():
    with pytest.raises(StateError) as caught:
        codec.from_json(b'{"tree": {"children": [{"nam": "x"}]}}')
    assert caught.value.field == "tree.children[].nam"
    assert "(name, children, parent)" in caught.value.expected
    assert "did you mean name?" in caught.value.found


def test_json_takes_defaults_and_the_forms_people_write():
    state = codec.from_json(
        b'{"data": "YQ==", "color": "blue", "day": "2024-02-29", "ratio": 1, "by_uid": {}}'
    )
    assert (state.data, state.color, state.day, state.ratio) == (
        b"a",
        Color.BLUE,
        dt.date(2024, 2, 29),
        1.0,
    )
    assert codec.from_json(b"{}") == Everything()


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"count": 1e999}', b'{"free": 1' + b"0" * 30 + b"}"]
)
def test_bad_json_is_an_invalid_request(data):
    with pytest.raises(InvalidRequestError):
        codec.from_json(data)


class Pair(NamedTuple):
    a: int


class Shape(TypedDict):
    a: int


class Packed(msgspec.Struct):
    a: int


class Odd(enum.Enum):
    A = 1
    B = "b"


REFUSED = [
    (object, "Any"),
    (Custom, "transient"),
    (complex, "tuple[float, float]"),
    (Pair, "dataclass"),
    (Shape, "dataclass"),
    (Packed, "dataclass"),
    (memoryview, "bytes"),
    (Odd, "all members"),
    (str | bytes, "union"),
    (Base | Key, "union"),
    (list[int] | set[int], "union"),
    (Path | str, "union"),
    (set[list[int]], "tuple"),
    (set[Base], "frozen"),
    (set[bytearray], "tuple"),
    (dict[Key, int], "key"),
    (dict[tuple[bytearray, ...], int], "key"),
    (Literal[Color.RED], "Enum itself"),
    (type[int], "transient"),
    (OrderedDict[str, int], "transient"),
]


@pytest.mark.parametrize(("annotation", "remedy"), REFUSED)
def test_an_annotation_that_cannot_be_carried_is_refused_at_class_load(annotation, remedy):
    inner = make_dataclass("Inner", [("fine", int), ("bad", annotation)])
    outer = make_dataclass("Outer", [("rows", dict[str, list[inner]])])
    with pytest.raises(ClassLoadError) as caught:
        StateCodec.for_class(outer)
    assert "rows" in caught.value.field
    assert caught.value.field.endswith("bad")
    assert caught.value.field in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("cls", [Custom, Pair, Shape, Packed, dict, list[int], int])
def test_a_state_class_that_is_no_dataclass_is_refused_with_the_remedy(cls):
    with pytest.raises(ClassLoadError, match="@dataclass"):
        StateCodec.for_class(cls)


@dataclass
class Unresolved:
    ok: int
    missing: NotImported  # noqa: F821 - what this test is about


@dataclass
class WithInitVar:
    a: int = 0
    b: InitVar[int] = 0


def test_names_that_cannot_be_resolved_and_init_vars_are_refused_with_the_remedy():
    with pytest.raises(ClassLoadError, match="TYPE_CHECKING"):
        StateCodec.for_class(Unresolved)
    with pytest.raises(ClassLoadError, match="__post_init__"):
        StateCodec.for_class(WithInitVar)


def test_a_default_that_does_not_fit_is_refused_at_class_load():
    with pytest.raises(ClassLoadError, match=r"when.*None.*datetime \| None"):
        StateCodec.for_class(make_dataclass("Late", [("when", dt.datetime, None)]))


def test_codecs_are_cached_by_class():
    assert StateCodec.for_class(Base) is StateCodec.for_class(Base)
    assert StateCodec.for_class(Base) is not StateCodec.for_class(Derived)


def test_a_service_type_has_a_json_schema():
    schema = json_schema(Derived)
    assert schema["$defs"]["Key"]["properties"]["a"] == {"type": "integer"}
    assert (
        json_schema(make_dataclass("P", [("p", Path)]))["$defs"]["P"]["properties"]["p"]["format"]
        == "path"
    )
    with pytest.raises(ClassLoadError, match="default_factory"):
        json_schema(make_dataclass("P", [("p", Path, Path("a"))]))


@dataclass
class Grown:
    kept: str = "k"
    added: int = 7
    listed: list[int] = field(default_factory=list)


def test_a_field_missing_in_old_bytes_is_stored_with_its_default_from_then_on() -> None:
    codec = StateCodec.for_class(Grown)
    old = codec.decode(b"\x80")
    assert old.__class__.added == 7
    stored = codec.snapshot(old)
    assert render(stored) == {"kept": "k", "added": 7, "listed": []}
