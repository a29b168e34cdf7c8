"""Syncing launch.toml: who edited what, and what a newer paglets may do about it."""

import tomllib

import pytest
import tomlkit

from paglets.config.sync import SyncPlan, decide_sync, merge
from paglets.model.enums import LaunchConfigSyncAction as Action
from paglets.model.errors import LaunchConfigError

BASE = """\
# What this host starts.
[[services]]
# Reads the machine.
class = "a:One"
lifecycle = "lazy"
idle_timeout_seconds = 300

[[services]]
class = "a:Two"
lifecycle = "eager"

[mesh]
preset = "lan"
"""
NEWER = (
    BASE.replace("300", "60")
    + """
[[services]]
# Comes with the newer one.
class = "a:Three"
lifecycle = "lazy"

[limits]
connections = 100
"""
)
MINE = BASE.replace('preset = "lan"', '# we are far apart\npreset = "wan"  # !')


@pytest.mark.parametrize("yes", [False, True])
@pytest.mark.parametrize(
    ("present", "base", "action"),
    [
        (None, None, Action.COPIED),
        (None, BASE, Action.COPIED),
        (NEWER, NEWER, Action.UNCHANGED),
        (NEWER, BASE, Action.UNCHANGED),
        (NEWER, None, Action.UNCHANGED),
        (BASE, BASE, Action.UPDATED),
        (MINE, NEWER, Action.SKIPPED),
    ],
)
def test_what_needs_nobody_s_consent_is_the_same_with_and_without_it(present, base, action, yes):
    plan = decide_sync(NEWER, present, base, yes=yes)
    assert plan.action is action
    assert plan.text == (NEWER if action in {Action.COPIED, Action.UPDATED} else None)
    assert plan.base == (NEWER if base != NEWER else None)


def test_an_edited_file_is_left_alone_until_its_owner_says_yes():
    plan = decide_sync(NEWER, MINE, BASE, yes=False)
    assert plan == SyncPlan(
        Action.UPDATE_AVAILABLE,
        changes=(
            "[[services]] a:One idle_timeout_seconds: 300 is 60 now",
            "[[services]] a:Three: added",
            "limits: added",
        ),
    )
    told = decide_sync(NEWER, MINE, BASE, yes=True)
    assert (told.action, told.base, told.changes) == (Action.UPDATED, NEWER, plan.changes)


def test_edits_and_comments_survive_an_update():
    text = decide_sync(NEWER, MINE, BASE, yes=True).text
    assert text is not None
    assert '# we are far apart\npreset = "wan"  # !\n' in text
    assert "# Reads the machine." in text
    assert "# Comes with the newer one." in text
    values = tomllib.loads(text)
    assert values["mesh"] == {"preset": "wan"}
    assert [each["class"] for each in values["services"]] == ["a:One", "a:Two", "a:Three"]
    assert values["services"][0]["idle_timeout_seconds"] == 60


def test_an_updated_file_has_nothing_new_for_it_any_more():
    text = decide_sync(NEWER, MINE, BASE, yes=True).text
    assert decide_sync(NEWER, text, NEWER, yes=True).action is Action.SKIPPED


def test_a_file_whose_owner_changed_all_that_changed_has_nothing_new_for_it():
    bundled = BASE.replace("300", "60")
    mine = BASE.replace("300", "5")
    assert decide_sync(bundled, mine, BASE, yes=True) == SyncPlan(Action.SKIPPED, base=bundled)


def test_without_a_base_what_is_missing_counts_as_new_and_the_rest_as_the_owner_s():
    plan = decide_sync(NEWER, MINE, None, yes=True)
    assert plan.changes == ("[[services]] a:Three: added", "limits: added")
    assert plan.text is not None
    assert tomllib.loads(plan.text)["services"][0]["idle_timeout_seconds"] == 300


def test_what_its_owner_removed_stays_away():
    mine = tomlkit.parse(MINE)
    del mine["services"][0]
    del mine["mesh"]
    plan = decide_sync(NEWER, tomlkit.dumps(mine), BASE, yes=True)
    assert plan.text is not None
    values = tomllib.loads(plan.text)
    assert [each["class"] for each in values["services"]] == ["a:Two", "a:Three"]
    assert "mesh" not in values


def test_new_services_come_to_a_file_without_any():
    plan = decide_sync(NEWER, "# nothing\n", BASE, yes=True)
    assert plan.text is not None
    assert [each["class"] for each in tomllib.loads(plan.text)["services"]] == ["a:Three"]
    assert plan.text.startswith("# nothing\n")


def test_what_is_no_longer_bundled_goes_if_nobody_changed_it():
    without = BASE[: BASE.index('[[services]]\nclass = "a:Two"')]
    assert tomllib.loads(merge(without, MINE, BASE).text)["mesh"] == {"preset": "wan"}
    assert merge(without, MINE, BASE).changes == ("[[services]] a:Two: removed",)
    mine = MINE.replace('lifecycle = "eager"', 'lifecycle = "lazy"')
    assert merge(without, mine, BASE).changes == ()


def test_tables_within_tables_are_merged_key_by_key():
    base = "[mesh.timing]\na = 1\nb = 2\n"
    merged = merge("[mesh.timing]\na = 1\nb = 3\nc = 4\n", "[mesh.timing]\na = 9 # mine\n", base)
    assert merged.text == "[mesh.timing]\na = 9 # mine\nc = 4\n"
    assert merged.changes == ("mesh.timing.c: added",)


def test_a_value_of_another_shape_is_its_owner_s_choice():
    merged = merge("services = 1\n[mesh]\na = 2\n", "mesh = 3\n[[services]]\nclass = 'a:B'\n", "")
    assert merged.changes == ()


def test_a_file_that_is_no_toml_is_not_touched():
    with pytest.raises(LaunchConfigError, match=r"no TOML.*line 1") as caught:
        decide_sync(NEWER, "preset = \n", BASE, yes=True)
    assert caught.value.line == 1


@pytest.mark.parametrize("text", [MINE, MINE.replace("\n", "\r\n"), "", "# only\n\n"])
def test_a_text_without_news_comes_back_as_it_was(text):
    assert merge(text or "\n", text, text).text == text
