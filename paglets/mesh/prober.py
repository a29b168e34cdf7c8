"""Probing others: one member at a time, directly, then through helpers, then suspicion.

Pure; part of the engine. Whom to probe is `probing.Ring`'s choice.
"""

import math
from functools import partial

from paglets.mesh.messages import Ack, Frame, Nack, Ping, PingRequest, Suspect
from paglets.mesh.probing import Probe
from paglets.mesh.session import Peer, Session
from paglets.mesh.timing import scaled


class Prober:
    """The probe under way and when the next one starts. Times are monotonic seconds."""

    def __init__(self, session: Session, now: float) -> None:
        self._session = session
        self._probe: Probe | None = None
        self._next = now + session.random.random() * session.timing.probe_interval

    @property
    def due(self) -> float:
        """When `tick` has something to do."""
        if self._probe is None or self._probe.is_acked:
            return self._next
        return self._probe.due

    def restart(self, now: float) -> None:
        """Forget the probe under way, blaming nobody, and start another at once."""
        self._probe = None
        self._next = now

    def tick(self, now: float) -> None:
        """Ask helpers, suspect, or start the next probe, as is due."""
        probe = self._probe
        if probe is not None and not probe.is_acked:
            if probe.deadline > now:
                if probe.due <= now:
                    self._ask_others(probe, now)
                return
            self._accuse(probe, now)
        if self._next <= now:
            self._start(now)

    def _start(self, now: float) -> None:
        session, timing = self._session, self._session.timing
        is_late = now - self._next > timing.probe_interval
        self._next = (now if is_late else self._next) + timing.probe_interval
        self._probe = None
        host_id = (
            None if session.table.leaving else session.ring.next(session.table, session.random)
        )
        if host_id is None:
            return
        member = session.table.members[host_id]
        length = scaled(timing.probe_interval, session.awareness.score)
        probe = Probe(host_id, member.generation, now, now + timing.probe_timeout, now + length)
        self._probe = probe
        session.statistics.probes += 1
        peer = Peer(member.identity.url, host_id)
        session.send(peer, Ping(), length, partial(self._pinged, probe))

    def _pinged(self, probe: Probe, frame: Frame | None, _reason: str, now: float) -> None:
        if frame is not None and frame.sender == probe.host_id:
            self._ack(probe)
        elif probe is self._probe and not probe.is_indirect and now < probe.deadline:
            self._ask_others(probe, now)

    def _ack(self, probe: Probe) -> None:
        if not probe.is_acked and probe is self._probe:
            probe.is_acked = True
            self._session.awareness.apply(-1)

    def _ask_others(self, probe: Probe, now: float) -> None:
        session = self._session
        probe.is_indirect = True
        left = probe.deadline - now
        target = session.table.members[probe.host_id]
        body = PingRequest(probe.host_id, target.identity.url, max(1, int(left * 1000)))
        helpers = session.ring.some(
            session.timing.indirect_probes, session.table, session.random, besides=probe.host_id
        )
        for host_id in helpers:
            probe.expected_nacks += 1
            peer = Peer(session.table.members[host_id].identity.url, host_id)
            session.send(peer, body, left, partial(self._asked, probe))

    def _asked(self, probe: Probe, frame: Frame | None, *_: object) -> None:
        if frame is not None and isinstance(frame.body, Ack):
            self._ack(probe)
        elif frame is not None and isinstance(frame.body, Nack):
            probe.nacks += 1

    def _accuse(self, probe: Probe, now: float) -> None:
        """Suspect who did not answer, unless it spoke to us itself meanwhile."""
        session = self._session
        self._probe = None
        session.statistics.probes_failed += 1
        session.awareness.apply(probe.blame)
        member = session.table.members.get(probe.host_id)
        if member is None or member.generation != probe.generation:
            return
        if session.heard.get(probe.host_id, -math.inf) >= probe.started:
            return
        session.statistics.suspicions += 1
        place = (probe.host_id, member.generation, member.incarnation)
        session.take(session.table.apply(Suspect(*place, session.table.host_id), now), now)
