"""What is timed: kernels do their work, and rates are medians of rounds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paglets.examples.performance.kernels import cpu, disk, memory, program
from paglets.examples.performance.kernels.rates import ROUNDS, Rate, measure, summary, together

KIB = 1024


class Clock:
    """Goes on by the seconds that work takes, and by nothing else."""

    def __init__(self, seconds: list[float] | None = None) -> None:
        self.now = 0.0
        self.seconds = seconds or []

    def __call__(self) -> float:
        return self.now

    def work(self) -> float:
        self.now += self.seconds.pop(0) if self.seconds else 0.01
        return 1.0


def test_a_rate_is_the_median_of_its_rounds_with_the_slowest_and_the_fastest():
    clock = Clock([9.0, 1.0, 2.0, 0.5, 1.0, 4.0])  # the first is not measured
    rate = measure(clock.work, 0.0, clock=clock)
    assert rate == Rate(median=1.0, low=0.25, high=2.0)


def test_a_measurement_takes_about_the_seconds_it_is_given():
    clock = Clock()
    rate = measure(clock.work, 1.0, clock=clock)
    assert rate.median == pytest.approx(100.0)
    assert clock.now == pytest.approx(1.01, abs=0.01 * ROUNDS)


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no round"):
        summary([])


def test_those_that_ran_at_once_are_added():
    assert together([Rate(2, 1, 3), Rate(4, 4, 5)]) == Rate(6, 5, 8)


@pytest.mark.parametrize("batch", [cpu.integer_batch, cpu.float_batch])
def test_an_arithmetic_batch_counts_its_steps_in_millions(batch):
    assert batch() == cpu.STEPS / 1e6


def test_a_hash_batch_counts_mib():
    assert cpu.hash_batch() == cpu.HASHED_BYTES / 2**20


@pytest.mark.parametrize("make", [memory.copy_kernel, memory.scan_kernel])
def test_a_memory_batch_counts_mib(make):
    assert make(64 * KIB)() == 64 / KIB


def test_what_is_written_is_read_again_and_no_file_is_left(tmp_path: Path):
    size = 2 * disk.BLOCK_BYTES + 100
    written, read = disk.sequential(tmp_path, size, 30.0)
    assert written.size_bytes == read.size_bytes == size
    assert written.rate.median > 0
    assert list(tmp_path.iterdir()) == []


def test_writing_ends_when_its_time_is_over(tmp_path: Path):
    clock = Clock()
    written, _ = disk.sequential(
        tmp_path, 99 * disk.BLOCK_BYTES, 0.0, clock=lambda: clock.work() and clock.now
    )
    assert written.size_bytes == disk.BLOCK_BYTES


def test_small_files_are_counted_and_removed(tmp_path: Path):
    clock = Clock()
    rate = disk.small_files(tmp_path, 0.03, clock=lambda: clock.work() and clock.now)
    assert rate.median > 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_answer_with_its_reason(tmp_path: Path):
    request = {"kernel": "sequential", "seconds": 0.01, "bytes": 1, "folder": tmp_path / "none"}
    assert "No such file" in str(program.answer(request)["error"])


def test_the_program_answers_each_line_and_ends_with_its_input():
    request = json.dumps({"kernel": "scan", "seconds": 0.01, "bytes": 4096, "folder": ""})
    done = subprocess.Popen(
        [sys.executable, "-m", program.__name__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.stdin is not None
    assert done.stdout is not None
    with done.stdin, done.stdout:
        assert json.loads(done.stdout.readline()) == {"ready": True}
        done.stdin.write(request + "\n")
        done.stdin.flush()
        assert json.loads(done.stdout.readline())["rates"]["scan"]["median"] > 0
        endless = json.dumps({"kernel": "integer", "seconds": 60})
        done.stdin.write(endless + "\n")
    assert done.wait(10) == 0
