"""Performance Benchmark Lock: one holder on a machine, and never a dead one."""

import subprocess
import sys
from pathlib import Path

import pytest

from paglets.examples.performance.lock import NAME, VARIABLE, BenchmarkLock, lock_folder

HOLD = """
import sys
from pathlib import Path
from paglets.examples.performance.lock import BenchmarkLock
assert BenchmarkLock(Path(sys.argv[1]), "other").take_nowait()
print("held", flush=True)
sys.stdin.read()
"""


def test_only_one_has_it_and_the_others_hear_who(tmp_path: Path):
    first, second = BenchmarkLock(tmp_path, "alpha"), BenchmarkLock(tmp_path, "beta")
    assert first.take_nowait()
    assert first.take_nowait()
    assert not second.take_nowait()
    assert second.holder() == "alpha"
    first.release()
    assert second.take_nowait()
    assert second.is_held
    assert not first.is_held
    second.release()
    second.release()


def test_a_killed_holder_does_not_block(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        lock = BenchmarkLock(tmp_path, "alpha")
        assert not lock.take_nowait()
        assert lock.holder() == "other"
        other.kill()
        other.wait(10)
    assert lock.take_nowait()
    lock.release()


def test_another_users_file_can_be_locked_for_reading_only(tmp_path: Path, monkeypatch):
    path = tmp_path / NAME
    path.write_text("somebody before")
    path.chmod(0o444)
    first, second = BenchmarkLock(tmp_path, "alpha"), BenchmarkLock(tmp_path, "beta")
    assert first.take_nowait()
    assert not second.take_nowait()
    first.release()


def test_all_users_may_lock_the_file_that_is_made(tmp_path: Path):
    lock = BenchmarkLock(tmp_path, "alpha")
    assert lock.take_nowait()
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o666
    lock.release()


def test_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / NAME).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"):
        BenchmarkLock(tmp_path, "alpha").take_nowait()
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_file_that_a_cleaner_removed_is_made_again(tmp_path: Path):
    first, second = BenchmarkLock(tmp_path, "alpha"), BenchmarkLock(tmp_path, "beta")
    assert first.take_nowait()
    (tmp_path / NAME).unlink()
    assert second.take_nowait()
    first.release()
    second.release()


def test_the_folder_is_the_variables_or_the_systems(tmp_path: Path):
    assert lock_folder({VARIABLE: str(tmp_path)}) == tmp_path
    assert lock_folder({}).is_dir()


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        BenchmarkLock(tmp_path / "none", "alpha").take_nowait()
