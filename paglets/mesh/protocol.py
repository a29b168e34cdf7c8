"""The SWIM engine of one host: probes, gossip, comparisons, joins, contacts, good-bye.

Pure (sans-IO): requests, answers, failures and the passing of time go in; `Instruction`s come out.
The owner is `gossip.py` on a real network, `paglets.testing.network` in a simulation. Calls never
overlap. After every call `deadline` says when `tick` is due at the latest; a tick that comes later
than that by more than `pause_threshold` means that this process was stopped or starved, and the
engine then blames itself instead of those who could not reach it.

The parts: `session.py` (table and news), `prober.py`, `comparer.py`, `joiner.py`, `serving.py`
(requests of others). What a piece of news means is decided in `table.py`.
"""

import math
from collections.abc import Iterable
from random import Random

import msgspec

from paglets.mesh.comparer import Comparer
from paglets.mesh.instructions import Instruction, NotifySelf, SelfChange
from paglets.mesh.joiner import Joiner
from paglets.mesh.members import Member
from paglets.mesh.messages import Frame, Gossip, Identity, Record
from paglets.mesh.own_records import OwnRecords
from paglets.mesh.prober import Prober
from paglets.mesh.records import OWNER_LIMIT, OWNER_LIMIT_BYTES
from paglets.mesh.serving import Server
from paglets.mesh.session import Peer, Session, ignore_end
from paglets.mesh.statistics import MeshStatistics
from paglets.mesh.table import Table
from paglets.mesh.timing import MeshTiming
from paglets.model.errors import TooLargeError

FORGET_INTERVAL = 60.0
"""Seconds between two clean-ups of the table."""

LEAVE_FANOUT = 12
"""Members told directly that we leave; they tell the rest."""


class Protocol:
    """One host's part in the mesh."""

    def __init__(
        self,
        identity: Identity,
        timing: MeshTiming,
        seeds: tuple[str, ...],
        random: Random,
        now: float,
    ) -> None:
        self.timing = timing
        self.deadline = now
        """When `tick` is due; seconds on the clock that every `now` is read from."""
        self._session = Session(identity, timing, random, now)
        self._prober = Prober(self._session, now)
        self._comparer = Comparer(self._session)
        self._server = Server(self._session)
        self._joiner = Joiner(self._session, self._comparer, self._server, seeds, now)
        self._own = OwnRecords(identity.host_id, timing)
        self._next_forget = now + FORGET_INTERVAL

    @property
    def table(self) -> Table:
        """What this host believes."""
        return self._session.table

    @property
    def statistics(self) -> MeshStatistics:
        """Counters since the start."""
        statistics = self._session.statistics
        statistics.awareness = self._session.awareness.score
        return statistics

    @property
    def has_news(self) -> bool:
        """Whether there is news that others, if there are any, were not told often enough."""
        mine = self.table.host_id
        others = (m for host_id, m in self.table.members.items() if host_id != mine)
        return len(self._session.news) > 0 and any(member.is_live for member in others)

    def last_heard(self, host_id: str) -> float | None:
        """Return when a host last spoke to this one itself, None if never."""
        return self._session.heard.get(host_id)

    def adopt(self, template: Table, host_ids: Iterable[str]) -> None:
        """Start as a long-standing member of a mesh; see `Table.adopt`."""
        self._session.adopt(template, host_ids)

    def tick(self, now: float) -> list[Instruction]:
        """Do what is due."""
        if now - self.deadline > self.timing.pause_threshold:
            self._blame_ourselves(now, now - self.deadline)
        session = self._session
        session.take(self.table.expire(now), now)
        self._prober.tick(now)
        for record in self._own.due(self.table.identity.generation, now):
            self.table.records.put(record, now)
            session.spread(record, now)
        if session.next_gossip <= now:
            self._gossip(now)
        self._comparer.tick(now)
        self._joiner.tick(now)
        if self._next_forget <= now:
            self.table.forget(now)
            self._next_forget = now + FORGET_INTERVAL
        return self._done()

    def receive(self, request: int, frame: Frame, now: float) -> list[Instruction]:
        """Take in a request; its `Answer` is among these or later instructions."""
        self._server.receive(request, frame, now)
        return self._done()

    def answered(self, call: int, frame: Frame, now: float) -> list[Instruction]:
        """Take in the answer to a `Send`."""
        refuted = self._session.hear(frame, now)
        self._session.end_call(call, frame, "", now)
        peer = self.table.members.get(frame.sender)
        if peer is not None and peer.host_id != self.table.host_id:
            if frame.unknown or frame.generation > peer.generation:
                self._comparer.compare(peer, now)
            elif refuted:
                self._tell(peer)
            self._comparer.note_digest(frame, now)
        return self._done()

    def failed(self, call: int, reason: str, now: float) -> list[Instruction]:
        """Note that a `Send` got no answer, and why."""
        self._session.end_call(call, None, reason, now)
        return self._done()

    def resolved(self, urls: tuple[str, ...], now: float) -> list[Instruction]:
        """Join at those addresses of a seed, or of a beacon, that are not yet members."""
        self._joiner.resolved(urls, now)
        return self._done()

    def set_record(
        self, kind: str, key: str, payload: bytes | None, now: float, *, lazy: bool = False
    ) -> list[Instruction]:
        """Set or withdraw (None) a record of this host.

        Raises:
            TooLargeError: All records of this host together would be more than others take in.
        """
        place, mine = (kind, key), self.table.host_id
        if not self.table.records.has_room(Record(mine, 0, kind, key, 0, payload)):
            raise TooLargeError(
                f"no room for record {kind} {key[:80]!r}: a host has at most {OWNER_LIMIT} "
                f"records of {OWNER_LIMIT_BYTES} bytes together"
            )
        if payload is None and self.table.records.get(mine, kind, key) is None:
            self._own.release(place)  # nobody was told of it
        elif lazy:
            random = self._session.random.random()
            self._own.hold(place, payload, self.table.live, random, now)
        else:
            record = self._own.number(place, payload, self.table.identity.generation)
            self.table.records.put(record, now)
            self._session.spread(record, now)
        return self._done()

    def update(self, identity: Identity, now: float) -> list[Instruction]:
        """Change what this host says of itself; id and generation stay as they are."""
        mine = self.table.identity
        same = msgspec.structs.replace(identity, host_id=mine.host_id, generation=mine.generation)
        self._session.take(self.table.update_self(same), now)
        return self._done()

    def leave(self, now: float) -> list[Instruction]:
        """Say good-bye: to some directly, to the rest by their gossip."""
        session = self._session
        session.spread(self.table.leave(), now)
        for host_id in session.ring.some(LEAVE_FANOUT, self.table, session.random):
            self._tell(self.table.members[host_id])
        return self._done()

    def _done(self) -> list[Instruction]:
        self.deadline = min(
            self._prober.due,
            self._session.next_gossip,
            self._comparer.due,
            self._joiner.due,
            self._next_forget,
            self.table.next_expiry,
            self._own.next_due,
        )
        return self._session.drain()

    def _blame_ourselves(self, now: float, late: float) -> None:
        """We were stopped or starved: nobody else is to blame for what we did not hear."""
        session = self._session
        session.statistics.pauses += 1
        session.awareness.apply(1)
        self.table.delay_suspicions(late)
        self._prober.restart(now)
        self._joiner.hurry(now)
        session.tell(NotifySelf(SelfChange.PAUSED, f"this host was paused for {late:.1f} s"))

    def _gossip(self, now: float) -> None:
        session, timing = self._session, self.timing
        if not len(session.news):
            session.next_gossip = math.inf
            return
        session.next_gossip = now + timing.gossip_interval
        for host_id in session.ring.some(timing.gossip_fanout, self.table, session.random):
            self._tell(self.table.members[host_id])
            if not len(session.news):
                return

    def _tell(self, member: Member) -> None:
        """Send our news to a member, without waiting for anything but its own news."""
        self._session.statistics.gossip_sent += 1
        peer = Peer(member.identity.url, member.host_id)
        self._session.send(peer, Gossip(), self.timing.probe_interval, ignore_end)
