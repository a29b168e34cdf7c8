"""Comparing two tables in three steps: rows, what I know better and want, what you wanted.

Pure functions over a table; the engine sends what they return. A comparison costs about 55 bytes a
member, so it happens only where digests differ. Records that do not fit into one frame follow with
the next comparisons: those of one owner go together, so each comparison ends some difference.
"""

from collections.abc import Iterable

from paglets.mesh.members import NOTHING, Change, Member, MemberEvent, Outcome, is_live, precedence
from paglets.mesh.messages import Push, PushPull, PushPullAnswer, Record, Row, State
from paglets.mesh.records import size_of
from paglets.mesh.table import Table

RECORDS_LIMIT_BYTES = 512 * 1024
"""Bytes of records in one step; a frame has room for as much again of members."""


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
    owners: list[str] = []
    own = table.host_id
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
            owners.append(row.host_id)
            if row.host_id != own:
                want.append(row.host_id)
    unmentioned = _unmentioned(table, {row.host_id for row in request.rows})
    states.extend(unmentioned)
    owners.extend(state.host_id for state in unmentioned)
    own_version = table.records.newest(own) if own in owners else None
    remembered = _remembered_boots(table, peer, request.boots)
    records = _records_of(table, owners, now)
    answer = PushPullAnswer(tuple(states), records, tuple(want), own_version, remembered)
    return answer, outcome


def fulfil(table: Table, want: tuple[str, ...], now: float) -> Push:
    """Return the third step: what the other side wanted to know, and our own place."""
    own = table.identity.host_id
    known = [table.members[i] for i in dict.fromkeys((*want, own)) if i in table.members]
    states = tuple(
        State(m.host_id, m.generation, m.incarnation, m.status, m.identity) for m in known
    )
    records = _records_of(table, (m.host_id for m in known), now)
    return Push(states, records, own_version=table.records.newest(own))


def whole(table: Table, now: float) -> tuple[tuple[State, ...], tuple[Record, ...]]:
    """Return everything, for a newcomer; of very many records those that fit."""
    members = table.members.values()
    states = tuple(
        State(m.host_id, m.generation, m.incarnation, m.status, m.identity) for m in members
    )
    return states, _records_of(table, (m.host_id for m in members), now)


def _records_of(table: Table, owners: Iterable[str], now: float) -> tuple[Record, ...]:
    """Return the records of as many owners as fit, our own first: these are told completely."""
    told: list[Record] = []
    room = RECORDS_LIMIT_BYTES
    for owner in sorted(owners, key=lambda host_id: host_id != table.host_id):
        theirs = table.records.dated(owner, now)
        room -= sum(map(size_of, theirs))
        if room < 0 and told:
            break
        told.extend(theirs)
    return tuple(told)


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


def _unmentioned(table: Table, mentioned: set[str]) -> list[State]:
    """Return members the other side has never heard of."""
    return [
        State(m.host_id, m.generation, m.incarnation, m.status, m.identity)
        for m in table.members.values()
        if m.host_id not in mentioned
    ]


def _edition(member: Member) -> tuple[int, int]:
    return member.generation, member.identity.edition


def _edition_of(row: Row) -> tuple[int, int]:
    return row.generation, row.edition
