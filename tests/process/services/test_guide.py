"""What docs/services.md shows runs as it stands."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paglets import Message
from paglets.testing.localmesh import LocalMesh
from tests.process.services.stage import blocks, wait_found

PYTHON = [sys.executable]


@pytest.fixture(autouse=True)
def clean(mesh: LocalMesh) -> Iterator[None]:
    """Leave no paglet behind."""
    yield
    for host in mesh:
        for info in host.observer.agents():
            host.client.proxy(info.agent_id, host.name).dispose(force=True)
    wait_found(mesh, name="tokenizer")


def run(command: list[str], user: dict[str, str], folder: Path) -> str:
    found = subprocess.run(
        command, env=user, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def exchanges() -> Iterator[tuple[str, list[str]]]:
    """Yield each command of the page's shell, and the lines it is said to print."""
    for block in blocks("console"):
        for part in block.split("$ ")[1:]:
            command, *printed = part.rstrip("\n").split("\n")
            yield command, printed


@pytest.mark.slow
def test_the_commands_print_what_the_page_shows(
    mesh: LocalMesh, user: dict[str, str], guide: Path
) -> None:
    shown = list(exchanges())
    assert len(shown) > 5
    for command, printed in shown:
        told = run([*PYTHON, "-m", *shlex.split(command)], user, guide)
        if "tokens:Tokenizer" in command:
            wait_found(mesh, "beta", name="tokenizer")
        if printed:
            shown_words = [line.split() for line in printed]
            told_words = [line.split() for line in told.splitlines()]
            assert len(told_words) == len(shown_words), told
            for words, expected in zip(told_words, shown_words, strict=True):
                assert len(words) == len(expected), words
                assert all(e in {"…", w} for w, e in zip(words, expected, strict=True)), words


def test_the_scripts_ask_every_provider_and_the_best_one(
    mesh: LocalMesh, user: dict[str, str], guide: Path
) -> None:
    for host in ("alpha", "gamma"):
        mesh.client().create("tokens:Tokenizer", host=host)
    wait_found(mesh, "alpha", "gamma", name="tokenizer")
    assert sorted(run([*PYTHON, "ask.py"], user, guide).splitlines()) == ["alpha 4", "gamma 4"]
    assert run([*PYTHON, "ask_async.py"], user, guide) == "4\n"


def test_the_paglets_advertise_and_lease_as_the_page_says(mesh: LocalMesh) -> None:
    mesh.client().create("gpu:FastTokenizer", host="beta")
    wait_found(mesh, "beta", name="tokenizer")
    (record,) = mesh["gamma"].observer.services()
    assert (record.capabilities, record.metadata) == (("gpu",), {"model": "b2"})
    series = mesh.client().create("series:Series", host="gamma")
    assert series.send(Message("total", {"texts": ["a b", "c"]})) == 3
