"""The mesh as other parts see it: HostRefs, names, who may be used.

Reads the table, changes nothing. The same-version rule stands here: a host with other code is
listed with an error and never usable; so is one whose name a newer host took, and one that drains.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from paglets.mesh.members import Member
from paglets.mesh.messages import Record
from paglets.mesh.protocol import Protocol
from paglets.model.enums import MemberStatus
from paglets.model.refs import HostRef

COUNTS_KIND = "counts"
"""Kind of the record that carries the numbers of active and inactive paglets."""

DRAINING_KIND = "draining"
"""Kind of the record by which a host says that it takes no paglets any more."""

Explain = Callable[[str, str, str], str]
"""Says how two code versions differ: ours, the other's, the other's name."""

_counts_decoder = msgspec.msgpack.Decoder(tuple[int, int])


@dataclass(frozen=True, slots=True)
class MeshRecord:
    """A record of another part of a live host."""

    host_id: str
    kind: str
    key: str
    version: int
    """Grows with every record its owner sets."""
    payload: bytes
    age: float = 0.0
    """Seconds since its owner set it; the way here by gossip, of seconds, is not counted."""


def name_both(here: str, there: str, host: str) -> str:
    """Name both code versions whole: how to read one is the owner's business."""
    return f"{host} runs other code: {there or 'none'} there, {here or 'none'} here"


def encode_counts(active: int, inactive: int) -> bytes:
    """Return the payload of a counts record."""
    return msgspec.msgpack.encode((active, inactive))


class Directory:
    """Looks hosts up in one engine's table."""

    def __init__(
        self,
        protocol: Protocol,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        explain: Explain = name_both,
    ) -> None:
        self._explain = explain
        self._protocol = protocol
        self._clock = clock
        self._wall_clock = wall_clock

    def hosts(self) -> list[HostRef]:
        """Return all known hosts by name, this one and the dead included."""
        found = [self.ref(member) for member in self._protocol.table.members.values()]
        return sorted(found, key=lambda ref: (ref.name, -ref.generation))

    def usable_hosts(self) -> list[HostRef]:
        """Return the hosts to which paglets may go: online, same code, this one included."""
        return [ref for ref in self.hosts() if is_usable(ref)]

    def lookup(self, name: str) -> HostRef | None:
        """Return the host of a name: a live one before others, then the newest generation."""
        member = self._protocol.table.holder(name)
        return None if member is None else self.ref(member)

    def by_id(self, host_id: str) -> HostRef | None:
        """Return a host by its id."""
        member = self._protocol.table.members.get(host_id)
        return None if member is None else self.ref(member)

    def records(self, kind: str, prefix: str = "") -> list[MeshRecord]:
        """Return the records of a kind of all live hosts, this one included.

        Args:
            kind: What they are.
            prefix: What their keys begin with.
        """
        found = self._protocol.table.records.of_kind(kind)
        return self._seen(each for each in found if each.key.startswith(prefix))

    def all_records(self) -> list[MeshRecord]:
        """Return the records of every kind of all live hosts, this one included."""
        return self._seen(self._protocol.table.records.live())

    def _seen(self, found: Iterable[Record]) -> list[MeshRecord]:
        records, now = self._protocol.table.records, self._clock()
        return [
            MeshRecord(r.host_id, r.kind, r.key, r.version, r.payload, records.age(r, now))
            for r in found
            if r.payload is not None
        ]

    def record(self, host_id: str, kind: str, key: str) -> MeshRecord | None:
        """Return one record of a live host, None where it has told none."""
        records = self._protocol.table.records
        r = records.get(host_id, kind, key)
        if r is None or r.payload is None:
            return None
        age = records.age(r, self._clock())
        return MeshRecord(r.host_id, r.kind, r.key, r.version, r.payload, age)

    def ref(self, member: Member) -> HostRef:
        """Return a member as a HostRef."""
        active, inactive = self._counts(member.host_id)
        identity = member.identity
        return HostRef(
            name=identity.name,
            url=identity.url,
            online=member.is_live,
            code_version=identity.code_version,
            last_seen=self._last_seen(member),
            active_count=active,
            inactive_count=inactive,
            error=self._error(member),
            host_id=identity.host_id,
            generation=identity.generation,
            incarnation=member.incarnation,
            tags=identity.tags,
            properties=dict(identity.properties),
            capabilities=identity.capabilities,
            status=member.status.value,
        )

    def _error(self, member: Member) -> str | None:
        ours = self._protocol.table.identity
        theirs = member.identity
        if theirs.code_version != ours.code_version:
            difference = self._explain(ours.code_version, theirs.code_version, theirs.name)
            return f"{difference}; give both the same agents, or the same --mesh-version"
        if member.is_live and self._protocol.table.is_superseded(member):
            return f"a newer host has taken the name {theirs.name}; start one under another name"
        drains = self._protocol.table.records.get(member.host_id, DRAINING_KIND, "")
        if member.is_live and drains is not None:
            return f"{theirs.name} drains: it takes no paglets any more"
        return None

    def _last_seen(self, member: Member) -> float:
        now = self._clock()
        heard = self._protocol.last_heard(member.host_id)
        if member.host_id == self._protocol.table.host_id:
            heard = now
        elif member.status is MemberStatus.ALIVE or heard is None:
            heard = max(member.since, heard or member.since)
        return self._wall_clock() - (now - heard)

    def _counts(self, host_id: str) -> tuple[int, int]:
        record = self._protocol.table.records.get(host_id, COUNTS_KIND, "")
        if record is None or record.payload is None:
            return 0, 0
        try:
            return _counts_decoder.decode(record.payload)
        except msgspec.DecodeError:
            return 0, 0


def is_usable(ref: HostRef) -> bool:
    """Return whether paglets may go to a host."""
    return ref.online and ref.error is None
