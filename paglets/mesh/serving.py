"""The server side of the engine: what is answered to pings, gossip, comparisons and joins.

Pure. Two requests are answered later, after a call of our own: `PingRequest`, for which we probe in
the asker's place, and `Join`, for which we call the newcomer back at the URL it advertises.
"""

from functools import partial

from paglets.mesh import syncing
from paglets.mesh.instructions import NotifySelf, SelfChange
from paglets.mesh.lives import generation_floor, rolled_back_boots
from paglets.mesh.messages import (
    Ack,
    Alive,
    Frame,
    Gossip,
    Join,
    Joined,
    Misdirected,
    Nack,
    Ping,
    PingRequest,
    Push,
    PushPull,
)
from paglets.mesh.session import Peer, Session

RELAY_SHARE = 0.8
"""Part of the asker's time we wait for the member, so that our Nack still arrives in time."""


class Server:
    """Answers requests of other hosts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_reached = False

    def receive(self, request: int, frame: Frame, now: float) -> None:
        """Take in a request; its `Answer` follows now or when a call of ours has ended."""
        session = self._session
        session.hear(frame, now)
        if not session.is_for_us(frame):
            session.answer(request, frame, Misdirected())
            return
        match frame.body:
            case Ping():
                self._note_reached(frame)
                session.answer(request, frame, Ack())
            case PingRequest():
                self._relay(request, frame, frame.body)
            case PushPull():
                answer, outcome = syncing.compare(session.table, frame.body, frame.sender, now)
                session.take(outcome, now)
                session.answer(request, frame, answer)
            case Push():
                outcome = syncing.take_in(session.table, frame.body, frame.sender, now)
                session.take(outcome, now)
                session.answer(request, frame, Ack())
            case Join():
                self._join(request, frame, frame.body, now)
            case _:
                session.answer(request, frame, Ack() if _is_gossip(frame) else Misdirected())

    def _note_reached(self, frame: Frame) -> None:
        """A ping that names us arrived: we are reachable at what we advertise."""
        if frame.target and not self._is_reached:
            self._is_reached = True
            self._session.tell(NotifySelf(SelfChange.REACHABLE))

    def forget_reached(self) -> None:
        """Wait for the next ping before saying that we are reachable."""
        self._is_reached = False

    def _relay(self, request: int, asker: Frame, body: PingRequest) -> None:
        timeout = RELAY_SHARE * body.budget_ms / 1000
        ended = partial(self._relayed, request, asker, body.host_id)
        self._session.send(Peer(body.url, body.host_id), Ping(), timeout, ended)

    def _relayed(
        self, request: int, asker: Frame, host_id: str, frame: Frame | None, *_: object
    ) -> None:
        is_there = frame is not None and frame.sender == host_id
        self._session.answer(request, asker, Ack() if is_there else Nack())

    def _join(self, request: int, asker: Frame, body: Join, now: float) -> None:
        session, identity = self._session, body.identity
        table = session.table
        if identity.host_id != asker.sender or identity.host_id == table.host_id:
            session.answer(request, asker, Joined())
            return
        remembered = rolled_back_boots(table, identity)
        floor = generation_floor(table, identity)
        rumour = Alive(identity.host_id, identity.generation, body.incarnation, identity)
        session.take(table.apply(rumour, now), now)
        session.statistics.joins += 1
        draft = Joined(remembered_boots=remembered, generation_floor=floor)
        ended = partial(self._called_back, request, asker, draft)
        peer = Peer(identity.url, identity.host_id)
        session.send(peer, Ping(), session.timing.callback_timeout, ended)

    def _called_back(
        self,
        request: int,
        asker: Frame,
        draft: Joined,
        frame: Frame | None,
        reason: str,
        now: float,
    ) -> None:
        table = self._session.table
        unreachable = None
        if frame is None:
            unreachable = reason or "no answer"
        elif frame.sender != asker.sender:
            unreachable = f"host {frame.sender} answers there"
        states, records = syncing.whole(table, now)
        answer = Joined(
            states, records, unreachable, draft.remembered_boots, draft.generation_floor
        )
        self._session.answer(request, asker, answer)


def _is_gossip(frame: Frame) -> bool:
    return isinstance(frame.body, Gossip)
