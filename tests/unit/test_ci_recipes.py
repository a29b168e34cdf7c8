"""The recipes of CI run nothing but make targets, which people can run as well."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-workflows", ".github/workflows/ci.yml"),
        ("compose-spec", "compose.yaml"),
        ("compose-spec", "examples/errands/compose.yaml"),
    ],
)
def test_each_file_keeps_to_its_schema(schema, file):
    program = Path(sys.executable).with_name("check-jsonschema")
    words = [program, "--builtin-schema", f"vendor.{schema}", ROOT / file]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def commands_of_a_submission() -> list[str]:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    return [line for line in lines if re.match(r"(\w+=\S+ )*make\b", line)]


def test_a_submission_gets_an_engine_and_insists_on_the_container_tests():
    assert commands_of_a_submission() == ["make engine", "PAGLETS_REQUIRE_DOCKER=1 make test"]


def test_a_submission_is_tested_by_the_readmes_command():
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"^make test\b", readme, re.MULTILINE)
    assert re.search(r"^make engine test\b", readme, re.MULTILINE)
    words = {word for line in commands_of_a_submission() for word in line.split()}
    assert words - {"PAGLETS_REQUIRE_DOCKER=1"} == {"make", "engine", "test"}


def test_a_job_in_a_container_runs_what_a_submission_runs():
    page = (ROOT / "docs/containers.md").read_text()
    _, _, recipe = page.partition("## CI in a container")
    assert " && ".join(commands_of_a_submission()) in recipe


def make_test_without_engine(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess":
    """Run `make test` where no engine answers, with a Python that only says what it is to run."""
    # Not as part of the `make` that may have started these tests: it would say where it goes.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: text for name, text in os.environ.items() if name not in outer}
    environment |= {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", **variables}
    return subprocess.run(
        ["make", "test", "PY=echo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.slow
def test_without_an_engine_the_other_tests_run_and_one_line_names_the_way_to_one(tmp_path):
    done = make_test_without_engine(tmp_path, PAGLETS_REQUIRE_DOCKER="")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if "make engine" in line] == [
        "container tests are skipped: no Docker engine answers; make engine provides one"
    ]
    assert lines[-1] == "-m pytest -q -m not docker"


@pytest.mark.slow
def test_where_docker_is_required_a_missing_engine_fails_and_nothing_is_installed(tmp_path):
    done = make_test_without_engine(tmp_path, PAGLETS_REQUIRE_DOCKER="1")
    assert done.returncode != 0
    assert "PAGLETS_REQUIRE_DOCKER=1, but no Docker engine answers" in done.stderr
    assert "docker-engine:" not in done.stderr
