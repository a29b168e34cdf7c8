"""Records that paglets put on the gossip: small values, known on every host within seconds.

A record lives as long as the Paglet Process that published it: one that sleeps, moves or crashes
could not keep it true. Kinds of paglets have a name space of their own in the gossip, so that no
paglet can pass for a service or a host's counts. Records are lazy and their number is bounded, so
their cost to every host is constant, however often paglets publish.
"""

from paglets.model.errors import FullError, LifecycleError, TooLargeError
from paglets.model.names import parse_name
from paglets.runtime.childcalls import Handler
from paglets.runtime.childlink import ChildLink
from paglets.runtime.ports import GossipRecords, PeerHosts
from paglets.runtime.roster import LocalPaglet
from paglets.runtime.tasks import Tasks
from paglets.wire import hostcalls as ops
from paglets.wire.calls import HostCall

PREFIX = "paglet."
"""Starts the kind of each such record in the gossip."""
KIND_LIMIT = 48
"""Longest kind, in characters."""
PAYLOAD_LIMIT_BYTES = 3 * 1024
"""Largest value: what is told on a probe beside everything else."""
PER_PAGLET = 8
"""Kinds that one paglet may have published."""
PER_HOST = 64
"""Records that the paglets of one host may have published."""
PAGE_BYTES = 128 * 1024
"""Bytes of values in one answer; the rest is asked for again."""


class Published:
    """The records of one host's paglets; used from its loop."""

    def __init__(self, records: GossipRecords, hosts: PeerHosts, tasks: Tasks) -> None:
        self._records = records
        self._hosts = hosts
        self._tasks = tasks
        self._kinds: dict[ChildLink, set[str]] = {}

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"publish": self.publish, "records": self.list}

    async def publish(
        self, paglet: LocalPaglet, body: ops.PublishCall, _call: HostCall
    ) -> ops.Empty:
        """Tell the mesh a record of the paglet, or withdraw it."""
        kind = gossip_kind(body.kind)
        link = paglet.link
        if link is None or link.is_over:
            raise LifecycleError(
                f"{paglet.agent_id} has no process any more: nobody could keep its record true",
                agent_id=paglet.agent_id,
            )
        kinds = self._kinds.get(link, set())
        if body.payload is None:
            kinds.discard(kind)
            self._records.set_record(kind, paglet.agent_id, None)
            return ops.Empty()
        if kind not in kinds:
            self._require_room(body.kind, kinds)
        if len(body.payload) > PAYLOAD_LIMIT_BYTES:
            raise TooLargeError(
                f"a record of kind {body.kind} has {len(body.payload)} bytes, the mesh carries "
                f"{PAYLOAD_LIMIT_BYTES}: publish where the rest can be asked for",
                limit=PAYLOAD_LIMIT_BYTES,
            )
        if link not in self._kinds:
            self._kinds[link] = kinds
            self._tasks.start(self._withdraw(link), f"records of {paglet.agent_id}")
        kinds.add(kind)
        self._records.set_record(kind, paglet.agent_id, body.payload, lazy=True)
        return ops.Empty()

    def _require_room(self, kind: str, kinds: set[str]) -> None:
        if len(kinds) >= PER_PAGLET:
            raise FullError(
                f"no room for a record of kind {kind}: a paglet publishes at most {PER_PAGLET} "
                "kinds; withdraw one, or put more into one value"
            )
        if sum(map(len, self._kinds.values())) >= PER_HOST:
            raise FullError(
                f"no room for a record of kind {kind}: the paglets of a host publish at most "
                f"{PER_HOST} records; let one paglet publish for several"
            )

    async def _withdraw(self, link: ChildLink) -> None:
        """Withdraw what a process has published, when it is over."""
        await link.wait_exit()
        kinds = self._kinds.pop(link)
        # A new process of the same paglet may have published the same already.
        theirs = [there for other, there in self._kinds.items() if other.agent_id == link.agent_id]
        for kind in kinds.difference(*theirs):
            self._records.set_record(kind, link.agent_id, None)

    async def list(
        self, _paglet: LocalPaglet, body: ops.RecordsCall, _call: HostCall
    ) -> ops.RecordsReply:
        """Return what paglets published under a kind."""
        return self.page(body)

    def page(self, body: ops.RecordsCall) -> ops.RecordsReply:
        """Return the records of a kind after a place, as many as fit."""
        found = sorted(
            self._records.records(gossip_kind(body.kind)), key=lambda each: (each.host_id, each.key)
        )
        told: list[ops.RecordBody] = []
        room = PAGE_BYTES
        for record in found:
            host = self._hosts.by_id(record.host_id)
            if (record.host_id, record.key) <= body.after or host is None:
                continue
            room -= len(record.payload)
            if room < 0:
                return ops.RecordsReply(records=tuple(told), is_last=False)
            told.append(
                ops.RecordBody(
                    host_id=record.host_id,
                    host_name=host.name,
                    host_url=host.url,
                    agent_id=record.key,
                    payload=record.payload,
                    age=round(record.age, 3),
                )
            )
        return ops.RecordsReply(records=tuple(told))


def gossip_kind(kind: str) -> str:
    """Return the kind in the gossip of a kind that paglets use.

    Raises:
        InvalidNameError: It is no name.
        TooLargeError: It is too long.
    """
    parse_name(kind, what="record kind")
    if len(kind) > KIND_LIMIT:
        raise TooLargeError(f"record kind {kind[:80]!r}: at most {KIND_LIMIT} characters")
    return PREFIX + kind
