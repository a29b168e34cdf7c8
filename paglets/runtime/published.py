"""Records that paglets put on the gossip: small values, known on every host within seconds.

A record lives as long as the Paglet Process that published it: one that sleeps, moves or crashes
could not keep it true. One that is kept by a TTL says the same of a process that hangs: it is
published again and again, which the mesh hears of only where the value is another, and withdrawn
when that stops. So what does not change costs nothing.

Kinds of paglets have a name space of their own in the gossip, so that no paglet can pass for a
service or a host's counts. Records are lazy and their number is bounded, so their cost to every
host is constant, however often paglets publish.
"""

import asyncio
import math
from dataclasses import dataclass

from paglets.model.errors import FullError, InvalidRequestError, LifecycleError, TooLargeError
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
TTL_LEAST = 1.0
"""Least seconds for which a record may be kept."""
PAGE_BYTES = 128 * 1024
"""Bytes of values in one answer; the rest is asked for again."""


@dataclass(slots=True)
class _Kept:
    """A record as its process published it last."""

    payload: bytes
    expiry: asyncio.TimerHandle | None

    def holds(self, payload: bytes) -> bool:
        """Return whether the mesh has this value, as one that holds while it is there."""
        return self.expiry is not None and self.payload == payload


class Published:
    """The records of one host's paglets; used from its loop."""

    def __init__(self, records: GossipRecords, hosts: PeerHosts, tasks: Tasks) -> None:
        self._records = records
        self._hosts = hosts
        self._tasks = tasks
        self._kept: dict[ChildLink, dict[str, _Kept]] = {}

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
        if body.payload is None:
            self._forget(link, kind)
            self._records.set_record(kind, paglet.agent_id, None)
            return ops.Empty()
        self._require_fit(link, kind, body)
        if link not in self._kept:
            self._kept[link] = {}
            self._tasks.start(self._withdraw(link), f"records of {paglet.agent_id}")
        before = self._forget(link, kind)
        self._kept[link][kind] = _Kept(body.payload, self._expiry(link, kind, body.ttl))
        if body.ttl is None or before is None or not before.holds(body.payload):
            self._records.set_record(kind, paglet.agent_id, body.payload, lazy=True)
        return ops.Empty()

    def _require_fit(self, link: ChildLink, kind: str, body: ops.PublishCall) -> None:
        kinds = self._kept.get(link, {})
        if kind not in kinds:
            self._require_room(body.kind, len(kinds))
        if body.payload is not None and len(body.payload) > PAYLOAD_LIMIT_BYTES:
            raise TooLargeError(
                f"a record of kind {body.kind} has {len(body.payload)} bytes, the mesh carries "
                f"{PAYLOAD_LIMIT_BYTES}: publish where the rest can be asked for",
                limit=PAYLOAD_LIMIT_BYTES,
            )
        if body.ttl is not None and not TTL_LEAST <= body.ttl < math.inf:
            raise InvalidRequestError(
                f"a record of kind {body.kind} cannot be kept for {body.ttl:g} s: write at least "
                f"{TTL_LEAST:g}, or no ttl for one that stays"
            )

    def _require_room(self, kind: str, count: int) -> None:
        if count >= PER_PAGLET:
            raise FullError(
                f"no room for a record of kind {kind}: a paglet publishes at most {PER_PAGLET} "
                "kinds; withdraw one, or put more into one value"
            )
        if sum(map(len, self._kept.values())) >= PER_HOST:
            raise FullError(
                f"no room for a record of kind {kind}: the paglets of a host publish at most "
                f"{PER_HOST} records; let one paglet publish for several"
            )

    def _expiry(self, link: ChildLink, kind: str, ttl: float | None) -> asyncio.TimerHandle | None:
        if ttl is None:
            return None
        return asyncio.get_running_loop().call_later(ttl, self._expire, link, kind)

    def _expire(self, link: ChildLink, kind: str) -> None:
        """Withdraw what its process has not published again in time."""
        self._forget(link, kind)
        self._withdraw_unless_newer(link, {kind})

    def _forget(self, link: ChildLink, kind: str) -> _Kept | None:
        kept = self._kept.get(link, {}).pop(kind, None)
        if kept is not None and kept.expiry is not None:
            kept.expiry.cancel()
        return kept

    async def _withdraw(self, link: ChildLink) -> None:
        """Withdraw what a process has published, when it is over."""
        await link.wait_exit()
        kinds = set(self._kept[link])
        for kind in kinds:
            self._forget(link, kind)
        del self._kept[link]
        self._withdraw_unless_newer(link, kinds)

    def _withdraw_unless_newer(self, link: ChildLink, kinds: set[str]) -> None:
        # A new process of the same paglet may have published the same already.
        theirs = [there for other, there in self._kept.items() if other.agent_id == link.agent_id]
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
