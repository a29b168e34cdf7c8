"""A survey: which classes may be started, from modules good and bad."""

import sys

import pytest

from paglets.child.surveying import survey
from paglets.wire.calls import Survey

GOOD = """
from paglets import AutoStartSpec, Paglet

class Indexer(Paglet[None]):
    auto_start = AutoStartSpec("indexer", agent_id="the-one")

class Heir(Indexer):
    pass

class Many(Paglet[None]):
    auto_start = AutoStartSpec("many", singleton=False)

class Plain(Paglet[None]):
    pass
"""


@pytest.fixture
def folder(tmp_path):
    """An agents folder whose modules are forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def look(folder, *modules, classes=()):
    return survey(
        Survey(call=3, modules=modules, classes=tuple(classes), import_paths=(str(folder),))
    )


def test_classes_with_a_spec_of_their_own_are_found_with_their_place(folder):
    (folder / "svy_good.py").write_text(GOOD)
    told = look(folder, "svy_good")
    assert told.call == 3
    assert told.failures == ()
    indexer, many = told.found
    assert (indexer.class_name, indexer.alias, indexer.agent_id) == (
        "svy_good:Indexer",
        "indexer",
        "the-one",
    )
    assert (indexer.singleton, indexer.place) == (True, "svy_good.py line 4")
    assert (many.alias, many.agent_id, many.singleton) == ("many", None, False)


def test_what_a_module_imports_from_another_is_found_once(folder):
    (folder / "svy_base.py").write_text(GOOD)
    (folder / "svy_user.py").write_text("from svy_base import Indexer\n")
    told = look(folder, "svy_user", "svy_base")
    assert [each.class_name for each in told.found] == ["svy_base:Indexer", "svy_base:Many"]


def test_packages_are_looked_through_but_not_run(folder):
    below = folder / "svy_pack" / "deep"
    below.mkdir(parents=True)
    for path in (below.parent, below):
        (path / "__init__.py").write_text("")
    (below / "inner.py").write_text(GOOD)
    (below / "__main__.py").write_text("raise SystemExit('run')")
    told = look(folder, "svy_pack")
    assert told.found[0].class_name == "svy_pack.deep.inner:Indexer"
    assert told.failures == ()


def test_a_module_that_cannot_be_imported_hides_no_other(folder):
    (folder / "svy_good2.py").write_text(GOOD)
    (folder / "svy_bad.py").write_text("raise RuntimeError('no')")
    (folder / "svy_exit.py").write_text("raise SystemExit(2)")
    told = look(folder, "svy_bad", "svy_exit", "svy_none", "svy_good2")
    assert len(told.found) == 2
    assert dict(told.failures) == {
        "svy_bad": "RuntimeError: no",
        "svy_exit": "SystemExit: 2",
        "svy_none": "ModuleNotFoundError: No module named 'svy_none'",
    }


def test_classes_asked_for_need_no_alias(folder):
    (folder / "svy_plain.py").write_text(GOOD)
    told = look(folder, classes=["svy_plain:Plain", "svy_plain:Heir", "svy_plain:None_", "x_y:Z"])
    plain, heir = told.found
    assert (plain.alias, plain.singleton) == ("", False)
    assert (heir.class_name, heir.alias) == ("svy_plain:Heir", "indexer")
    assert [name for name, _ in told.failures] == ["svy_plain:None_", "x_y:Z"]
