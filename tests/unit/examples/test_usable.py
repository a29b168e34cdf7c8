"""What a host may use, read from trees as containers show them."""

from pathlib import Path

import pytest

from paglets.examples.performance.usable import (
    CgroupLimits,
    cgroup_limits,
    filesystem_of,
    look,
    processes_for,
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
        "sys/fs/cgroup/memory.max": str(512 * MIB),
        "sys/fs/cgroup/memory.current": str(200 * MIB),
        "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {50 * MIB}\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(1.5, 362 * MIB)


def test_the_tightest_level_counts(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/memory.max": "max\n",
        "sys/fs/cgroup/a/b/memory.max": str(64 * MIB),
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(0.5, 64 * MIB)


def test_version_1_limits_are_read_where_the_path_is_the_machines(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/12\n4:memory:/docker/12\n3:pids:/x\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(100 * MIB),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(30 * MIB),
        "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {10 * MIB}\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits(2.0, 80 * MIB)


def test_no_limit_is_none(tmp_path: Path):
    tree(tmp_path, {
        "proc/self/cgroup": "4:memory:/\n5:cpu:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip
    assert cgroup_limits(tmp_path) == CgroupLimits()
    assert cgroup_limits(tmp_path / "elsewhere") == CgroupLimits()


@pytest.mark.parametrize(
    ("affinity", "quota", "cores", "processes"),
    [(4, None, 4.0, 4), (4, 1.5, 1.5, 2), (2, 8.0, 2.0, 2), (1, 0.2, 0.2, 1)],
)
def test_cores_are_the_lesser_of_affinity_and_quota(affinity, quota, cores, processes):
    assert usable_cores(affinity, quota) == cores
    assert processes_for(cores) == processes


def test_the_file_system_is_that_of_the_longest_mount():
    text = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "22 21 0:5 / /tmp rw shared:1 - tmpfs tmpfs rw\n"
        "odd line\n"
    )
    assert filesystem_of(Path("/tmp/x"), text) == "tmpfs"
    assert filesystem_of(Path("/tmpx"), text) == "ext4"
    assert filesystem_of(Path("/x"), "") == ""


def test_this_machine_has_something(tmp_path: Path):
    machine = look(tmp_path)
    assert machine.cores > 0
    assert machine.memory_bytes > 0
    assert machine.disk_bytes > 0
