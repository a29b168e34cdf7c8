"""What the client and the server side of the engine share: table, news, and how frames are made.

Pure. `protocol.py` decides when to speak, `serving.py` what to answer; both go through here, so
every frame carries news and every frame's news is heard.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import msgspec

from paglets.mesh.awareness import Awareness
from paglets.mesh.broadcasts import Broadcasts
from paglets.mesh.instructions import (
    GOSSIP_PATH,
    Answer,
    Instruction,
    Notify,
    NotifySelf,
    SelfChange,
    Send,
)
from paglets.mesh.marks import mark_of
from paglets.mesh.members import NOTHING, Change, Member, Outcome
from paglets.mesh.messages import (
    PROTOCOL,
    Alive,
    AnyRumour,
    Body,
    Dead,
    Frame,
    Identity,
    Left,
    Record,
    Rumours,
    Suspect,
)
from paglets.mesh.probing import Ring
from paglets.mesh.statistics import MeshStatistics
from paglets.mesh.table import Table
from paglets.mesh.timing import MeshTiming, lazy_transmissions, transmissions
from paglets.model.enums import MemberStatus

OnEnd: TypeAlias = Callable[[Frame | None, str, float], None]
"""Told how a call ended: the answer, or None and why; and the time."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a frame is for."""

    url: str
    host_id: str = ""
    """Empty: whoever answers there."""


class Session:
    """Table, news and calls of one host. One owner; calls never overlap."""

    def __init__(self, identity: Identity, timing: MeshTiming, random: Random, now: float) -> None:
        self.timing = timing
        self.random = random
        self.table = Table(identity, timing, now)
        self.ring = Ring()
        self.news = Broadcasts()
        self.lazy_news = Broadcasts()
        self.awareness = Awareness(timing.awareness_max)
        self.statistics = MeshStatistics()
        self.heard: dict[str, float] = {}
        """When a host last spoke to us itself."""
        self.next_gossip = math.inf
        self.is_joining = False
        """A seed is about to tell us everybody: nobody is a stranger to be asked for news."""
        self.remembered_boots = 0
        """The most starts of our data folder that a peer remembers beyond ours."""
        self._own_mark = mark_of(identity.host_id)
        self._calls: dict[int, OnEnd] = {}
        self._last_call = 0
        self._out: list[Instruction] = []

    def drain(self) -> list[Instruction]:
        """Return what the driver has to do, once."""
        out, self._out = self._out, []
        return out

    def tell(self, instruction: Instruction) -> None:
        """Add an instruction for the driver."""
        self._out.append(instruction)

    def take(self, outcome: Outcome, now: float) -> None:
        """Act on what followed from a piece of news."""
        if outcome is NOTHING:
            return
        for rumour in outcome.rumours:
            self.spread(rumour, now)
        for event in outcome.events:
            if event.change is Change.JOINED:
                self.ring.add(event.member.host_id, self.random)
            self._out.append(Notify(event))
        if outcome.refuted:
            self.statistics.refutations += 1
            self.awareness.apply(1)
        if outcome.renewed:
            self._out.append(NotifySelf(SelfChange.RENEWED))

    def spread(self, rumour: AnyRumour, now: float) -> None:
        """Queue a rumour for others; urgent ones start the rounds of gossip."""
        if isinstance(rumour, Record) and rumour.lazy:
            self.lazy_news.add(rumour)
            return
        self.news.add(rumour)
        if self.next_gossip == math.inf:
            self.next_gossip = now + self.random.random() * self.timing.gossip_interval

    def hear(self, frame: Frame, now: float) -> bool:
        """Take in the news on a frame; return whether it made us refute an accusation."""
        self.heard[frame.sender] = now
        refuted = False
        for rumour in frame.rumours:
            outcome = self.table.apply(rumour, now)
            if outcome is not NOTHING:
                refuted = refuted or outcome.refuted
                self.take(outcome, now)
        return refuted

    def is_for_us(self, frame: Frame) -> bool:
        """Return whether the sender meant this host."""
        return frame.target in {0, self._own_mark}

    def send(
        self, peer: Peer, body: Body, timeout: float, on_end: OnEnd, *, path: str = GOSSIP_PATH
    ) -> None:
        """Request something of a peer; `on_end` is told within `timeout` seconds."""
        self._last_call += 1
        self._calls[self._last_call] = on_end
        frame = self._frame(body, peer.host_id)
        self._out.append(Send(self._last_call, peer.url, path, frame, timeout))

    def answer(self, request: int, asker: Frame, body: Body) -> None:
        """Answer a request."""
        known = self.table.members.get(asker.sender)
        is_stranger = known is None or known.generation < asker.generation
        unknown = is_stranger and not self.is_joining
        frame = self._frame(body, asker.sender, heard=asker.rumours, unknown=unknown)
        if known is not None and known.generation > asker.generation:
            news = (introduction(known), *frame.rumours)
            frame = msgspec.structs.replace(frame, rumours=news)
        self._out.append(Answer(request, frame))

    def end_call(self, call: int, frame: Frame | None, reason: str, now: float) -> None:
        """Report the end of a call to whom it belongs; ends that come twice are ignored."""
        on_end = self._calls.pop(call, None)
        if on_end is not None:
            self.statistics.calls_failed += frame is None
            on_end(frame, reason, now)

    def accusation(self, member: Member) -> AnyRumour | None:
        """Return what a member should know that we believe of it, so that it can refute."""
        place = (member.host_id, member.generation, member.incarnation)
        match member.status:
            case MemberStatus.SUSPECT:
                return Suspect(*place, self.table.host_id)
            case MemberStatus.DEAD:
                return Dead(*place, self.table.host_id)
            case MemberStatus.LEFT:
                return Left(*place)
            case MemberStatus.ALIVE:
                return None

    def adopt(self, template: Table, host_ids: Iterable[str]) -> None:
        """Start as a long-standing member of a mesh; see `Table.adopt`."""
        self.table.adopt(template)
        self.ring.fill((i for i in host_ids if i != self.table.host_id), self.random)

    def _frame(
        self, body: Body, host_id: str, *, heard: Rumours = (), unknown: bool = False
    ) -> Frame:
        table = self.table
        rumours = self._piggyback(heard)
        member = table.members.get(host_id)
        if member is not None and member.status is not MemberStatus.ALIVE:
            accusation = self.accusation(member)
            if accusation is not None:
                rumours = (accusation, *rumours)
        return Frame(
            PROTOCOL,
            table.host_id,
            table.identity.generation,
            table.digest,
            mark_of(host_id) if host_id else 0,
            body,
            rumours,
            unknown,
        )

    def _piggyback(self, heard: Rumours) -> Rumours:
        if not len(self.news) and not len(self.lazy_news):
            return ()
        hosts = self.table.live
        budget = self.timing.piggyback_bytes
        urgent = self.news.take(budget, transmissions(self.timing, hosts), heard)
        if len(self.lazy_news):
            urgent += self.lazy_news.take(budget // 4, lazy_transmissions(hosts), heard)
        return tuple(urgent)


def introduction(member: Member) -> Alive:
    """Return the rumour that introduces a member with all it says of itself."""
    return Alive(member.host_id, member.generation, member.incarnation, member.identity)


def ignore_end(_frame: Frame | None, _reason: str, _now: float) -> None:
    """End a call whose answer matters only for the news it carried."""
