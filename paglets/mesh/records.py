"""Small versioned values of other parts (services, counts, load) that ride on the gossip.

Pure. A record belongs to the host that set it and dies with it. Versions are counted by the owner,
so of two records of one key the higher version is the newer, whoever tells it. Withdrawn records
stay as markers for a while, the latest only; where one is forgotten and a late rumour brings its
record back, the owner's own word (`replace_all`) removes it. How old a
record is goes along with it as a length of time: clocks of two hosts are never compared.
"""

from collections.abc import Iterable

import msgspec

from paglets.mesh.marks import mark_of
from paglets.mesh.messages import Record

RecordKey = tuple[str, str]
"""Kind and key."""

OWNER_LIMIT = 2000
"""Records kept of one owner; more are not taken in, so that no member can fill our memory."""
OWNER_LIMIT_BYTES = 448 * 1024
"""Bytes kept of one owner, as `size_of` counts them: all of them fit into one frame."""
MARKER_LIMIT = 256
"""Markers of withdrawn records kept of one owner, the latest: an owner may withdraw any number."""


def record_mark(record: Record) -> int:
    """Return 8 bytes that stand for a record's place and version; 0 for a withdrawn one."""
    if record.payload is None:
        return 0
    return mark_of(record.host_id, record.generation, record.kind, record.key, record.version)


def size_of(record: Record) -> int:
    """Return about how many bytes a record has in memory and on the wire."""
    return 80 + len(record.kind) + len(record.key) + len(record.payload or b"")


class Records:
    """All records this host knows, by owner and by kind."""

    def __init__(self) -> None:
        self._owners: dict[str, dict[RecordKey, Record]] = {}
        self._kinds: dict[str, dict[tuple[str, str], Record]] = {}
        self._marks: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._withdrawn: dict[str, dict[RecordKey, float]] = {}
        self._newest: dict[str, int] = {}
        self._set: dict[tuple[str, RecordKey], float] = {}
        self.digest = 0
        """Order-free hash of all records."""

    def put(self, record: Record, now: float) -> bool:
        """Take in a record; return whether it was newer than what was known."""
        owned = self._owners.setdefault(record.host_id, {})
        place = (record.kind, record.key)
        known = owned.get(place)
        if known is not None and (known.generation, known.version) >= (
            record.generation,
            record.version,
        ):
            return False
        if not self.has_room(record):
            return False
        change = _live_size(record) - (_live_size(known) if known else 0)
        self._sizes[record.host_id] = self._sizes.get(record.host_id, 0) + change
        owned[place] = record
        self._set[record.host_id, place] = now - record.age
        self._newest[record.host_id] = max(self.newest(record.host_id), record.version)
        self._mark(record.host_id, (record_mark(known) if known else 0) ^ record_mark(record))
        by_kind = self._kinds.setdefault(record.kind, {})
        if record.payload is None:
            by_kind.pop((record.host_id, record.key), None)
            self._mark_withdrawn(record.host_id, place, now)
        else:
            by_kind[record.host_id, record.key] = record
            self._withdrawn.get(record.host_id, {}).pop(place, None)
        return True

    def has_room(self, record: Record) -> bool:
        """Whether a record may be taken in beside what is known of its owner."""
        if record.payload is None:
            return True
        owner, place = record.host_id, (record.kind, record.key)
        owned = self._owners.get(owner, {})
        known = owned.get(place)
        is_new = known is None or known.payload is None
        live = len(owned) - len(self._withdrawn.get(owner, {}))
        if is_new and live >= OWNER_LIMIT:
            return False
        before = _live_size(known) if known else 0
        return self._sizes.get(owner, 0) - before + size_of(record) <= OWNER_LIMIT_BYTES

    def _mark_withdrawn(self, owner: str, place: RecordKey, now: float) -> None:
        markers = self._withdrawn.setdefault(owner, {})
        markers.pop(place, None)
        markers[place] = now
        if len(markers) > MARKER_LIMIT:
            self._forget_marker(owner, next(iter(markers)))

    def _forget_marker(self, owner: str, place: RecordKey) -> None:
        del self._withdrawn[owner][place]
        del self._owners[owner][place]
        self._set.pop((owner, place), None)

    def renew(self, owner: str, generation: int) -> list[Record]:
        """Move the records of an owner to another generation of it, and return them."""
        moved = [msgspec.structs.replace(r, generation=generation) for r in self.of(owner)]
        since = [self._set[owner, (record.kind, record.key)] for record in moved]
        self.drop(owner)
        for record, when in zip(moved, since, strict=True):
            self.put(msgspec.structs.replace(record, age=0), when)
        return moved

    def drop(self, owner: str) -> bool:
        """Forget everything of an owner; return whether there was anything."""
        owned = self._owners.pop(owner, None)
        self._newest.pop(owner, None)
        self._withdrawn.pop(owner, None)
        self._sizes.pop(owner, None)
        if owned is None:
            return False
        for place, record in owned.items():
            self._kinds.get(record.kind, {}).pop((owner, record.key), None)
            self._set.pop((owner, place), None)
        self._mark(owner, self._marks.get(owner, 0))
        return True

    def newest(self, owner: str) -> int:
        """Return the highest version seen of an owner, withdrawn ones included; 0 if none."""
        return self._newest.get(owner, 0)

    def replace_all(
        self, owner: str, records: Iterable[Record], version: int, now: float
    ) -> list[Record]:
        """Take `records` for all that `owner` has up to `version`, as it says itself.

        Returns:
            Those that changed; a record that is gone has no payload.
        """
        listed = list(records)
        changed = [record for record in listed if self.put(record, now)]
        places = {(record.kind, record.key) for record in listed}
        owned = self._owners.get(owner, {})
        for place, record in list(owned.items()):
            if place in places or record.version > version or record.payload is None:
                continue
            self._kinds.get(record.kind, {}).pop((owner, record.key), None)
            self._mark(owner, record_mark(owned.pop(place)))
            self._sizes[owner] -= size_of(record)
            self._set.pop((owner, place), None)
            changed.append(msgspec.structs.replace(record, payload=None))
        return changed

    def of(self, owner: str) -> tuple[Record, ...]:
        """Return what is known of an owner, withdrawn ones included."""
        return tuple(self._owners.get(owner, {}).values())

    def dated(self, owner: str, now: float) -> tuple[Record, ...]:
        """Return the same as `of`, each with its age of now, to be told to another host."""
        return tuple(
            msgspec.structs.replace(record, age=int(self.age(record, now)))
            for record in self._owners.get(owner, {}).values()
        )

    def age(self, record: Record, now: float) -> float:
        """Return the seconds since the owner set a record that is known here."""
        since = self._set.get((record.host_id, (record.kind, record.key)), now)
        return max(0.0, now - since)

    def mark(self, owner: str) -> int:
        """Return the order-free hash of one owner's records."""
        return self._marks.get(owner, 0)

    def get(self, owner: str, kind: str, key: str) -> Record | None:
        """Return a record that is not withdrawn."""
        return self._kinds.get(kind, {}).get((owner, key))

    def of_kind(self, kind: str) -> tuple[Record, ...]:
        """Return all records of a kind that are not withdrawn."""
        return tuple(self._kinds.get(kind, {}).values())

    def live(self) -> tuple[Record, ...]:
        """Return all records that are not withdrawn, of every kind and owner."""
        return tuple(each for kind in self._kinds.values() for each in kind.values())

    def forget_withdrawn(self, before: float) -> None:
        """Forget the markers of records withdrawn before this time."""
        for owner, markers in self._withdrawn.items():
            for place, when in list(markers.items()):
                if when < before:
                    self._forget_marker(owner, place)

    def _mark(self, owner: str, change: int) -> None:
        self.digest ^= change
        mark = self._marks.get(owner, 0) ^ change
        if mark:
            self._marks[owner] = mark
        else:
            self._marks.pop(owner, None)


def _live_size(record: Record) -> int:
    return 0 if record.payload is None else size_of(record)
