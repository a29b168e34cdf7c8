"""Telling the mesh what this host provides: the shared records of its registry, and changes only.

The first change is told at once; those that follow closely are told together.
"""

import asyncio
import logging

from paglets.model.errors import TooLargeError
from paglets.runtime.ports import GossipRecords
from paglets.runtime.recorder import Recorder
from paglets.runtime.registry import Registry, shared
from paglets.wire.servicerecords import SERVICE_KIND, encode_service, service_key

log = logging.getLogger(__name__)

SHARED_LIMIT = 256
"""Providers of one host that the others are told of. Each costs every host of the mesh about 250
bytes of memory, and a newcomer gets them all in few answers."""
SHARED_LIMIT_BYTES = 192 * 1024
"""Bytes of their records together, of the 448 KiB that the mesh takes of one host."""
PAUSE = 0.2
"""Seconds between two rounds of telling: as long as gossip takes to the next round anyway."""


class Publisher:
    """Publishes one host's services on the gossip; used from its loop."""

    def __init__(self, registry: Registry, records: GossipRecords, recorder: Recorder) -> None:
        self._registry = registry
        self._records = records
        self._recorder = recorder
        self._told: dict[str, bytes] = {}
        self._due: asyncio.TimerHandle | None = None
        self._free_at = 0.0
        self.left_out = 0
        """Providers that only this host knows of, because there are too many."""

    def changed(self) -> None:
        """Tell the mesh soon what has changed in the registry."""
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_at(max(loop.time(), self._free_at), self.publish)

    def publish(self) -> None:
        """Tell the mesh now what has changed since the last time."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._free_at = asyncio.get_running_loop().time() + PAUSE
        wanted = self._wanted()
        for key in self._told.keys() - wanted.keys():
            self._records.set_record(SERVICE_KIND, key, None)
        for key, payload in wanted.items():
            if self._told.get(key) != payload:
                self._records.set_record(SERVICE_KIND, key, payload)
        self._told = wanted

    def _wanted(self) -> dict[str, bytes]:
        wanted: dict[str, bytes] = {}
        room, records = SHARED_LIMIT_BYTES, shared(self._registry)
        for record in records:
            try:
                payload = encode_service(record)
            except TooLargeError as error:
                # What a paglet advertises by itself was refused before; a class did not fit.
                log.warning("%s", error.message)
                continue
            room -= len(payload)
            if len(wanted) >= SHARED_LIMIT or room < 0:
                break
            wanted[service_key(record)] = payload
        self._note_left_out(len(records), len(wanted))
        return wanted

    def _note_left_out(self, count: int, told: int) -> None:
        if count > told and not self.left_out:
            self._recorder.record(
                "service",
                f"has {count} providers of services for the mesh and tells it of {told}: the "
                "others are found on this host only",
                level="warning",
            )
        self.left_out = count - told

    def warnings(self) -> list[str]:
        """Return what an operator should know."""
        if not self.left_out:
            return []
        return [
            f"{self.left_out} of this host's service providers are not told to the mesh, which "
            f"takes {SHARED_LIMIT} of a host, of {SHARED_LIMIT_BYTES // 1024} KiB together: let "
            "some be ServiceScope.LOCAL, or end them"
        ]
