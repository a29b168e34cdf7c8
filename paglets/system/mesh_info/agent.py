"""MeshInfoAgent: the resident that knows what all hosts have to offer, and ranks them."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from paglets.agent.autostart import AutoStartSpec
from paglets.agent.contracts import ServiceContract
from paglets.agent.handlers import provides
from paglets.agent.paglet import Paglet
from paglets.agent.servicehandle import ServiceHandle
from paglets.model.enums import ServiceScope
from paglets.model.errors import PagletsError
from paglets.model.refs import HostRef
from paglets.system.mesh_info.contract import (
    MESH_INFO,
    RANK,
    SNAPSHOTS,
    HostSnapshot,
    Ranking,
    Snapshot,
    SnapshotQuery,
    Snapshots,
    TargetQuery,
)
from paglets.system.mesh_info.glancing import Glancer
from paglets.system.mesh_info.pacing import Glance, Known, is_news, is_sample_due, pause_after
from paglets.system.mesh_info.ranking import HELD_FOR, Candidate, rank, usual_max_age
from paglets.system.server_info.contract import GAUGES, SERVER_INFO, Gauges, Now

KIND = "mesh-info"
"""Kind of the record that carries a snapshot; other paglets leave it alone."""
SAMPLE_TIMEOUT = 15.0
"""Seconds server-info has to answer; it may have to be started."""


class MeshInfoAgent(Paglet[None]):
    """The built-in eager resident `mesh-info`; it keeps nothing that it could not learn again."""

    services: ClassVar[tuple[ServiceContract, ...]] = (MESH_INFO,)
    auto_start: ClassVar[AutoStartSpec] = AutoStartSpec("mesh-info")

    def __init__(self) -> None:
        self._server_info: ServiceHandle | None = None
        self._known: Known | None = None
        self._asked_at = -float("inf")
        self._complaint = ""

    def run(self) -> None:
        """Watch this host and tell the mesh of it."""
        glancer = Glancer(self.context.storage.work_dir())
        pause, failures = 0.0, 0
        while not self.sleep(pause):
            failures = 0 if self._look(glancer.look) else failures + 1
            pause = pause_after(failures)

    def _look(self, look: Callable[[], Glance]) -> bool:
        """Confirm what the mesh has of this host or tell it anew; return whether that worked."""
        now, known = time.monotonic(), self._known
        try:
            glance = look()
            if known is None or is_sample_due(known, glance, now, self._asked_at):
                figures, sampled_at = snapshot_of(self._gauges()), now
            else:
                figures, sampled_at = glance.update(known.figures), known.sampled_at
            told = figures if known is None or is_news(known.told, figures) else known.told
            self.context.mesh.publish(KIND, told, ttl=HELD_FOR)
        except (PagletsError, OSError) as error:
            # What was told is not confirmed and soon taken back, which is what others should see.
            self._server_info = None
            self._complain(f"cannot tell the mesh of this host: {error}")
            return False
        self._known = Known(figures, told, sampled_at, seen_at=now)
        self._complain("")
        return True

    def _gauges(self) -> Gauges:
        if self._server_info is None:
            self._server_info = self.context.services.require(SERVER_INFO, scope=ServiceScope.LOCAL)
        return self._server_info.call(GAUGES, Now(), timeout=SAMPLE_TIMEOUT)

    def _complain(self, text: str) -> None:
        """Record what is wrong, once each time it begins."""
        if text and not self._complaint:
            # Where even this fails the host is in trouble of its own, which others will see.
            with contextlib.suppress(PagletsError):
                self.context.events.emit("mesh-info", text, level="warning")
        self._complaint = text

    @provides(RANK)
    def rank(self, query: TargetQuery) -> Ranking:
        """Rank the hosts of the mesh."""
        self._asked_at = time.monotonic()
        hosts = self.context.mesh.hosts(online_only=False)
        told = self._told(hosts)
        return rank(query, [_candidate(host, told.get(host.host_id)) for host in hosts])

    @provides(SNAPSHOTS)
    def snapshots(self, query: SnapshotQuery) -> Snapshots:
        """Tell what is known of live hosts."""
        self._asked_at = time.monotonic()
        found = [
            each
            for each in self._told(self.context.mesh.hosts()).values()
            if not query.hosts or each.host_name in query.hosts
        ]
        found.sort(key=lambda each: (each.host_name, each.host_id))
        return Snapshots(tuple(found))

    def _told(self, hosts: Sequence[HostRef]) -> dict[str, HostSnapshot]:
        """Return what is known of each host, by host id."""
        records = sorted(self.context.mesh.records(KIND, Snapshot), key=lambda each: -each.age)
        oldest = usual_max_age(sum(host.online for host in hosts))
        found = {  # of several of one host the youngest
            each.host_id: HostSnapshot(
                each.host_name, each.host_id, each.host_url, min(each.age, oldest), each.value
            )
            for each in records
        }
        known = self._known
        if known is not None:  # told to others less often than it is known here
            here, age = self.context.ref, time.monotonic() - known.seen_at
            found[here.host_id] = HostSnapshot(
                self.context.host_name,
                here.host_id,
                self.context.address,
                round(age, 3),
                known.figures,
            )
        return found


def snapshot_of(gauges: Gauges) -> Snapshot:
    """Return what the mesh is told of a host."""
    return Snapshot(
        cpus=gauges.load.cpus,
        cpu_use=gauges.load.use,
        load_per_cpu=gauges.load.per_cpu,
        memory_total_bytes=gauges.memory.total_bytes,
        memory_available_bytes=gauges.memory.available_bytes,
        disk_free_bytes=gauges.disk_free_bytes,
        temp_free_bytes=gauges.temp_free_bytes,
        gpu_free_bytes=tuple(gpu.memory_free_bytes for gpu in gauges.gpus),
    )


def _candidate(host: HostRef, told: HostSnapshot | None) -> Candidate:
    if told is None:
        return Candidate(host)
    return Candidate(host, told.figures, told.age)
