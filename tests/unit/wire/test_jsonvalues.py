"""Message arguments and replies: JSON-compatible or an error that names the place."""

import contextlib
import datetime as dt
import enum
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model.errors import InvalidRequestError
from paglets.wire.jsonvalues import decode_json_value, decode_reply, encode_json_value, encode_reply

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Text(str):
    __slots__ = ()


class Priority(enum.IntEnum):
    HIGH = 9


@dataclass
class Hit:
    line: int
    path: Path = Path("a")
    at: dt.date = dt.date(2020, 1, 1)
    data: bytes = b"x"
    counts: dict[int, set[int]] = field(default_factory=dict)


@dataclass
class Loose:
    value: object = None


@given(json_values)
def test_a_json_value_arrives_as_it_was(value):
    assert decode_json_value(encode_json_value(value)) == value
    assert decode_json_value(encode_reply(value)) == value


def test_tuples_arrive_as_lists_and_subclasses_as_what_they_extend():
    value = {"t": (1, (2,)), "s": Text("x"), "p": Priority.HIGH}
    assert decode_json_value(encode_json_value(value)) == {"t": [1, [2]], "s": "x", "p": 9}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, math.nan]}, r"args\['a'\]\[1\] is nan"),
        ({"a": {1: 2}}, r"args\['a'\] has the key 1"),
        ({"when": dt.date(2020, 1, 1)}, r"args\['when'\] is a date"),
        ({"s": {1}}, r"args\['s'\] is a set"),
        ({"s": "\ud800"}, "args has a value that JSON cannot hold"),
        ({"n": 10**5000}, "args has a value that JSON cannot hold"),
    ],
)
def test_what_json_cannot_hold_is_a_type_error_with_its_place(value, place):
    with pytest.raises(TypeError, match=place):
        encode_json_value(value, "args")


def test_a_cycle_is_a_type_error():
    loop = {}
    loop["a"] = loop["b"] = loop
    with pytest.raises(TypeError, match="nested deeper"):
        encode_json_value(loop)


@pytest.mark.parametrize(("depth", "fits"), [(64, True), (65, False), (100_000, False)])
def test_nesting_ends_at_64_both_ways(depth, fits):
    data = b"[" * depth + b"]" * depth
    if fits:
        assert encode_json_value(decode_json_value(data)) == data
    else:
        with pytest.raises(InvalidRequestError, match="nested deeper than 64"):
            decode_json_value(data)


def test_many_brackets_side_by_side_are_not_deep():
    assert len(decode_json_value(b"[" + b"[]," * 500 + b"[]]")) == 501


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_an_invalid_request(data):
    for decode in (decode_json_value, lambda d: decode_reply(d, Hit)):
        with contextlib.suppress(InvalidRequestError):
            decode(data)


def test_a_dataclass_reply_arrives_as_its_type():
    hit = Hit(3, Path("/x"), dt.date(2024, 2, 29), b"\xff", {1: {2, 3}})
    assert decode_reply(encode_reply(hit), Hit) == hit


def test_a_reply_of_lists_is_read_by_its_type():
    assert decode_reply(encode_reply([{"line": 1}]), list[Hit]) == [Hit(1)]


def test_a_field_the_asker_does_not_know_is_left_out():
    assert decode_reply(b'{"line": 1, "new": 2}', Hit) == Hit(1)


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        (Loose(math.inf), r"reply\['value'\] is inf"),
        (Loose(object()), "object is not JSON-compatible"),
        ([Hit(1)], r"reply\[0\] is a Hit"),
        ({1, 2}, "reply is a set"),
        (Hit, "reply is a type"),
    ],
)
def test_a_reply_that_cannot_be_encoded_is_a_type_error_with_its_place(reply, place):
    with pytest.raises(TypeError, match=place):
        encode_reply(reply)


def test_a_reply_inside_itself_is_a_type_error():
    loop = Loose()
    loop.value = loop
    with pytest.raises(TypeError, match="nested deeper"):
        encode_reply(loop)


def test_a_reply_of_another_type_names_the_field():
    with pytest.raises(InvalidRequestError, match=r"does not fit Hit.*\$\.line"):
        decode_reply(b'{"line": "x"}', Hit)
