"""docs/examples.md names every packaged example, every test and only options there are."""

import re
from pathlib import Path

import click

from paglets.cli.examples import examples
from paglets.examples.performance.model import TESTS

PAGE = (Path(__file__).parents[2] / "docs" / "examples.md").read_text()


def commands() -> dict[str, click.Command]:
    context = click.Context(examples)
    found = {name: examples.get_command(context, name) for name in examples.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_every_example_has_its_section_and_its_line_in_the_table():
    for name in commands():
        assert f"\n## {name}\n" in PAGE
        assert f"| [`{name}`](#{name}) |" in PAGE


def test_every_test_of_the_benchmark_is_explained():
    for test in TESTS:
        assert f"\n| {test.name} | " in PAGE


def test_every_option_on_the_page_exists():
    known = {option for each in commands().values() for p in each.params for option in p.opts}
    assert set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*", PAGE)) <= known | {"--url", "--property"}
