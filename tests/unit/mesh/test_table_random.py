"""Random news in random order: what must hold of a table whatever it is told."""

from random import Random

import pytest

from paglets.mesh import syncing
from paglets.mesh.marks import mark_of
from paglets.mesh.messages import Alive, Dead, Identity, Left, Record, State, Suspect
from paglets.mesh.table import Table, member_mark
from paglets.mesh.timing import LAN
from paglets.model.enums import MemberStatus

NAMES = "abc"


def identity(host_id, name, generation):
    return Identity(host_id, name, f"http://{name}:8765", generation)


def any_news(random):
    host_id = f"id-{random.choice(NAMES)}"
    name = random.choice(NAMES) if host_id == "id-c" else host_id[3:]
    generation, incarnation = random.randint(1, 3), random.randint(0, 3)
    place = (host_id, generation, incarnation)
    who = identity(host_id, name, generation)
    accuser = f"id-{random.choice('xyz')}"
    match random.randrange(7):
        case 0 | 1:
            return Alive(*place, who if random.random() < 0.8 else None)
        case 2:
            return Suspect(*place, accuser)
        case 3:
            return Dead(*place, accuser)
        case 4:
            return Left(*place)
        case 5:
            version = random.randint(1, 5)
            payload = None if version % 2 else b"x"
            return Record("id-c", generation, "k", name, version, payload)
        case _:
            status = random.choice(list(MemberStatus))
            return State(*place, status, who if random.random() < 0.5 else None)


def tell(table, news, now):
    if isinstance(news, State):
        return table.apply_state(news, "id-peer", now)
    return table.apply(news, now)


def check(table):
    members = table.members.values()
    live = [m for m in members if m.is_live]
    assert table.live == len(live)
    assert table.dead == sum(m.status is MemberStatus.DEAD for m in members)
    assert set(table.suspicions) == {m.host_id for m in members if m.status is MemberStatus.SUSPECT}
    digest = table.records.digest
    for member in members:
        digest ^= member_mark(member)
    assert table.digest == digest
    owners = {record.host_id for record in table.records.of_kind("k")}
    assert owners <= {m.host_id for m in live}
    assert table.members[table.host_id].status is MemberStatus.ALIVE
    for member in members:
        assert member.host_id in table.names.ids(member.name)
        assert table.holder(member.name) is not None


@pytest.mark.parametrize("seed", range(20))
def test_counts_digest_names_and_records_always_fit_the_members(seed):
    random = Random(seed)
    table = Table(identity("id-a", "a", 2), LAN, now=0.0)
    lives = {}
    for step in range(100):
        tell(table, any_news(random), float(step))
        if random.random() < 0.1:
            table.expire(float(step))
        check(table)
        for member in table.members.values():
            life = (member.generation, member.incarnation)
            assert life >= lives.get(member.host_id, (0, 0))
            lives[member.host_id] = life


@pytest.mark.parametrize("seed", range(20))
def test_any_two_tables_agree_on_the_living_once_suspicions_ran_out(seed):
    random = Random(seed)
    tables = [Table(identity(f"id-{n}", n, 2), LAN, now=0.0) for n in "ab"]
    for step in range(40):
        tell(random.choice(tables), any_news(random), float(step))
    for step in range(6):
        asker, asked = tables if step % 2 else reversed(tables)
        answer, _ = syncing.compare(asked, syncing.summary(asker), asker.host_id, 100.0)
        syncing.take_in(asker, answer, asked.host_id, 100.0)
        push = syncing.fulfil(asker, answer.want, 1.0)
        syncing.take_in(asked, push, asker.host_id, 100.0)
        if step == 2:
            for table in tables:
                table.expire(1e6)
    a, b = tables
    assert a.digest == b.digest
    for table in tables:
        check(table)


def test_a_mark_never_is_zero():
    assert all(mark_of(number) for number in range(1000))
