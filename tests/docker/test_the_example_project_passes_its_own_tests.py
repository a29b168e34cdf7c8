"""examples/errands, copied as a user copies it, in containers and on local processes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "errands"


@pytest.fixture
def project(tmp_path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "errands"))


def outcome_of(project: Path, *options: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["docker", "local"])
def test_the_example_project_passes_its_own_tests(project, paglets_image, mode):
    told = outcome_of(project, f"--paglets-mesh={mode}", PAGLETS_IMAGE=paglets_image)
    assert re.search(r"^3 passed", told, re.MULTILINE), told


def test_without_an_engine_its_container_tests_are_skipped_with_a_reason(project):
    nowhere = {"DOCKER_HOST": f"unix://{project}/none.sock", "PAGLETS_REQUIRE_DOCKER": ""}
    told = outcome_of(project, "-rs", **nowhere)
    assert re.search(r"^1 passed, 2 skipped", told, re.MULTILINE), told
    assert "no Docker engine answers" in told
    assert "make engine" in told


def test_where_docker_is_required_a_missing_engine_is_a_failure(project):
    nowhere = {"DOCKER_HOST": f"unix://{project}/none.sock", "PAGLETS_REQUIRE_DOCKER": "1"}
    told = outcome_of(project, **nowhere)
    assert re.search(r"1 passed, 2 errors", told), told
    assert "PAGLETS_REQUIRE_DOCKER=1, but no Docker engine answers" in told


def test_what_the_hosts_of_a_failed_test_say_is_kept(project, paglets_image):
    failing = project / "tests" / "test_errands.py"
    failing.write_text(
        failing.read_text().replace('wait_found(errand, ["beta", "gamma"])', "raise ValueError")
    )
    told = outcome_of(project, "-k", "on_its_list", PAGLETS_IMAGE=paglets_image)
    assert "1 failed" in told, told
    (kept,) = (project / ".artifacts").glob("*/mesh-1")
    for host in ("alpha", "beta", "gamma"):
        assert "listens on" in (kept / f"{host}.log").read_text()
        for what in ("hosts", "events", "agents", "transfers"):
            assert (kept / f"{host}.{what}.json").stat().st_size > 0
