import pytest

from paglets.mesh.messages import Record
from paglets.mesh.own_records import OwnRecords
from paglets.mesh.records import (
    MARKER_LIMIT,
    OWNER_LIMIT,
    OWNER_LIMIT_BYTES,
    Records,
    record_mark,
    size_of,
)
from paglets.mesh.timing import LAN


def record(key="k", version=1, payload=b"v", owner="b", kind="service", generation=1):
    return Record(owner, generation, kind, key, version, payload)


@pytest.fixture
def records():
    return Records()


def test_the_higher_version_holds_in_whatever_order_it_comes(records):
    assert records.put(record(version=2, payload=b"new"), 0.0)
    assert not records.put(record(version=1, payload=b"old"), 0.0)
    assert records.get("b", "service", "k").payload == b"new"


def test_records_are_found_by_kind(records):
    records.put(record("x"), 0.0)
    records.put(record("y", owner="c"), 0.0)
    records.put(record("z", kind="load"), 0.0)
    assert {r.key for r in records.of_kind("service")} == {"x", "y"}


def test_a_withdrawn_record_is_not_found_and_an_older_one_does_not_bring_it_back(records):
    records.put(record(version=1), 0.0)
    records.put(record(version=2, payload=None), 0.0)
    assert not records.put(record(version=1), 0.0)
    assert records.of_kind("service") == ()
    assert records.get("b", "service", "k") is None


def test_withdrawing_and_dropping_leave_no_trace_in_the_digest(records):
    records.put(record("x"), 0.0)
    records.put(record("y"), 0.0)
    records.put(record("x", version=2, payload=None), 0.0)
    assert records.digest == records.mark("b") != 0
    records.drop("b")
    assert records.digest == records.mark("b") == 0


def test_dropping_an_owner_leaves_the_others(records):
    records.put(record("x"), 0.0)
    records.put(record("y", owner="c"), 0.0)
    assert records.drop("b")
    assert not records.drop("b")
    assert [r.key for r in records.of_kind("service")] == ["y"]


def test_an_owner_may_withdraw_any_number_of_records_and_set_others(records):
    for number in range(OWNER_LIMIT + 10):
        assert records.put(record(f"k{number}", 2 * number + 1), 0.0)
        assert records.put(record(f"k{number}", 2 * number + 2, payload=None), 0.0)
    assert len(records.of("b")) == MARKER_LIMIT
    assert records.put(record("last", 10**6), 0.0)
    assert records.digest == records.mark("b") == record_mark(record("last", 10**6))
    assert not records.put(record(f"k{OWNER_LIMIT}", 1), 0.0)


def test_no_owner_fills_our_memory_by_bytes_either(records):
    wide = bytes(4000)
    kept = [n for n in range(200) if records.put(record(f"k{n}", n + 1, wide), 0.0)]
    assert len(kept) == OWNER_LIMIT_BYTES // size_of(record("k100", payload=wide))
    assert records.put(record("k0", 1000, b"small"), 0.0)
    assert records.put(record("small", 1001, b"x"), 0.0)
    records.put(record("k1", 1002, payload=None), 0.0)
    assert records.put(record("k199", 1003, wide), 0.0)
    assert records.put(record("k0", 1, wide, owner="c"), 0.0)
    records.drop("b")
    assert records.put(record("k0", 1, wide), 0.0)


def test_the_owners_own_list_removes_what_is_not_on_it(records):
    for version, key in enumerate("xyz"):
        records.put(record(key, version), 0.0)
    listed = [record("y", 1), record("w", 9)]
    changed = records.replace_all("b", listed, 9, 0.0)
    assert {r.key for r in records.of_kind("service")} == {"y", "w"}
    assert {(r.key, r.payload is None) for r in changed} == {
        ("w", False),
        ("x", True),
        ("z", True),
    }


def test_an_owner_that_withdrew_everything_has_nothing_left():
    records = Records()
    records.put(record("x", 3), 0.0)
    assert [r.payload for r in records.replace_all("b", [], 4, 0.0)] == [None]
    assert records.digest == 0


def test_the_newest_version_is_remembered_beyond_withdrawal():
    records = Records()
    records.put(record("x", 7, payload=None), 0.0)
    records.forget_withdrawn(1.0)
    assert (records.newest("b"), records.newest("c")) == (7, 0)


def test_records_newer_than_the_owners_list_stay(records):
    records.put(record("x", 9), 0.0)
    records.replace_all("b", [record("y", 3)], 3, 0.0)
    assert {r.key for r in records.of_kind("service")} == {"x", "y"}


def test_markers_of_withdrawn_records_are_forgotten_after_a_while(records):
    records.put(record(payload=None), 1.0)
    records.forget_withdrawn(1.0)
    assert len(records.of("b")) == 1
    records.forget_withdrawn(2.0)
    assert records.of("b") == ()


def test_no_owner_can_fill_our_memory(records):
    for number in range(OWNER_LIMIT):
        assert records.put(record(str(number)), 0.0)
    assert not records.put(record("more"), 0.0)
    assert records.put(record("0", version=2), 0.0)


@pytest.fixture
def own():
    return OwnRecords("me", LAN)


def test_versions_of_our_records_grow_over_all_keys(own):
    versions = [own.number(("service", key), b"", 1).version for key in "aab"]
    assert versions == [1, 2, 3]


def test_the_first_lazy_record_is_told_at_once_the_next_ones_spaced_out(own):
    own.hold(("counts", ""), b"1", hosts=16, random=0.5, now=100.0)
    assert [r.payload for r in own.due(1, 100.0)] == [b"1"]
    own.hold(("counts", ""), b"2", hosts=16, random=0.5, now=101.0)
    own.hold(("counts", ""), b"3", hosts=16, random=0.5, now=102.0)
    assert own.next_due == pytest.approx(110.0)
    assert own.due(1, 109.0) == []
    told = own.due(1, 110.0)
    assert [(r.payload, r.lazy) for r in told] == [(b"3", True)]
    assert own.next_due == float("inf")


def test_lazy_records_are_spaced_further_in_larger_meshes(own):
    own.hold(("counts", ""), b"1", hosts=160, random=0.5, now=0.0)
    own.due(1, 0.0)
    own.hold(("counts", ""), b"2", hosts=160, random=0.5, now=0.0)
    assert own.next_due == pytest.approx(100.0)


def test_a_record_grows_older_by_the_clock_of_who_knows_it(records):
    records.put(record(), 100.0)
    assert records.age(record(), 100.0) == 0.0
    assert records.age(record(), 130.5) == 30.5
    records.put(record(version=2), 140.0)
    assert records.age(record(), 141.0) == 1.0


def test_what_a_comparison_repeats_is_as_old_as_it_is(records):
    records.put(record(), 100.0)
    (told,) = records.dated("b", 160.9)
    assert told.age == 60
    newcomer = Records()
    newcomer.put(told, 5.0)
    assert newcomer.age(told, 15.0) == 70.0
    assert newcomer.digest == records.digest, "how old it is makes no difference to compare"


def test_a_later_life_takes_its_records_along_with_their_age(records):
    records.put(record("x"), 100.0)
    records.put(record("y", payload=None), 110.0)
    moved = records.renew("b", 9)
    assert {(r.key, r.generation) for r in moved} == {("x", 9), ("y", 9)}
    assert records.age(moved[0], 130.0) == 30.0
    assert [r.generation for r in records.of_kind("service")] == [9]


def test_an_urgent_record_takes_the_place_of_one_held_back(own):
    own.hold(("load", "a"), b"1", hosts=16, random=0.5, now=0.0)
    own.due(1, 0.0)
    own.hold(("load", "a"), b"2", hosts=16, random=0.5, now=1.0)
    assert own.number(("load", "a"), None, 1).payload is None
    assert own.next_due == float("inf")
    assert own.due(1, 100.0) == []


def test_a_record_that_was_held_back_is_told_with_its_age(own):
    own.hold(("load", ""), b"1", hosts=160, random=0.5, now=0.0)
    assert [r.age for r in own.due(1, 0.4)] == [0]
    own.hold(("load", ""), b"2", hosts=160, random=0.5, now=10.0)
    own.hold(("load", ""), b"3", hosts=160, random=0.5, now=40.0)
    assert [(r.payload, r.age) for r in own.due(1, 100.4)] == [(b"3", 60)]


def test_spacing_is_remembered_for_a_bounded_number_of_records(own):
    for number in range(1000):
        own.hold(("load", str(number)), b"1", hosts=16, random=0.5, now=float(number))
        own.due(1, float(number))
    own.hold(("load", "999"), b"2", hosts=16, random=0.5, now=1000.0)
    assert own.next_due == pytest.approx(1009.0), "that of a recent one holds"
    assert len(own._told) <= 256
