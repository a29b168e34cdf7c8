"""JSON schemas in words, and requests typed by them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from paglets.cli.schemas import definitions, parse_request, type_text
from paglets.wire.schema import json_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Hit:
    path: Path
    line: int = 0


@dataclass
class Query:
    text: str
    limit: int = 100
    near: Hit | None = None
    tags: list[str] = field(default_factory=list)
    colour: Colour = Colour.RED
    since: datetime | None = None
    weights: dict[str, float] = field(default_factory=dict)
    place: tuple[int, str] = (1, "a")
    extra: Any = None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (bool, "boolean"),
        (type(None), "null"),
        (list[str], "[string]"),
        (dict[str, int], "{string: integer}"),
        (tuple[int, str], "[integer, string]"),
        (int | None, "integer | null"),
        (list[Hit], "[Hit]"),
        (Query, "Query"),
        (Path, "string (path)"),
        (Any, "any"),
        (msgspec.Raw, "any"),
    ],
)
def test_a_type_is_shown_in_a_few_words(kind, text):
    assert type_text(json_schema(kind)) == text


def test_the_types_of_an_operation_are_shown_once_with_their_fields_and_defaults():
    shown = {each.name: each.fields for each in definitions(json_schema(Query), json_schema(Hit))}
    assert shown == {
        "Query": (
            "text: string",
            "limit: integer = 100",
            "near: Hit | null = null",
            "tags: [string] = …",
            'colour: Colour = "red"',
            "since: string | null = null",
            "weights: {string: number} = …",
            'place: [integer, string] = [1, "a"]',
            "extra: any = null",
        ),
        "Hit": ("path: string (path)", "line: integer = 0"),
        "Colour": ('"blue" | "red"',),
    }


def test_text_stands_as_it_was_typed_and_other_values_are_json():
    pairs = ("text=5", "limit=5", "tags=[1]", "near=null", "extra=7")
    assert parse_request(pairs, None, json_schema(Query)) == {
        "text": "5",
        "limit": 5,
        "tags": [1],
        "near": None,
        "extra": 7,
    }
    assert parse_request(('text="quoted"',), None, json_schema(Query)) == {"text": "quoted"}
    assert parse_request((), '{"text": 5}', json_schema(Query)) == {"text": 5}


@pytest.mark.parametrize(("pairs", "whole"), [(("txet=a",), None), ((), '{"txet": "a"}')])
def test_a_field_the_operation_does_not_take_is_refused_with_those_it_takes(pairs, whole):
    with pytest.raises(click.UsageError, match=r"takes text, limit, .* not txet"):
        parse_request(pairs, whole, json_schema(Query))


def test_without_a_schema_values_are_json_where_they_read_as_json():
    assert parse_request(("a=5", "b=x"), None, {}) == {"a": 5, "b": "x"}
