"""When to compare tables, and with whom: where digests differ, soon if news is quiet.

Pure; part of the engine. What is compared is in `syncing.py`.
"""

import math
from functools import partial

from paglets.mesh import syncing
from paglets.mesh.instructions import NotifySelf, SelfChange
from paglets.mesh.members import Member
from paglets.mesh.messages import Frame, PushPullAnswer
from paglets.mesh.session import Peer, Session, ignore_end
from paglets.mesh.timing import stretch


class Comparer:
    """Comparisons begun by this host. Times are monotonic seconds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._differing = ""
        self._last = -math.inf
        self._compared_at: dict[str, float] = {}
        self.due = math.inf
        """When `tick` has something to do."""

    def note_digest(self, frame: Frame, now: float) -> None:
        """Plan a comparison with a peer whose table differs from ours."""
        session, timing = self._session, self._session.timing
        if frame.digest == session.table.digest:
            if frame.sender == self._differing:
                self._differing, self.due = "", math.inf
            return
        spacing = timing.push_pull_interval if len(session.news) else timing.push_pull_gap
        spacing *= stretch(session.table.live) * (0.75 + session.random.random() / 2)
        self._differing = frame.sender
        self.due = min(self.due, max(now, self._last + spacing))

    def tick(self, now: float) -> None:
        """Compare, if it is time."""
        if self.due > now:
            return
        member = self._session.table.members.get(self._differing)
        self._differing, self.due = "", math.inf
        if member is not None and member.is_live:
            self._last = now
            self.compare(member, now)

    def compare(self, member: Member, now: float) -> None:
        """Compare tables with a member, dead or alive; not twice within `push_pull_gap`."""
        session = self._session
        if now - self._compared_at.get(member.host_id, -math.inf) < session.timing.push_pull_gap:
            return
        self._compared_at[member.host_id] = now
        session.statistics.comparisons += 1
        peer = Peer(member.identity.url, member.host_id)
        ended = partial(self._compared, peer)
        session.send(peer, syncing.summary(session.table), session.timing.push_pull_timeout, ended)

    def _compared(self, peer: Peer, frame: Frame | None, _reason: str, now: float) -> None:
        if frame is None or not isinstance(frame.body, PushPullAnswer):
            return
        session, body = self._session, frame.body
        outcome = syncing.take_in(session.table, body, frame.sender, now)
        session.take(outcome, now)
        note_rollback(session, body.remembered_boots)
        if body.want or outcome.refuted or frame.unknown:
            push = syncing.fulfil(session.table, body.want, now)
            session.send(peer, push, session.timing.push_pull_timeout, ignore_end)


def note_rollback(session: Session, remembered: int | None) -> None:
    """Tell the host that a peer remembers `remembered` starts of its data folder, if any."""
    if remembered is not None and remembered > session.remembered_boots:
        session.remembered_boots = remembered
        session.tell(NotifySelf(SelfChange.ROLLED_BACK, boots=remembered))
