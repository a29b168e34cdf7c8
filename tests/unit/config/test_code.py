"""The code version: the same for the same files, named differences for others."""

import pytest

from paglets._version import __version__
from paglets.config.code import code_version, explain_difference, top_level_modules


@pytest.fixture
def agents(tmp_path):
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "tour.py").write_text("A = 1\n")
    (folder / "words").mkdir()
    (folder / "words/__init__.py").write_text("")
    (folder / "words/split.py").write_text("B = 2\n")
    return folder


def copy(folder, to):
    for path in folder.rglob("*.py"):
        target = to / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return to


def test_it_names_each_module_and_package_with_a_digest(agents):
    version, tour, words = code_version([agents], []).split(";")
    assert version == f"paglets-{__version__}"
    assert [part.partition("=")[0] for part in (tour, words)] == ["tour", "words"]
    assert all(len(part.partition("=")[2]) == 8 for part in (tour, words))


def test_without_own_code_it_is_the_distributions():
    assert code_version([], []) == f"paglets-{__version__}"


def test_equal_files_elsewhere_are_the_same_code(agents, tmp_path):
    assert code_version([agents], []) == code_version([copy(agents, tmp_path / "b")], [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("words/split.py", "B = 3\n"),
        ("words/more.py", ""),
        ("words/deep/x.py", ""),
    ],
)
def test_a_changed_or_new_file_changes_its_package_alone(agents, path, text):
    before = code_version([agents], []).split(";")
    (agents / path).parent.mkdir(exist_ok=True)
    (agents / path).write_text(text)
    after = code_version([agents], []).split(";")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_a_file_that_is_renamed_is_other_code(agents):
    before = code_version([agents], [])
    (agents / "words/split.py").rename(agents / "words/cut.py")
    assert code_version([agents], []) != before


def test_what_is_no_source_does_not_count(agents):
    before = code_version([agents], [])
    (agents / "notes.txt").write_text("x")
    (agents / "words/__pycache__").mkdir()
    (agents / "words/__pycache__/split.pyc").write_bytes(b"x")
    (agents / "not-a-module.py").write_text("x")
    assert code_version([agents], []) == before


def test_an_allowed_package_counts_by_its_installed_files():
    version = code_version([], ["msgspec", "msgspec.json"])
    assert version.count("msgspec=") == 1


def test_a_package_that_is_not_installed_has_a_digest_of_nothing():
    assert "no_such_package_here=" in code_version([], ["no_such_package_here"])


def test_many_packages_are_folded_into_one_short_digest(agents):
    for number in range(20):
        (agents / f"m{number}.py").write_text("")
    version = code_version([agents], [])
    assert "22-packages=" in version
    assert len(version) < 60


def test_modules_and_packages_of_a_folder_are_listed_in_order(agents):
    (agents / "empty").mkdir()
    (agents / "1bad.py").write_text("")
    assert top_level_modules(agents) == ["tour", "words"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="missing"):
        top_level_modules(tmp_path / "missing")


def test_a_difference_is_named_with_both_digests():
    text = explain_difference(
        "paglets-0.1.0;my_agents=91ab;same=1", "paglets-0.1.0;my_agents=4f2c;same=1;new=7", host="b"
    )
    assert text == "b has other code: my_agents (91ab here, 4f2c there), new (absent here, 7 there)"


def test_another_version_of_paglets_is_named_too():
    text = explain_difference("paglets-0.1.0", "paglets-0.2.0", host="beta")
    assert "paglets (0.1.0 here, 0.2.0 there)" in text


def test_versions_given_by_word_are_told_as_they_are():
    text = explain_difference("release-7", "paglets-0.1.0;tour=1", host="beta")
    assert "release-7 here" in text
    assert "tour=1 there" in text
