"""Getting in and staying in: seeds until one answers, then seeds and the dead again, for ever.

Pure; part of the engine. A split of any length heals because of this.
"""

import math
from functools import partial

from paglets.mesh import syncing
from paglets.mesh.comparer import Comparer, note_rollback
from paglets.mesh.contacts import Contacts
from paglets.mesh.instructions import JOIN_PATH, NotifySelf, Resolve, SelfChange
from paglets.mesh.messages import Frame, Join, Joined, Ping, Push
from paglets.mesh.serving import Server
from paglets.mesh.session import Peer, Session


class Joiner:
    """Contacts this host begins. Times are monotonic seconds."""

    def __init__(
        self,
        session: Session,
        comparer: Comparer,
        server: Server,
        seeds: tuple[str, ...],
        now: float,
    ) -> None:
        self._session = session
        self._comparer = comparer
        self._server = server
        self._contacts = Contacts(seeds)
        self._busy: set[str] = set()
        self.due = now
        """When `tick` has something to do."""

    def hurry(self, now: float) -> None:
        """Try the next contact at once."""
        self.due = min(self.due, now)

    def tick(self, now: float) -> None:
        """Try all seeds while alone, else one random seed or dead member."""
        if self.due > now:
            return
        session, timing = self._session, self._session.timing
        if session.table.leaving:
            self.due = math.inf
            return
        is_alone = session.table.live == 1 and bool(self._contacts.seeds)
        interval = timing.join_interval if is_alone else timing.contact_interval
        self.due = now + interval * (0.75 + session.random.random() / 2)
        if is_alone:
            for each in self._contacts.seeds:
                session.tell(Resolve(each))
            return
        host_id, seed = self._contacts.pick(session.table, session.random)
        if host_id is not None:
            self._knock(host_id)
        elif seed is not None:
            session.tell(Resolve(seed))

    def resolved(self, urls: tuple[str, ...], now: float) -> None:
        """Join at those addresses that are neither ours nor a live member's."""
        for url in urls:
            if url not in self._busy and self._contacts.is_wanted(url, self._session.table, now):
                self._join(url)

    def _knock(self, host_id: str) -> None:
        """Ping a dead member; the ping tells it what we believe, so that it can refute."""
        session = self._session
        session.statistics.contacts += 1
        peer = Peer(session.table.members[host_id].identity.url, host_id)
        ended = partial(self._opened, host_id)
        session.send(peer, Ping(), session.timing.push_pull_timeout, ended)

    def _opened(self, host_id: str, frame: Frame | None, _reason: str, now: float) -> None:
        member = self._session.table.members.get(host_id)
        if frame is not None and frame.sender == host_id and member is not None:
            self._comparer.compare(member, now)

    def _join(self, url: str) -> None:
        session = self._session
        self._busy.add(url)
        session.is_joining = True
        session.statistics.contacts += 1
        body = Join(session.table.identity, session.table.incarnation)
        ended = partial(self._joined, url)
        timeout = session.timing.push_pull_timeout
        session.send(Peer(url), body, timeout, ended, path=JOIN_PATH)

    def _joined(self, url: str, frame: Frame | None, _reason: str, now: float) -> None:
        session = self._session
        self._busy.discard(url)
        session.is_joining = bool(self._busy)
        if frame is None or not isinstance(frame.body, Joined):
            self._contacts.failed(url)
            return
        self._contacts.answered(url, frame.sender, session.table, now)
        if frame.sender == session.table.host_id:
            return
        body = frame.body
        told = Push(body.states, body.records)
        session.take(syncing.take_in(session.table, told, frame.sender, now), now)
        if body.generation_floor >= session.table.identity.generation:
            session.take(session.table.raise_generation(body.generation_floor, now), now)
        note_rollback(session, body.remembered_boots)
        if body.unreachable is not None:
            self._warn(frame.sender, body.unreachable)

    def _warn(self, seed_id: str, reason: str) -> None:
        session = self._session
        self._server.forget_reached()
        seed = session.table.members.get(seed_id)
        who = seed.name if seed is not None else seed_id
        text = f"{who} cannot reach you at {session.table.identity.url}: {reason}"
        session.tell(NotifySelf(SelfChange.UNREACHABLE, text))
