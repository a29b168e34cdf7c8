"""The records this host sets itself: numbering them, and spacing out the lazy ones.

Pure. A lazy record (counts, load) that changes often is told in its latest version only, so that
its cost to every host does not grow with the number of hosts.
"""

import math

import msgspec

from paglets.mesh.messages import Record
from paglets.mesh.records import RecordKey
from paglets.mesh.timing import MeshTiming, lazy_spacing

PAYLOAD_LIMIT_BYTES = 4096
"""Largest payload of a record."""

_TOLD_LIMIT = 256
"""Lazy records whose last telling is remembered; those told longest ago make room."""


class OwnRecords:
    """Versions of this host's records, and lazy ones held back. Times are monotonic seconds."""

    def __init__(self, host_id: str, timing: MeshTiming) -> None:
        self._host_id = host_id
        self._timing = timing
        self._version = 0
        self._told: dict[RecordKey, float] = {}
        self._held: dict[RecordKey, tuple[float, bytes | None, float]] = {}
        self.next_due = math.inf
        """When a held record is to be told."""

    def number(self, place: RecordKey, payload: bytes | None, generation: int) -> Record:
        """Return the next version of a record, to be told at once; what was held back is not."""
        self.release(place)
        return self._make(place, payload, generation, lazy=False)

    def release(self, place: RecordKey) -> None:
        """Tell no lazy version that is held back."""
        self._held.pop(place, None)
        self._note_due()

    def hold(
        self, place: RecordKey, payload: bytes | None, hosts: int, random: float, now: float
    ) -> None:
        """Keep a lazy record until its time has come; only the latest payload is ever told.

        It is told with its age: figures of five minutes ago are not taken for new.

        Args:
            place: Kind and key.
            payload: The value, None to withdraw it.
            hosts: Live members; the spacing grows with them.
            random: From 0 to 1, so that hosts do not all tell at once.
            now: The time.
        """
        told = self._told.get(place)
        usual = lazy_spacing(self._timing, hosts)
        spacing = usual * (0.75 + random / 2)
        if told is None and len(self._told) >= _TOLD_LIMIT:
            self._told = {k: when for k, when in self._told.items() if when + 2 * usual > now}
        due = now if told is None else max(now, told + spacing)
        if place in self._held:
            due = min(due, self._held[place][0])
        self._held[place] = (due, payload, now)
        self.next_due = min(self.next_due, due)

    def due(self, generation: int, now: float) -> list[Record]:
        """Return the lazy records whose time has come."""
        if now < self.next_due:
            return []
        ready = [place for place, (due, *_) in self._held.items() if due <= now]
        told = []
        for place in ready:
            _, payload, since = self._held.pop(place)
            self._told[place] = now
            record = self._make(place, payload, generation, lazy=True)
            told.append(msgspec.structs.replace(record, age=int(now - since)))
        self._note_due()
        return told

    def _note_due(self) -> None:
        self.next_due = min((due for due, *_ in self._held.values()), default=math.inf)

    def _make(
        self, place: RecordKey, payload: bytes | None, generation: int, *, lazy: bool
    ) -> Record:
        self._version += 1
        kind, key = place
        return Record(self._host_id, generation, kind, key, self._version, payload, lazy)
