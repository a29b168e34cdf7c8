"""A host shows State without the class, in bounds."""

import datetime as dt
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.model.errors import StateError
from paglets.wire.render import render

encode = msgspec.msgpack.encode


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_state_error_and_all_that_is_shown_is_json(data):
    try:
        shown = render(data)
    except StateError:
        return
    json.dumps(shown, allow_nan=False)


def test_values_that_json_cannot_hold_are_shown_as_text():
    state = {
        "data": b"\xff", "at": dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "nan": math.nan,
        "keys": {1: "a", (2, (3, "x")): "b", None: "c"}, "ext": msgspec.msgpack.Ext(5, b"x"),
    }  # fmt: skip
    assert render(encode(state)) == {
        "data": "/w==",
        "at": "2024-01-02T00:00:00+00:00",
        "nan": "nan",
        "keys": {"1": "a", "(2, (3, x))": "b", "None": "c"},
        "ext": "extension 5",
    }


def test_long_things_are_cut_and_say_by_how_much():
    assert render(encode(list(range(100))), max_items=11) == [*range(10), "… 90 more"]
    assert render(encode({str(i): i for i in range(9)}), max_items=4)["…"] == "6 more"
    assert render(encode("x" * 20), max_text=5) == "xxxxx… (20 characters)"
    assert render(encode(b"x" * 20), max_text=8) == "eHh4eHh4… (20 bytes)"


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 64 + b"\x01",
        b"\x91" * 65 + b"\x01",
        b"\x91" * 99_999,
        b"\x81" + b"\x91" * 500 + b"\x01\x02",
        b"",
        b"\xc1",
    ],
)
def test_nesting_is_bounded(data):
    if data == b"\x91" * 64 + b"\x01":
        assert render(data)
    else:
        with pytest.raises(StateError):
            render(data)
