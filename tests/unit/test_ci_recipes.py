"""The recipes of CI run nothing but make targets, which people can run as well."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_step_of_the_workflow_is_a_make_target():
    steps = re.findall(
        r"^\s*- run: (.+)$", (ROOT / ".github/workflows/ci.yml").read_text(), re.MULTILINE
    )
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert steps
    for step in steps:
        make, *words = step.split()
        assert make == "make"
        assert set(words) <= set(targets), step


def test_every_action_is_pinned_by_its_hash():
    uses = re.findall(r"uses: (\S+)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert uses
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each) for each in uses)


def test_a_submission_is_tested_by_the_readmes_command():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[-1] == "make test"
