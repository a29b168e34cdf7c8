"""The author's API as type checkers see it: samples pass, misuse is refused, by both."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TYPING = ROOT / "tests/typing"
BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def run_mypy(name: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    # Strict and nothing else: authors do not have our pyproject.toml.
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict"]
    command += [f"--cache-dir={tmp_path}", str(TYPING / name)]
    environment = os.environ | {"MYPYPATH": f"{TYPING}:{ROOT}"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=220,
        check=False,
    )


def run_pyright(name: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    pyright = BIN / "pyright"
    if not pyright.exists() or shutil.which("node") is None:
        pytest.skip("pyright needs its package and node; one is not installed")
    # pyright wants its files beside its configuration.
    for each in ("samples.py", "misuse.py"):
        shutil.copy(TYPING / each, tmp_path)
    config = tmp_path / "pyrightconfig.json"
    config.write_text(f'{{"include": ["{name}"], "extraPaths": ["{ROOT}"]}}')
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "-p", config],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=220,
        check=False,
    )
    if "Error: " in done.stderr and not done.stdout:
        pytest.skip(f"pyright cannot run offline here: {done.stderr[:200]}")
    return done


@pytest.mark.parametrize("run", [run_mypy, run_pyright])
def test_the_samples_type_check(run, tmp_path: Path):
    done = run("samples.py", tmp_path)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("run", [run_mypy, run_pyright])
def test_misuse_is_refused_in_both_lines(run, tmp_path: Path):
    done = run("misuse.py", tmp_path)

    assert done.returncode == 1, done.stderr
    assert "misuse.py:5:" in done.stdout
    assert "misuse.py:7:" in done.stdout
    assert "samples.py" not in done.stdout
