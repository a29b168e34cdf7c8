"""Who is in the mesh, as this host believes: the merge rules of SWIM with generations and names.

Pure: news and the time go in; the new state and what follows from it (`Outcome`) come out. No
clock, no randomness, no I/O. Times are seconds on this host's monotonic clock; no time of another
host is ever compared with ours. Who is probed when is decided in `protocol.py`; what is compared
between two tables in `syncing.py`; the time a suspicion takes in `suspicion.py`.

The order of belief about one host id: higher generation, then higher incarnation, then
alive < suspect < dead < left. Only a host itself raises its incarnation, to refute; only a restart
raises its generation.
"""

import math

import msgspec

from paglets.mesh.marks import mark_of
from paglets.mesh.members import (
    NOTHING,
    Change,
    Member,
    MemberEvent,
    Outcome,
    is_live,
    precedence,
)
from paglets.mesh.messages import Alive, AnyRumour, Dead, Identity, Left, Record, State, Suspect
from paglets.mesh.names import NameIndex
from paglets.mesh.records import Records
from paglets.mesh.suspicion import Suspicion, begin_suspicion
from paglets.mesh.timing import MeshTiming
from paglets.model.enums import MemberStatus

ALIVE, SUSPECT, DEAD, LEFT = (
    MemberStatus.ALIVE,
    MemberStatus.SUSPECT,
    MemberStatus.DEAD,
    MemberStatus.LEFT,
)

RAISE_LIMIT = 3
"""Times a host takes a higher generation in one life: twins must not outbid each other for ever."""


def member_mark(member: Member) -> int:
    """Return a mark of (id, generation, edition, incarnation, status); 0 if not live."""
    if not is_live(member.status):
        return 0
    identity = member.identity
    life = (identity.generation, identity.edition, member.incarnation)
    return mark_of(identity.host_id, *life, member.status)


class Table:
    """Membership of one host. One owner; calls never overlap."""

    def __init__(self, identity: Identity, timing: MeshTiming, now: float) -> None:
        self.identity = identity
        """What this host says of itself."""
        self.incarnation = 0
        self.leaving = False
        """Good-bye was said: accusations are no longer refuted."""
        self.members: dict[str, Member] = {}
        """Everybody known by host id, this host and the dead included."""
        self.suspicions: dict[str, Suspicion] = {}
        self.next_expiry = math.inf
        """No suspicion runs out before this time."""
        self.records = Records()
        self.live = 0
        """Members alive or suspect, this host included."""
        self.dead = 0
        """Members dead, not counting those that left."""
        self._timing = timing
        self.names = NameIndex()
        """Which host ids were seen under which name."""
        self._marks = 0
        self._raises = 0
        self._store(Member(identity, 0, ALIVE, now))

    @property
    def host_id(self) -> str:
        """This host's id."""
        return self.identity.host_id

    @property
    def digest(self) -> int:
        """Order-free hash of the live members' (id, generation, incarnation, status) and records.

        The dead do not count: hosts may forget them at different times.
        """
        return self._marks ^ self.records.digest

    def holder(self, name: str) -> Member | None:
        """Return who has a name: a live member before others, then the highest generation."""
        ids = self.names.ids(name)
        return max((self.members[i] for i in ids), key=_precedence, default=None)

    def is_superseded(self, member: Member) -> bool:
        """Return whether another host id now has this member's name."""
        holder = self.holder(member.name)
        return holder is not None and holder.host_id != member.host_id

    def adopt(self, template: "Table") -> None:
        """Start with the members of another table: a snapshot, or a simulated mesh long running."""
        self.members = dict(template.members)
        self.names = template.names.copy()
        self._marks = template.digest ^ template.records.digest
        self.live, self.dead = template.live, template.dead

    def apply(self, rumour: AnyRumour, now: float) -> Outcome:
        """Take in a rumour as it came by gossip."""
        if isinstance(rumour, Record):
            return self._record(rumour, now)
        if rumour.host_id == self.host_id:
            return self._about_self(rumour, now)
        match rumour:
            case Alive():
                return self._alive(rumour, now)
            case Suspect():
                return self._suspect(rumour, now)
            case Dead():
                return self._dead(rumour, now)
            case Left():
                return self._left(rumour, now)

    def apply_state(self, state: State, peer: str, now: float) -> Outcome:
        """Take in what a comparison of tables told, by `peer`.

        A member that we believe live and the peer dead becomes a suspect: one stale peer must not
        kill a host, and a suspect that lives refutes.
        """
        known = self.members.get(state.host_id)
        is_own = state.host_id == self.host_id
        if not is_live(state.status) and (known is None or not known.is_live):
            self._bury(state, known, now)
            return NOTHING
        outcome = NOTHING
        place = (state.host_id, state.generation, state.incarnation)
        if state.status is ALIVE or (state.identity is not None and not is_own):
            edition = known.identity.edition if known is not None else 0
            outcome = self.apply(Alive(*place, state.identity, edition), now)
        if state.status is LEFT:
            return outcome + self.apply(Left(*place), now)
        if state.status is not ALIVE:
            return outcome + self.apply(Suspect(*place, peer), now)
        return outcome

    def expire(self, now: float) -> Outcome:
        """Declare dead whose suspicion has run out."""
        outcome = NOTHING
        if now < self.next_expiry:
            return outcome
        due = [key for key, suspicion in self.suspicions.items() if suspicion.deadline <= now]
        for host_id in due:
            member = self.members[host_id]
            verdict = Dead(host_id, member.generation, member.incarnation, self.host_id)
            outcome += self._dead(verdict, now)
        self.next_expiry = min(
            (suspicion.deadline for suspicion in self.suspicions.values()), default=math.inf
        )
        return outcome

    def update_self(self, identity: Identity) -> Outcome:
        """Change what this host says of itself, such as tags or properties."""
        if identity.generation > self.identity.generation:
            self.incarnation = 0
        else:
            self.incarnation += 1
        edition = self.identity.edition + 1
        return self._announce(msgspec.structs.replace(identity, edition=edition))

    def raise_generation(self, floor: int, now: float) -> Outcome:
        """Take a generation above `floor`: another life of our id, or another host of our name.

        This is how the newcomer comes to be the newest without comparing two hosts' clocks. Older
        holders of its name end at once in its own table too, as they do with all who hear of it.
        """
        if floor < self.identity.generation or self._raises >= RAISE_LIMIT:
            return NOTHING
        self._raises += 1
        identity = msgspec.structs.replace(self.identity, generation=floor + 1)
        moved = self.records.renew(identity.host_id, floor + 1)
        outcome = self.update_self(identity)
        events = (*self._supersede(identity, now), *outcome.events)
        return Outcome((*outcome.rumours, *moved), events, renewed=True)

    def leave(self) -> Left:
        """Say good-bye and return the rumour of it."""
        self.leaving = True
        return Left(self.host_id, self.identity.generation, self.incarnation)

    def delay_suspicions(self, seconds: float) -> None:
        """Move all suspicions by a time in which this host itself could hear nobody."""
        for suspicion in self.suspicions.values():
            suspicion.delay(seconds)
        self.next_expiry += seconds

    def forget(self, now: float) -> None:
        """Drop those that left or were replaced long ago, and the oldest dead beyond the limit."""
        old = now - self._timing.left_keep
        gone = [m for m in self.members.values() if not is_live(m.status)]
        dead = sorted((m for m in gone if m.status is DEAD), key=lambda m: -m.since)
        too_many = {m.host_id for m in dead[self._timing.dead_limit :]}
        for member in gone:
            expired = member.since < old and (member.status is LEFT or self.is_superseded(member))
            if expired or member.host_id in too_many:
                del self.members[member.host_id]
                self.names.remove(member.name, member.host_id)
                self.dead -= member.status is DEAD
        self.records.forget_withdrawn(old)

    def _about_self(self, rumour: Alive | Suspect | Dead | Left, now: float) -> Outcome:
        """Refute what is not true of us; another life above ours is a restored folder or a twin."""
        if self.leaving or rumour.generation < self.identity.generation:
            return NOTHING
        if rumour.generation > self.identity.generation:
            return self.raise_generation(rumour.generation, now)
        if isinstance(rumour, Alive):
            if rumour.incarnation <= self.incarnation:
                return NOTHING
        elif rumour.incarnation < self.incarnation:
            return NOTHING
        self.incarnation = rumour.incarnation + 1
        outcome = self._announce(self.identity, brief=True)
        again: tuple[AnyRumour, ...] = ()
        if isinstance(rumour, Dead | Left):
            again = self.records.dated(self.host_id, now)
        return Outcome((*outcome.rumours, *again), refuted=True)

    def _announce(self, identity: Identity, *, brief: bool = False) -> Outcome:
        self.identity = identity
        since = self.members[identity.host_id].since
        member = Member(identity, self.incarnation, ALIVE, since)
        self._store(member)
        place = (identity.host_id, identity.generation, self.incarnation)
        is_everywhere = identity.edition == 0  # a later edition may still be on its way
        told = None if brief and is_everywhere else identity
        rumour = Alive(*place, told, identity.edition)
        events = () if brief else (MemberEvent(Change.UPDATED, member),)
        return Outcome((rumour,), events)

    def _alive(self, rumour: Alive, now: float) -> Outcome:
        known = self.members.get(rumour.host_id)
        identity = rumour.identity
        if known is not None and rumour.generation <= known.generation:
            if rumour.generation < known.generation or rumour.incarnation <= known.incarnation:
                return NOTHING
            if identity is None and rumour.edition == known.identity.edition:
                identity = known.identity
        if identity is None or identity.host_id != rumour.host_id:
            return NOTHING
        if identity.generation != rumour.generation:
            return NOTHING
        is_new_life = known is None or identity.generation > known.generation
        if is_new_life and known is not None:
            self.records.drop(known.host_id)
        if known is not None and identity.boots < known.identity.boots:
            identity = msgspec.structs.replace(identity, boots=known.identity.boots)
        replaced = self._supersede(identity, now) if is_new_life else ()
        self.suspicions.pop(rumour.host_id, None)
        member = Member(identity, rumour.incarnation, ALIVE, now)
        self._store(member)
        change = _change_of(known, member, is_new_life=is_new_life)
        events = replaced if change is None else (*replaced, MemberEvent(change, member))
        return Outcome((rumour,), events)

    def _suspect(self, rumour: Suspect, now: float) -> Outcome:
        known = self.members.get(rumour.host_id)
        if known is None or not is_live(known.status) or _is_stale(rumour, known):
            return NOTHING
        running = self.suspicions.get(rumour.host_id)
        if running is not None and rumour.incarnation == known.incarnation:
            if not running.confirm(rumour.accuser):
                return NOTHING
            self.next_expiry = min(self.next_expiry, running.deadline)
            return Outcome((rumour,))
        member = Member(known.identity, rumour.incarnation, SUSPECT, now)
        self._store(member)
        suspicion = begin_suspicion(self._timing, self.live, rumour.accuser, now)
        self.suspicions[rumour.host_id] = suspicion
        self.next_expiry = min(self.next_expiry, suspicion.deadline)
        return Outcome((rumour,), (MemberEvent(Change.SUSPECTED, member),))

    def _dead(self, rumour: Dead, now: float) -> Outcome:
        known = self.members.get(rumour.host_id)
        if known is None or known.status is LEFT or _is_stale(rumour, known):
            return NOTHING
        if known.status is DEAD:
            if rumour.incarnation == known.incarnation:
                return NOTHING
            self._store(Member(known.identity, rumour.incarnation, DEAD, known.since))
            return Outcome((rumour,))
        return Outcome((rumour,), (self._end(known, rumour.incarnation, DEAD, now),))

    def _left(self, rumour: Left, now: float) -> Outcome:
        known = self.members.get(rumour.host_id)
        if known is None or known.status is LEFT or _is_stale(rumour, known):
            return NOTHING
        return Outcome((rumour,), (self._end(known, rumour.incarnation, LEFT, now),))

    def _bury(self, state: State, known: Member | None, now: float) -> None:
        """Remember a dead one that we never met alive in that life: it will be tried again."""
        identity = state.identity or (known.identity if known else None)
        if identity is None or identity.generation != state.generation:
            return
        if known is None or precedence(
            known.generation, known.incarnation, known.status
        ) < precedence(state.generation, state.incarnation, state.status):
            since = known.since if known else now
            self._store(Member(identity, state.incarnation, state.status, since))

    def _end(
        self, known: Member, incarnation: int, status: MemberStatus, now: float
    ) -> MemberEvent:
        member = Member(known.identity, incarnation, status, now)
        self.suspicions.pop(known.host_id, None)
        self.records.drop(known.host_id)
        self._store(member)
        return MemberEvent(Change.LEFT if status is LEFT else Change.DIED, member)

    def _supersede(self, identity: Identity, now: float) -> tuple[MemberEvent, ...]:
        """End older lives under the same name: their container was replaced."""
        ended = []
        for host_id in self.names.ids(identity.name):
            other = self.members[host_id]
            mine = host_id in {identity.host_id, self.host_id}
            if not mine and is_live(other.status) and other.generation < identity.generation:
                ended.append(self._end(other, other.incarnation, DEAD, now))
        return tuple(ended)

    def _record(self, record: Record, now: float) -> Outcome:
        owner = self.members.get(record.host_id)
        if owner is None or not is_live(owner.status) or owner.generation != record.generation:
            return NOTHING
        if record.host_id == self.host_id:
            return NOTHING
        if not self.records.put(record, now):
            return NOTHING
        return Outcome((record,), (MemberEvent(Change.RECORD, owner, record),))

    def _store(self, member: Member) -> None:
        known = self.members.get(member.host_id)
        if known is not None:
            self._marks ^= member_mark(known)
            self.live -= is_live(known.status)
            self.dead -= known.status is DEAD
        if known is None or known.name != member.name:
            if known is not None:
                self.names.remove(known.name, known.host_id)
            self.names.add(member.name, member.host_id)
        self.members[member.host_id] = member
        self._marks ^= member_mark(member)
        self.live += is_live(member.status)
        self.dead += member.status is DEAD


def _precedence(member: Member) -> tuple[bool, int, str]:
    return is_live(member.status), member.generation, member.host_id


def _is_stale(rumour: Suspect | Dead | Left, known: Member) -> bool:
    """Return whether an accusation is of another life or of before a refutation."""
    return rumour.generation != known.generation or rumour.incarnation < known.incarnation


def _change_of(known: Member | None, member: Member, *, is_new_life: bool) -> Change | None:
    if known is None or is_new_life or not is_live(known.status):
        return Change.JOINED
    if known.identity != member.identity:
        return Change.UPDATED
    return Change.REFUTED if known.status is SUSPECT else None
