"""What `[[paglets]]` comes to: aliases, ids, doubles."""

import pytest

from paglets.model.enums import PagletStatus
from paglets.model.launch import LaunchedPaglet, fixed_id, name_of_class
from paglets.runtime.startplan import Start, is_to_be_woken, objection, plan_starts
from paglets.wire.calls import Startable, Surveyed
from tests.unit.runtime.samples import make_row

INDEXER = Startable(class_name="idx:Indexer", place="idx.py line 5", alias="indexer")
WORKER = Startable(class_name="idx:Worker", place="idx.py line 9", alias="worker", singleton=False)
PLAIN = Startable(class_name="idx:PlainAgent", place="idx.py line 20", singleton=False)
FIXED = Startable(class_name="idx:Fixed", place="idx.py line 30", alias="fixed", agent_id="the-one")


def entry(name, number=1, **fields):
    kind = "class_name" if ":" in name else "alias"
    return LaunchedPaglet(**{kind: name}, place=f"launch.toml no. {number}", **fields)


def plan(*entries, found=(INDEXER, WORKER, PLAIN, FIXED), failures=(), modules=("idx",), taken=()):
    surveyed = Surveyed(call=1, found=tuple(found), failures=tuple(failures))
    return plan_starts(entries, surveyed, host="alpha", modules=modules, taken=dict(taken))


@pytest.mark.parametrize(
    ("name", "fields", "agent_id"),
    [
        ("indexer", {}, "indexer.alpha"),
        ("idx:Indexer", {}, "indexer.alpha"),
        ("idx:PlainAgent", {}, "plain.alpha"),
        ("fixed", {}, "the-one"),
        ("idx:Fixed", {"agent_id": "mine"}, "mine"),
        ("indexer", {"agent_id": "mine"}, "mine"),
    ],
)
def test_an_id_is_that_of_the_entry_of_the_class_or_of_its_name_and_the_host(
    name, fields, agent_id
):
    made = plan(entry(name, **fields))
    assert made.problems == ()
    (start,) = made.starts
    assert start.agent_id == agent_id


def test_of_a_class_that_is_no_singleton_several_are_started_under_ids_of_their_own():
    made = plan(entry("worker"), entry("idx:Worker"), entry("worker", agent_id="third"))
    assert [each.agent_id for each in made.starts] == ["worker.alpha", "worker-2.alpha", "third"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry("indxer", 7)], ["launch.toml no. 7", '"indxer"', "through idx", '"indexer"?']),
        ([entry("zzz")], ["known are fixed, indexer, worker"]),
        ([entry("idx:None_")], ["idx:None_ cannot be started", "it was not found"]),
        (
            [entry("indexer"), entry("idx:Indexer", 2)],
            ["no. 2", "idx:Indexer is started already by launch.toml no. 1", "remove one"],
        ),
        (
            [entry("worker"), entry("idx:PlainAgent", 2, agent_id="worker.alpha")],
            ["no. 2", "id worker.alpha is that of launch.toml no. 1"],
        ),
    ],
)
def test_an_entry_that_names_nothing_or_one_too_many_is_told_with_its_place(entries, words):
    made = plan(*entries)
    (problem,) = made.problems
    for word in words:
        assert word in problem
    assert len(made.starts) == len(entries) - 1


def test_an_alias_of_two_classes_names_both_places():
    twin = Startable(class_name="other:Twin", place="other.py line 3", alias="indexer")
    (problem,) = plan(entry("indexer"), found=(INDEXER, twin)).problems
    assert "idx:Indexer (idx.py line 5) and other:Twin (other.py line 3)" in problem
    made = plan(entry("idx:Indexer"), found=(INDEXER, twin))
    assert made.problems == ()


def test_modules_that_cannot_be_imported_are_named_where_an_alias_is_missing():
    failures = [("broken", "SyntaxError: no"), ("x:Y", "no module x")]
    unknown, missing = plan(entry("zzz"), entry("x:Y", 2), found=(), failures=failures).problems
    assert "not importable: broken (SyntaxError: no)" in unknown
    assert "x:Y" not in unknown
    assert missing.endswith("x:Y cannot be started: no module x")


def test_where_nothing_was_looked_through_that_is_said():
    (problem,) = plan(entry("zzz"), found=(), modules=()).problems
    assert "there are no agents folders and no [launch] modules" in problem


def test_residents_have_their_ids_and_classes_to_themselves():
    taken = {"idx:Indexer": "[[services]] no. 1", "resident": "[[services]] no. 2"}
    first, second = plan(
        entry("indexer"), entry("worker", agent_id="resident"), taken=taken.items()
    ).problems
    assert "started already by [[services]] no. 1" in first
    assert "id resident is that of [[services]] no. 2" in second


@pytest.mark.parametrize(
    ("status", "woken"),
    [
        (PagletStatus.ACTIVE, False),
        (PagletStatus.INACTIVE, False),
        (PagletStatus.MOVING, False),
        (PagletStatus.MOVED, False),
        (PagletStatus.HELD, False),
        (PagletStatus.CRASHED, True),
        (PagletStatus.UNREADABLE, True),
    ],
)
def test_of_rows_that_are_there_only_those_are_started_that_fell(status, woken):
    assert is_to_be_woken(make_row(status)) is woken


def test_a_row_of_another_class_is_somebody_elses():
    start = Start("tour", "idx:Indexer", entry("indexer"))
    assert "dispose tour" in (objection(make_row(), start) or "")
    assert "has moved" in (objection(make_row(PagletStatus.MOVED), start) or "")
    assert objection(make_row(), Start("tour", "tour:Tour", entry("tour:Tour"))) is None


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("m:ServerInfoAgent", "server-info"),
        ("m.n:Outer.InnerAgent", "inner"),
        ("m:HTTPServer2", "http-server-2"),
        ("m:Agent", "agent"),
        ("m:_", "paglet"),
        ("m:x", "x"),
    ],
)
def test_a_class_is_called_after_its_words(class_name, name):
    assert name_of_class(class_name) == name


def test_an_id_too_long_keeps_its_start_and_stays_one_of_a_kind():
    one, other = fixed_id("a" * 60, "b" * 60), fixed_id("a" * 60, "c" * 60)
    assert len(one) == len(other) == 64
    assert one != other
    assert one.startswith("a" * 51)
    assert fixed_id("a", "b") == "a.b"
