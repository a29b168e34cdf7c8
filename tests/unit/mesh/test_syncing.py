import pytest

from paglets.mesh import syncing
from paglets.mesh.messages import (
    PROTOCOL,
    Alive,
    Dead,
    Frame,
    Identity,
    Joined,
    Left,
    PushPullAnswer,
    Record,
    decode_frame,
    encode_frame,
)
from paglets.mesh.records import OWNER_LIMIT_BYTES, size_of
from paglets.mesh.table import Table
from paglets.mesh.timing import LAN
from paglets.model.enums import MemberStatus


def identity(name, generation=10, boots=0):
    return Identity(f"id-{name}", name, f"http://{name}:8765", generation, boots=boots)


def alive(name, incarnation=0, generation=10, boots=0):
    return Alive(f"id-{name}", generation, incarnation, identity(name, generation, boots))


def record(name, version=1, payload=b"v", key="k", age=0):
    return Record(f"id-{name}", 10, "service", key, version, payload, age=age)


def table_of(name, *news):
    table = Table(identity(name), LAN, now=0.0)
    for rumour in news:
        table.apply(rumour, 0.0)
    return table


def exchange(asker, asked):
    """All three steps; return the second."""
    answer, _ = syncing.compare(asked, syncing.summary(asker), asker.host_id, 1.0)
    syncing.take_in(asker, answer, asked.host_id, 1.0)
    syncing.take_in(asked, syncing.fulfil(asker, answer.want, 1.0), asker.host_id, 1.0)
    return answer


def test_after_a_comparison_both_know_what_each_knew():
    a = table_of("a", alive("b"), alive("c"), record("c"))
    b = table_of("b", alive("a"), alive("d"), record("d"), Left("id-d", 9, 0))
    exchange(a, b)
    assert a.digest == b.digest
    assert set(a.members) == set(b.members) == {"id-a", "id-b", "id-c", "id-d"}


def test_equal_tables_exchange_nothing():
    a = table_of("a", alive("b"), record("b"))
    b = table_of("b", alive("a"))
    b.records.put(record("b"), 0.0)
    assert exchange(a, b) == PushPullAnswer()


def test_two_strangers_come_to_know_each_other():
    a, b = table_of("a"), table_of("b")
    exchange(a, b)
    assert a.live == b.live == 2


def test_two_halves_that_hold_each_other_dead_both_refute():
    a = table_of("a", alive("b"), Dead("id-b", 10, 0, "id-a"))
    b = table_of("b", alive("a"), Dead("id-a", 10, 0, "id-b"))
    exchange(a, b)
    assert a.live == b.live == 2
    assert (a.incarnation, b.incarnation) == (1, 1)
    assert a.digest == b.digest


def test_a_death_only_one_side_believes_becomes_a_suspicion_on_the_other():
    a = table_of("a", alive("b"), alive("c"), Dead("id-c", 10, 0, "id-a"))
    b = table_of("b", alive("a"), alive("c"))
    exchange(a, b)
    assert b.members["id-c"].status is MemberStatus.SUSPECT


def test_a_restart_missed_by_one_side_is_learned_whole():
    a = table_of("a", alive("b"), alive("c", generation=11))
    b = table_of("b", alive("a"), alive("c"))
    exchange(b, a)
    assert b.members["id-c"].identity == identity("c", 11)


def test_an_identity_the_other_side_has_is_not_sent_again():
    a = table_of("a", alive("b"), alive("c"), Alive("id-c", 10, 5))
    b = table_of("b", alive("a"), alive("c"))
    answer = exchange(b, a)
    assert [state.identity for state in answer.states] == [None]
    assert b.members["id-c"].incarnation == 5


@pytest.mark.parametrize("asker_knows_it", [True, False])
def test_a_record_one_side_missed_is_learned(asker_knows_it):
    knows = table_of("a", alive("b"), alive("c"), record("c"))
    missed = table_of("b", alive("a"), alive("c"))
    exchange(*((knows, missed) if asker_knows_it else (missed, knows)))
    assert missed.records.get("id-c", "service", "k") == record("c", age=1)


def test_a_withdrawal_forgotten_meanwhile_is_learned_from_the_owner():
    owner = table_of("a", alive("b"))
    owner.records.put(record("a", 3, key="kept"), 0.0)
    other = table_of("b", alive("a"), record("a", 1, key="gone"), record("a", 3, key="kept"))
    exchange(other, owner)
    assert [r.key for r in other.records.of_kind("service")] == ["kept"]
    assert other.digest == owner.digest


def test_a_peer_whose_folder_was_restored_is_told():
    asked = table_of("a", alive("b", boots=5), alive("b", generation=11, boots=2))
    asker = Table(identity("b", 11, boots=2), LAN, now=0.0)
    answer, _ = syncing.compare(asked, syncing.summary(asker), "id-b", 1.0)
    assert answer.remembered_boots == 5


def test_a_change_of_an_identity_that_was_missed_is_learned():
    a = table_of("a", alive("b"), alive("c"))
    newer = Identity("id-c", "c", "http://c:9", 10, tags=("gpu",), edition=1)
    b = table_of("b", alive("a"), alive("c"), Alive("id-c", 10, 1, newer, 1))
    assert a.digest != b.digest
    exchange(a, b)
    assert a.members["id-c"].identity == newer
    assert a.digest == b.digest


def test_a_newcomer_gets_everything():
    a = table_of("a", alive("b"), record("b"), alive("c"), Dead("id-c", 10, 0, "id-a"))
    states, records = syncing.whole(a, 1.0)
    newcomer = table_of("n")
    syncing.take_in(newcomer, PushPullAnswer(states, records), "id-a", 1.0)
    assert newcomer.members["id-c"].status is MemberStatus.DEAD
    assert newcomer.records.of_kind("service") == (record("b", age=1),)


def wide_table(name, owners):
    """A table of hosts each of which has told as much as it may."""
    table = table_of(name, *(alive(owner) for owner in owners))
    wide = bytes(4096)
    for owner in owners:
        for number in range(OWNER_LIMIT_BYTES // size_of(record(owner, 1, wide, "k100"))):
            table.records.put(record(owner, number + 1, wide, f"k{number}"), 0.0)
    return table


def test_what_a_newcomer_is_told_fits_into_a_frame_however_much_there_is():
    table = wide_table("a", [f"h{number}" for number in range(8)])
    states, records = syncing.whole(table, 0.0)
    assert len(states) == 9
    assert 0 < len(records) < len(table.records.of_kind("service"))
    frame = Frame(PROTOCOL, "id-a", 10, 0, 0, Joined(states, records))
    assert decode_frame(encode_frame(frame)) == frame


def test_records_that_do_not_fit_follow_with_the_next_comparisons():
    owners = [f"h{number}" for number in range(5)]
    told, asker = wide_table("a", owners), table_of("b", *map(alive, owners))
    for _ in owners:
        assert asker.digest != told.digest
        exchange(asker, told)
    known = {table: len(table.records.of_kind("service")) for table in (told, asker)}
    assert known[told] == known[asker] > 0


def test_an_owner_tells_its_own_records_completely_before_those_of_others():
    owners = ["h1", "a", "h2"]
    told = wide_table("a", owners)
    records = syncing.fulfil(told, ("h1", "h2"), 0.0).records
    own = told.records.of("a")
    assert records[: len(own)] == own
