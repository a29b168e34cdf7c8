"""`scripts/venv.sh`: says first what is missing, one line with the fix, and makes nothing then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make_venv(folder: Path, python: Path | str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / "venv.sh"), ".venv-demo"],
        cwd=folder,
        env={**os.environ, "PYTHON": str(python), "MAKE_TARGET": "demo", **environ},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def pretended_python(folder: Path, refuses: str) -> Path:
    """Return a Python that is the real one but for programs that mention `refuses`."""
    path = folder / "python"
    path.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *{refuses}*) exit 1;; -V) echo Python 3.9.2; exit 0;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    path.chmod(0o755)
    return path


def test_an_old_python_is_told_with_the_command_that_helps(tmp_path: Path):
    done = make_venv(tmp_path, pretended_python(tmp_path, "version_info"))
    assert done.returncode == 1
    assert "is 3.9.2, paglets needs 3.11. Fix: PYTHON=python3.12 make demo" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_that_is_not_there_is_told(tmp_path: Path):
    done = make_venv(tmp_path, "python9.9")
    assert done.returncode == 1
    assert done.stderr.startswith("paglets: there is no python9.9. Fix: ")


def test_a_missing_venv_module_is_told_with_its_package(tmp_path: Path):
    done = make_venv(tmp_path, pretended_python(tmp_path, "ensurepip"))
    assert done.returncode == 1
    assert "has no venv module. Fix: apt-get install python3-venv" in done.stderr


@pytest.mark.slow
def test_a_missing_network_is_told_and_leaves_nothing_that_looks_whole(tmp_path: Path):
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    done = make_venv(tmp_path, sys.executable, **offline)
    assert done.returncode == 1
    assert "no package index answers. Fix: connect to the network" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]


def test_a_complete_environment_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    stamp = subprocess.run(
        [sys.executable, "-c", STAMP], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    (tmp_path / ".venv-demo").mkdir()
    (tmp_path / ".venv-demo" / ".complete").write_text(stamp.stdout.strip())
    done = make_venv(tmp_path, sys.executable)
    assert (done.returncode, done.stderr) == (0, "")


STAMP = """
import hashlib, pathlib, sys
project = pathlib.Path("pyproject.toml").read_bytes()
print(hashlib.sha256(project + sys.version.encode()).hexdigest())
"""
