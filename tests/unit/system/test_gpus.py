"""Graphics processors, by a program that may be absent, odd, failing or hanging."""

import subprocess
from pathlib import Path

import pytest

from paglets.system.server_info import gpus
from paglets.system.server_info.contract import Gpu, Gpus
from paglets.system.server_info.gpus import GpuReader, parse_gpus, run_program

MIB = 2**20


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def program(tmp_path: Path, monkeypatch):
    """Writes a fake `nvidia-smi` and puts it on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def write(script: str) -> Path:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


def test_lines_become_processors():
    text = (
        "0, NVIDIA A100-SXM4-40GB, 40960, 40000, 7, 34\n1, Odd, with comma, 81920, 1024, 100, 71\n"
    )
    assert parse_gpus(text) == (
        Gpu(0, "NVIDIA A100-SXM4-40GB", 40960 * MIB, 40000 * MIB, 0.07, 34.0),
        Gpu(1, "Odd, with comma", 81920 * MIB, 1024 * MIB, 1.0, 71.0),
    )


def test_figures_that_the_driver_does_not_tell_are_none():
    text = "0, Orin, [N/A], [N/A], [Not Supported], Unknown Error\n"
    assert parse_gpus(text) == (Gpu(0, "Orin", 0, 0, None, None),)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "No devices were found\n", "WARNING: infoROM is corrupted at gpu 0000:00:1E.0\n",
     "0, too, few\n", "x, A, 1, 1, 1, 1\n"],
)  # fmt: skip
def test_what_is_no_processor_is_left_out(text):
    assert parse_gpus(text) == ()


def test_the_program_is_asked_for_figures_only(program):
    path = program('echo "$@" >&2; echo "0, T4, 15360, 15000, 0, 30"')
    output = run_program(str(path))
    assert "--query-gpu=index,name,memory.total" in output
    assert "--format=csv,noheader,nounits" in output
    assert [gpu.name for gpu in parse_gpus(output)] == ["T4"]


def test_a_failure_is_told_with_what_the_program_says(program):
    path = program("echo; echo 'NVIDIA-SMI has failed'; exit 9")
    with pytest.raises(ValueError, match="ended with 9: NVIDIA-SMI has failed"):
        run_program(str(path))


def test_a_program_that_hangs_is_given_up(program, monkeypatch):
    monkeypatch.setattr(gpus, "DEADLINE", 0.05)
    path = program("exec sleep 30")
    with pytest.raises(ValueError, match=r"did not answer within 0\.05 s"):
        run_program(str(path))


def test_an_answer_is_kept_for_a_while(program):
    program("exit 1")
    clock, answers = Clock(), iter(["0, A, 1, 1, 1, 1", "0, B, 1, 1, 1, 1"])
    reader = GpuReader(lambda _path: next(answers), clock)
    assert reader.read().gpus[0].name == "A"
    clock.now += gpus.KEEP_SECONDS - 0.1
    assert reader.read().gpus[0].name == "A"
    clock.now += 0.1
    assert reader.read().gpus[0].name == "B"


def test_after_a_failure_the_program_is_left_alone_for_longer(program):
    program("exit 1")
    clock, calls = Clock(), []

    def fail(path: str) -> str:
        calls.append(path)
        raise ValueError("no driver")

    reader = GpuReader(fail, clock)
    assert reader.read() == Gpus(note="no driver")
    clock.now += gpus.RETRY_SECONDS - 0.1
    assert reader.read() == Gpus(note="no driver")
    assert len(calls) == 1
    clock.now += 0.1
    reader.read()
    assert len(calls) == 2


def test_a_program_that_cannot_be_run_is_told(program):
    program("exit 0").write_text("no program\0")
    note = GpuReader().read().note
    assert note
    assert "Exec format error" in note or "ended with" in note


def test_without_the_program_nothing_is_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", None)
    assert GpuReader().read() == Gpus(note="there is no nvidia-smi on this host")
