"""A container with half a core and 256 MiB: these count, not the machine around it."""

import psutil

from paglets import PagletsError
from paglets.system.mesh_info.contract import MESH_INFO, RANK, TargetQuery
from paglets.system.server_info.contract import DISKS, LOAD, MEMORY, SERVER_INFO, SUMMARY, Now
from paglets.testing import HostContainer, wait_until

MIB = 2**20
LIMIT = 256 * MIB


def test_the_limits_of_a_container_are_what_server_info_and_mesh_info_tell():
    alpha = HostContainer("alpha", builtins=True)
    alpha.with_kwargs(**{**alpha._kwargs, "nano_cpus": 500_000_000, "mem_limit": LIMIT})
    try:
        alpha.start()
        server_info = alpha.client.services.require(SERVER_INFO)

        load = server_info.call(LOAD, Now())
        assert load.cpus == 0.5
        assert load.machine_cpus == psutil.cpu_count()
        memory = server_info.call(MEMORY, Now())
        assert memory.is_limited
        assert memory.total_bytes == LIMIT < psutil.virtual_memory().total
        assert 0 < memory.available_bytes < LIMIT - 20 * MIB, "the host itself takes some"
        summary = server_info.call(SUMMARY, Now())
        assert (summary.cpus, summary.memory_bytes, summary.is_limited) == (0.5, LIMIT, True)
        uses = [use for disk in server_info.call(DISKS, Now()).disks for use in disk.uses]
        assert sorted(uses) == ["paglets", "temp"]

        wait_until(lambda: is_ranked(alpha), timeout=20, what="alpha is ranked", story=alpha.tail)
        ranking = ranked(alpha, cpus=1.0, memory_bytes=LIMIT)
        assert ranking.targets == ()
        reasons = ranking.rejected[0].reasons
        assert "has 0.5 cores, 1 wanted" in reasons
        assert any("of memory free, 256.0 MiB wanted" in reason for reason in reasons)
    finally:
        alpha.remove()


def ranked(host: HostContainer, **limits: float):
    return host.client.services.require(MESH_INFO).call(RANK, TargetQuery(**limits))


def is_ranked(host: HostContainer) -> bool:
    try:
        return bool(ranked(host, cpus=0.5).targets)
    except PagletsError:
        return False
