"""`server-info`, asked as callers ask it; figures beside what the machine says itself."""

import os
from pathlib import Path

import psutil
import pytest

from paglets.model.errors import InvalidRequestError
from paglets.system.server_info import reading
from paglets.system.server_info.agent import ServerInfoAgent
from paglets.system.server_info.contract import PROCESS_LIMIT, SERVER_INFO
from paglets.system.server_info.figures import CpuReading, CpuUse
from paglets.system.server_info.reading import FIRST_WINDOW, WINDOW, CpuMeter, MachineReader
from paglets.testing.harness import PagletHarness


@pytest.fixture(scope="module")
def agent():
    with PagletHarness(ServerInfoAgent) as harness:
        yield harness


def test_every_operation_answers(agent):
    for operation in SERVER_INFO.operation_names:
        assert agent.send(operation)


def test_the_summary_names_host_and_machine(agent):
    told = agent.send("summary")
    assert told["host_name"] == "alpha"
    assert told["node"] == os.uname().nodename
    assert told["machine_cpus"] == psutil.cpu_count()
    assert 0 < told["cpus"] <= told["machine_cpus"]
    assert told["uptime_seconds"] > 0


def test_memory_is_within_the_machines(agent):
    told = agent.send("memory")
    assert 0 < told["available_bytes"] <= told["total_bytes"] <= psutil.virtual_memory().total


def test_load_has_all_figures(agent):
    told = agent.send("load")
    assert 0 <= told["use"] <= 1
    assert told["per_cpu"] >= 0
    assert told["machine_cpus"] == psutil.cpu_count()


def test_the_disks_of_the_hosts_own_folders_come_first(agent):
    disks = agent.send("disks")["disks"]
    uses = [use for disk in disks for use in disk["uses"]]
    assert sorted(uses) == ["paglets", "temp"]
    assert disks[0]["uses"]
    assert disks[0]["filesystem"]
    assert all(0 <= disk["free_bytes"] <= disk["total_bytes"] for disk in disks)
    assert len({disk["path"] for disk in disks}) == len(disks)


def test_this_process_is_found_by_its_command_line(agent):
    told = agent.send("processes", pattern="*pytest*", limit=PROCESS_LIMIT)
    mine = {each["pid"]: each for each in told["processes"]}[os.getpid()]
    assert mine["memory_bytes"] > 0
    assert mine["user"]
    assert told["matching"] == len(told["processes"])


def test_processes_are_bounded_and_all_that_match_are_counted(agent):
    told = agent.send("processes", limit=1)
    assert len(told["processes"]) == 1
    assert told["matching"] > 1


@pytest.mark.parametrize("limit", [0, PROCESS_LIMIT + 1])
def test_a_limit_out_of_bounds_is_refused(agent, limit):
    with pytest.raises(InvalidRequestError, match=f"from 1 to {PROCESS_LIMIT}"):
        agent.send("processes", limit=limit)


def test_a_misspelt_argument_is_refused(agent):
    with pytest.raises(InvalidRequestError):
        agent.send("processes", pattern=5)


def test_gpus_are_told_of_in_the_gauges_and_the_summary(monkeypatch, tmp_path: Path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, T4, 15360, 15000, 25, 30'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with PagletHarness(ServerInfoAgent) as harness:
        gauges, summary = harness.send("gauges"), harness.send("summary")
    assert gauges["gpus"][0]["name"] == "T4"
    assert gauges["gpus"][0]["use"] == 0.25
    assert summary["gpus"] == 1


def reading_at(at: float, busy: float) -> CpuReading:
    return CpuReading(at, dict.fromkeys(range(512), busy), dict.fromkeys(range(512), at))


def test_the_first_share_is_measured_over_a_moment():
    readings = iter([reading_at(10.0, 0.0), reading_at(10.25, 0.125)])
    waits: list[float] = []
    meter = CpuMeter(lambda: next(readings), waits.append)
    assert meter.use() == CpuUse(cpus=0.5)
    assert waits == [FIRST_WINDOW]


def test_later_shares_are_since_the_look_before_and_need_no_wait():
    readings = iter([
        reading_at(0.0, 0.0), reading_at(0.25, 0.0), reading_at(0.25 + WINDOW - 0.01, 1.0),
        reading_at(0.25 + WINDOW, 0.5),
    ])  # fmt: skip
    waits: list[float] = []
    meter = CpuMeter(lambda: next(readings), waits.append)
    assert meter.use() == CpuUse()
    assert meter.use() == CpuUse(), "too soon after the look before: as then"
    assert meter.use() == CpuUse(cpus=0.5)
    assert len(waits) == 1


def test_what_a_cgroup_leaves_is_what_is_told(monkeypatch, tmp_path: Path):
    limits = reading.cgroup_limits().__class__(0.5, 1.0, 40 * 2**20, 64 * 2**20)
    monkeypatch.setattr(reading, "cgroup_limits", lambda: limits)
    machine = MachineReader(tmp_path)
    memory = machine.memory()
    assert (memory.total_bytes, memory.available_bytes) == (64 * 2**20, 40 * 2**20)
    assert memory.is_limited
    assert machine.load().cpus == 0.5
    assert machine.summary("alpha").is_limited
