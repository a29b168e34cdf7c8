"""Comparing two tables in three steps: rows, what I know better and want, what you wanted.

Pure functions over a table; the engine sends what they return. A comparison costs about 55 bytes a
member, so it happens only where digests differ.
"""

from itertools import chain

from paglets.mesh.members import NOTHING, Change, Member, MemberEvent, Outcome, is_live, precedence
from paglets.mesh.messages import Push, PushPull, PushPullAnswer, Record, Row, State
from paglets.mesh.table import Table


def summary(table: Table) -> PushPull:
    """Return the first step: this host's table in brief."""
    rows = tuple(
        Row(
            m.host_id,
            m.generation,
            m.incarnation,
            m.status,
            table.records.mark(m.host_id),
            m.identity.edition,
        )
        for m in table.members.values()
    )
    return PushPull(rows, table.identity.boots)


def compare(
    table: Table, request: PushPull, peer: str, now: float
) -> tuple[PushPullAnswer, Outcome]:
    """Take in the rows of `peer` and return the second step."""
    outcome = NOTHING
    want: list[str] = []
    states: list[State] = []
    records: list[Record] = []
    own, is_own_told = table.host_id, False
    for row in request.rows:
        known = table.members.get(row.host_id)
        if row.host_id != own and (known is None or _edition(known) < _edition_of(row)):
            want.append(row.host_id)
            continue
        theirs = precedence(row.generation, row.incarnation, row.status)
        if known is None or theirs > precedence(known.generation, known.incarnation, known.status):
            told = State(row.host_id, row.generation, row.incarnation, row.status)
            outcome += table.apply_state(told, peer, now)
        state, is_record_news = _better(table, row)
        if state is not None:
            states.append(state)
        if is_record_news:
            records.extend(table.records.dated(row.host_id, now))
            is_own_told = is_own_told or row.host_id == own
            if row.host_id != own:
                want.append(row.host_id)
    states.extend(_unmentioned(table, {row.host_id for row in request.rows}, records, now))
    own_version = table.records.newest(own) if is_own_told else None
    remembered = _remembered_boots(table, peer, request.boots)
    answer = PushPullAnswer(tuple(states), tuple(records), tuple(want), own_version, remembered)
    return answer, outcome


def fulfil(table: Table, want: tuple[str, ...], now: float) -> Push:
    """Return the third step: what the other side wanted to know, and our own place."""
    own = table.identity.host_id
    known = [table.members[i] for i in dict.fromkeys((*want, own)) if i in table.members]
    states = tuple(
        State(m.host_id, m.generation, m.incarnation, m.status, m.identity) for m in known
    )
    records = tuple(record for m in known for record in table.records.dated(m.host_id, now))
    return Push(states, records, own_version=table.records.newest(own))


def whole(table: Table, now: float) -> tuple[tuple[State, ...], tuple[Record, ...]]:
    """Return everything, for a newcomer."""
    members = table.members.values()
    states = tuple(
        State(m.host_id, m.generation, m.incarnation, m.status, m.identity) for m in members
    )
    records = (table.records.dated(m.host_id, now) for m in members)
    return states, tuple(chain.from_iterable(records))


def take_in(table: Table, body: PushPullAnswer | Push, peer: str, now: float) -> Outcome:
    """Take in a second or third step, or what a seed told a newcomer."""
    outcome = NOTHING
    for state in body.states:
        outcome += table.apply_state(state, peer, now)
    for record in body.records:
        outcome += table.apply(record, now)
    sender = table.members.get(peer)
    if (
        body.own_version is not None
        and sender is not None
        and sender.is_live
        and peer != table.host_id
    ):
        life = sender.generation
        own = [r for r in body.records if r.host_id == peer and r.generation == life]
        gone = table.records.replace_all(peer, own, body.own_version, now)
        events = tuple(MemberEvent(Change.RECORD, sender, record) for record in gone)
        outcome += Outcome((), events)
    return outcome


def _remembered_boots(table: Table, peer: str, boots: int) -> int | None:
    """Return the boots we remember of a peer beyond those it says itself, else None."""
    known = table.members.get(peer)
    return known.identity.boots if known is not None and known.identity.boots > boots > 0 else None


def _better(table: Table, row: Row) -> tuple[State | None, bool]:
    """Return what we know better than a row, and whether its records differ in the same life."""
    known = table.members[row.host_id]
    ours = precedence(known.generation, known.incarnation, known.status)
    state = None
    if ours > precedence(row.generation, row.incarnation, row.status):
        told = None if _edition(known) == _edition_of(row) else known.identity
        state = State(row.host_id, known.generation, known.incarnation, known.status, told)
    both_live = is_live(known.status) and is_live(row.status)
    differs = table.records.mark(row.host_id) != row.records
    return state, differs and (both_live or known.is_live)


def _unmentioned(
    table: Table, mentioned: set[str], records: list[Record], now: float
) -> list[State]:
    """Return members the other side has never heard of, and add their records to `records`."""
    states = []
    for member in table.members.values():
        if member.host_id in mentioned:
            continue
        states.append(
            State(
                member.host_id,
                member.generation,
                member.incarnation,
                member.status,
                member.identity,
            )
        )
        records.extend(table.records.dated(member.host_id, now))
    return states


def _edition(member: Member) -> tuple[int, int]:
    return member.generation, member.identity.edition


def _edition_of(row: Row) -> tuple[int, int]:
    return row.generation, row.edition
