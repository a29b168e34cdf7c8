"""The image's entry point: options and commands of paglets need no `paglets` before them."""

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from paglets.cli.root import root

SCRIPT = Path(__file__).parents[2] / "docker" / "entrypoint.sh"
COMMANDS = root.list_commands(click.Context(root))


@pytest.fixture
def run(tmp_path):
    """Runs the script where `paglets` and `ls` only say how they were called."""
    for name in ("paglets", "ls"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*"\n')
        program.chmod(0o755)

    def run_(*words: str) -> str:
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return subprocess.check_output(["sh", SCRIPT, *words], text=True, env=path).strip()

    return run_


def test_every_command_of_paglets_is_known_to_it():
    known = re.search(r"^(agent .*)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert known is not None
    assert set(COMMANDS) <= set(known[1].split(" | "))


def test_a_command_of_paglets_needs_no_paglets_before_it(run):
    assert run("mesh", "hosts", "--json") == "paglets mesh hosts --json"


@pytest.mark.parametrize(
    ("words", "called"), [((), "paglets host"), (("--name", "a b"), "paglets host --name a b")]
)
def test_options_alone_start_a_host(run, words, called):
    assert run(*words).strip() == called


def test_anything_else_is_run_as_it_is(run):
    assert run("ls", "/keys") == "ls /keys"
