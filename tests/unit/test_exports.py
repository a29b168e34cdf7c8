"""The names an author needs are all in `paglets`, and only those."""

import ast
import subprocess
import sys
from pathlib import Path

import paglets

ROOT = Path(__file__).resolve().parents[2]


def test_every_exported_name_exists():
    for name in paglets.__all__:
        assert getattr(paglets, name) is not None, name


def test_exports_are_sorted_and_named_once():
    assert sorted(set(paglets.__all__)) == list(paglets.__all__)
    assert dir(paglets) == sorted(paglets.__all__)


def test_every_name_of_the_samples_is_exported():
    tree = ast.parse((ROOT / "tests/typing/samples.py").read_text())
    wanted = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "paglets"
        for alias in node.names
    }

    assert wanted
    assert wanted <= set(paglets.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    assert not hasattr(paglets, "no_such_name")


def test_every_error_an_author_may_catch_is_exported():
    from paglets.model import errors

    internal = {"ClockSkewError", "DamagedError", "DedupFullError", "InternalError"}
    internal |= {"MisdirectedError", "TransferNotFoundError"}
    public = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.PagletsError)
    }

    assert public - internal <= set(paglets.__all__)


def test_importing_paglets_loads_no_http_stack_and_no_cli():
    code = (
        "import sys, paglets; paglets.Paglet, paglets.Itinerary;"
        "print([m for m in ('aiohttp', 'click', 'psutil', 'rich', 'asyncio', 'sqlite3')"
        " if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=True,
    )

    assert done.stdout.strip() == "[]", done.stderr
