"""The small records that ride on the gossip, for people: `GET /records`.

Every record this host knows, of every part: services, load, counts, what paglets publish. Nobody
else is asked, so what is shown is what look-ups here go by.
"""

import msgspec

from paglets.runtime.ports import GossipRecords, PeerHosts
from paglets.runtime.published import PREFIX
from paglets.wire.bodies import RecordInfo, RecordList


class RecordView:
    """Shows the records that one host knows.

    Args:
        records: What rides on the gossip.
        hosts: Whose they are.
    """

    def __init__(self, records: GossipRecords, hosts: PeerHosts) -> None:
        self._records = records
        self._hosts = hosts

    def list(
        self, *, host: str | None, kind: str | None, after: str | None, limit: int
    ) -> RecordList:
        """Return a page of records by host, kind and key.

        Args:
            host: Only those of hosts of this name.
            kind: Only this kind.
            after: `next` of the page before.
            limit: Most records of the page.
        """
        names = {ref.host_id: ref.name for ref in [self._hosts.self_ref(), *self._hosts.hosts()]}
        told = {
            _turn(names.get(each.host_id, ""), each.host_id, each.kind, each.key): each
            for each in self._records.all_records()
            if kind in {None, each.kind} and host in {None, names.get(each.host_id)}
        }
        left = [(turn, told[turn]) for turn in sorted(told) if after is None or turn > after]
        page = tuple(
            RecordInfo(
                host_name=names.get(each.host_id, ""),
                host_id=each.host_id,
                kind=each.kind,
                key=each.key,
                version=each.version,
                age_seconds=round(each.age, 1),
                size_bytes=len(each.payload),
                value=readable(each.kind, each.payload),
            )
            for _, each in left[:limit]
        )
        return RecordList(records=page, next=left[limit - 1][0] if len(left) > limit else None)


def readable(kind: str, payload: bytes) -> msgspec.Raw:
    """Return a payload as JSON, null where it is in no form that we know.

    What paglets publish is JSON, what parts of a host tell is MessagePack.
    """
    try:
        if kind.startswith(PREFIX):
            value = msgspec.json.decode(payload)
        else:
            value = msgspec.msgpack.decode(payload)
        return msgspec.Raw(msgspec.json.encode(value))
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError):
        return msgspec.Raw(b"null")


def _turn(*parts: str) -> str:
    return "\t".join(parts)
