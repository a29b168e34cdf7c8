"""What a machine has, and what cgroups leave of it, read from trees as containers show them."""

from pathlib import Path

import pytest

from paglets.system.cgroup import CgroupLimits, cgroup_limits
from paglets.system.machine import (
    cpu_times,
    cpus_allowed,
    cpus_allowed_numbers,
    filesystem_of,
    least,
    memory,
    memory_available,
    parse_cpu_times,
    parse_meminfo,
    read_text,
    usable_cores,
)

MIB = 2**20


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_limits_of_a_container_are_read(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 2500000\nuser_usec 2000000\n",
        "sys/fs/cgroup/memory.max": str(512 * MIB),
        "sys/fs/cgroup/memory.current": str(200 * MIB),
        "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {50 * MIB}\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(1.5, 2.5, 362 * MIB, 512 * MIB)


def test_the_tightest_level_counts(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/a/cpu.stat": "usage_usec 9000000\n",
        "sys/fs/cgroup/a/b/cpu.max": "80000 100000\n",
        "sys/fs/cgroup/a/b/cpu.stat": "usage_usec 1\n",
        "sys/fs/cgroup/a/memory.max": "max\n",
        "sys/fs/cgroup/a/b/memory.max": str(64 * MIB),
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(0.5, 9.0, 64 * MIB, 64 * MIB)


def test_free_memory_and_limit_may_come_from_different_levels(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": str(100 * MIB),
        "sys/fs/cgroup/a/memory.current": str(90 * MIB),
        "sys/fs/cgroup/a/b/memory.max": str(64 * MIB),
        "sys/fs/cgroup/a/b/memory.current": str(4 * MIB),
    })  # fmt: skip
    limits = cgroup_limits(tmp_path)
    assert limits.memory_bytes == 10 * MIB
    assert limits.memory_limit_bytes == 64 * MIB


def test_version_1_limits_are_read_where_the_path_is_the_machines(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/12\n4:memory:/docker/12\n3:pids:/x\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/cpuacct.usage": "3500000000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(100 * MIB),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(30 * MIB),
        "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {10 * MIB}\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(2.0, 3.5, 80 * MIB, 100 * MIB)


def test_use_beyond_the_limit_leaves_nothing_free(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": str(10 * MIB),
        "sys/fs/cgroup/memory.current": str(11 * MIB),
    })  # fmt: skip
    assert cgroup_limits(tmp_path).memory_bytes == 0


def test_no_limit_is_none(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "4:memory:/\n5:cpu:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits()
    assert cgroup_limits(tmp_path / "elsewhere") == CgroupLimits()


def test_what_is_no_number_is_no_limit(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "100000 0\n",
        "sys/fs/cgroup/memory.max": "lots\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits()


def test_a_quota_whose_use_is_not_told_has_none(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "100000 100000\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec lots\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(cores=1.0)


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"), [(4, None, 4.0), (4, 1.5, 1.5), (2, 8.0, 2.0), (1, 0.2, 0.2)]
)
def test_cores_are_the_lesser_of_affinity_and_quota(affinity, quota, cores):
    assert usable_cores(affinity, quota) == cores


def test_no_limit_takes_nothing_away():
    assert (least(5, None), least(5, 7), least(5, 3)) == (5, 5, 3)


def test_the_file_system_is_that_of_the_longest_mount():
    text = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "22 21 0:5 / /tmp rw shared:1 - tmpfs tmpfs rw\n"
        "odd line\n"
    )
    assert filesystem_of(Path("/tmp/x"), text) == "tmpfs"
    assert filesystem_of(Path("/tmpx"), text) == "ext4"
    assert filesystem_of(Path("/x"), "") == ""


def test_meminfo_is_read_in_bytes():
    text = "MemTotal:       16 kB\nMemAvailable:    4 kB\nHugePages_Total:       3\nodd line\n"
    assert parse_meminfo(text) == {"MemTotal": 16384, "MemAvailable": 4096, "HugePages_Total": 3}


def test_this_machine_has_something():
    total, available = memory()
    assert 0 < available <= total
    assert cpus_allowed() > 0


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path):
    assert read_text(tmp_path / "none") == ""
    assert read_text(tmp_path) == ""


def test_times_of_cpus_are_read_without_those_of_guests_which_are_in_others_already():
    text = "cpu  9 9 9\ncpu0 100 20 30 400 50 6 7 8 90 9\ncpu1 1 0 0 3 0 0 0 0\nintr 5\n\n"
    busy, total = parse_cpu_times(text, 100)
    assert total == {0: 6.21, 1: 0.04}
    assert busy == pytest.approx({0: 1.71, 1: 0.01})
    assert parse_cpu_times("", 100) == ({}, {})


def test_this_machines_own_files_tell_of_cpus_and_memory():
    busy, total = cpu_times()
    assert cpus_allowed_numbers() <= busy.keys() == total.keys()
    assert all(0 < busy[number] <= total[number] for number in busy)
    assert 0 < memory_available() <= memory()[0]
