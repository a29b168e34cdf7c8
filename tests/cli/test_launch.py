"""`paglets launch`: what launch.toml comes to, and what a newer paglets has for it."""

import json

import pytest
from click.testing import CliRunner

from paglets.cli.launching import STATES
from paglets.cli.root import root
from paglets.config import launchfile
from paglets.model.enums import LaunchConfigSyncAction

EDITED = """
[[services]]
class = "a:B"
lifecycle = "lazy"
idle_timeout_seconds = 5

[[services]]
class = "a:C"
lifecycle = "eager"
agent_id = "c"

[[paglets]]
alias = "indexer"
state = { root = "/srv" }

[[paglets]]
class = "tour:Tour"
agent_id = "mine"

[limits]
connections = 100

[mesh.timing]
probe_interval_seconds = 2
"""


def launch(*args):
    return CliRunner().invoke(root, ["launch", *args], catch_exceptions=False)


@pytest.fixture
def newer(monkeypatch, tmp_path):
    """Another paglets, which comes with one table more."""
    bundled = tmp_path / "bundled.toml"
    bundled.write_text("[limits]\nconnections = 7\n")
    monkeypatch.setattr(launchfile, "bundled_path", lambda: bundled)


def test_before_the_first_start_the_bundled_file_is_shown_and_nothing_made(home):
    result = launch("show")
    assert result.exit_code == 0
    assert "defaults/launch.toml: the bundled one" in result.stdout
    assert not home.exists()


def test_sync_makes_the_file_and_tells_what_it_did(home):
    result = launch("sync")
    assert (result.exit_code, result.stdout) == (0, "copied\n")
    assert str(home / "launch.toml") in result.stderr
    assert launch("sync").stdout == "unchanged\n"
    assert f"{home}/launch.toml: as it comes with this paglets" in launch("show").stdout


def test_show_tells_services_and_settings(home):
    launch("sync")
    (home / "launch.toml").write_text(EDITED)
    lines = [" ".join(line.split()) for line in launch("show").stdout.splitlines()]
    assert lines == [
        f"{home}/launch.toml: edited, and there is nothing new for it",
        "",
        "SERVICE LIFECYCLE IDLE TIMEOUT ID",
        "a:B lazy 5 s -",
        "a:C eager - c",
        "",
        "PAGLET ID STATE",
        "indexer - {'root': '/srv'}",
        "tour:Tour mine -",
        "",
        "SETTING VALUE",
        "[limits] connections 100",
        "[mesh.timing] probe_interval_seconds 2",
    ]


def test_show_as_json(home):
    launch("sync")
    (home / "launch.toml").write_text(EDITED)
    told = json.loads(launch("show", "--json").stdout)
    assert (told["path"], told["sync"]) == (str(home / "launch.toml"), "skipped")
    assert [each["class_name"] for each in told["services"]] == ["a:B", "a:C"]
    assert told["services"][0]["lifecycle"] == "lazy"
    assert {"table": "limits", "key": "connections", "value": 100} in told["settings"]


def test_another_file_can_be_checked(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(EDITED)
    result = launch("show", "--launch", str(path))
    assert result.stdout.splitlines()[0] == str(path)
    assert json.loads(launch("show", "--launch", str(path), "--json").stdout)["sync"] is None


@pytest.mark.parametrize("command", [["show"], ["show", "--json"]])
def test_a_mistake_is_told_with_its_line(home, command):
    launch("sync")
    (home / "launch.toml").write_text("[mesh.timing]\ngossip_fanout = 0\n")
    result = launch(*command)
    assert result.exit_code == 1
    assert "line 2: [mesh.timing] gossip_fanout: is 0: write a number of 1 or more" in result.stderr


def test_knobs_that_do_not_go_together_are_a_mistake_too(home):
    launch("sync")
    (home / "launch.toml").write_text("[mesh.timing]\nprobe_interval_seconds = 0.1\n")
    assert "must be below probe_interval 0.1" in launch("show").stderr


def test_news_for_an_edited_file_is_listed_and_brought_in_with_yes(home, newer):
    home.mkdir()
    (home / "launch.toml").write_text("# mine\n")
    assert "edited, and `paglets launch sync` lists news" in launch("show").stdout
    result = launch("sync")
    assert result.stdout == "update-available\n  limits: added\n"
    assert "--yes" in result.stderr
    result = launch("sync", "--yes", "--json")
    assert json.loads(result.stdout) == {
        "action": "updated",
        "path": str(home / "launch.toml"),
        "backup": str(home / "launch.toml.bak1"),
        "changes": ["limits: added"],
    }
    assert (home / "launch.toml").read_text() == "# mine\n\n[limits]\nconnections = 7\n"
    assert launch("sync").stdout == "skipped\n"


def test_every_action_has_its_words():
    assert set(STATES) == set(LaunchConfigSyncAction)
