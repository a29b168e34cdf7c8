"""The files of launch.toml: made once, kept as backups, never half written."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from paglets.config import launchfile
from paglets.config.launchfile import bundled_path, launch_path, sync_launch
from paglets.model.enums import LaunchConfigSyncAction as Action
from paglets.model.errors import LaunchConfigError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "launch.toml"


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    """Lets another paglets come with another launch.toml."""

    def bring(text: str) -> None:
        other = tmp_path / "bundled.toml"
        other.write_text(text)
        monkeypatch.setattr(launchfile, "bundled_path", lambda: other)

    return bring


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_the_first_sync_makes_the_file_and_the_second_does_nothing(path):
    assert sync_launch(path).action is Action.COPIED
    assert path.read_bytes() == bundled_path().read_bytes()
    assert sync_launch(path).action is Action.UNCHANGED
    assert names(path) == [".launch.toml.base", "launch.toml"]


def test_it_lies_in_the_home_of_paglets(monkeypatch, tmp_path):
    monkeypatch.setenv("PAGLETS_HOME", str(tmp_path))
    assert launch_path() == tmp_path / "launch.toml"


def test_a_look_changes_nothing(path):
    assert sync_launch(path, look=True).action is Action.COPIED
    assert not path.parent.exists()


def test_a_file_nobody_edited_follows_a_newer_paglets_and_is_kept_as_a_backup(path, bundle):
    for version in ("[mesh]\n", '[mesh]\npreset = "lan"\n', '[mesh]\npreset = "wan"\n'):
        bundle(version)
        report = sync_launch(path)
    assert report.action is Action.UPDATED
    assert path.read_text() == '[mesh]\npreset = "wan"\n'
    assert report.backup == path.with_name("launch.toml.bak2")
    assert report.backup.read_text() == '[mesh]\npreset = "lan"\n'
    assert path.with_name("launch.toml.bak1").read_text() == "[mesh]\n"


def test_an_edited_file_is_offered_the_news_again_and_again_until_they_are_in(path, bundle):
    bundle("[mesh]\n")
    sync_launch(path)
    path.write_text("[mesh]\nmulticast = true # please\n")
    bundle("[mesh]\npreset = 'lan'\n")
    for _ in range(2):
        report = sync_launch(path)
        assert (report.action, report.changes) == (
            Action.UPDATE_AVAILABLE,
            ("mesh.preset: added",),
        )
        assert path.read_text() == "[mesh]\nmulticast = true # please\n"
    report = sync_launch(path, yes=True)
    assert report.action is Action.UPDATED
    assert path.read_text() == "[mesh]\nmulticast = true # please\npreset = 'lan'\n"
    assert report.backup is not None
    assert report.backup.read_text() == "[mesh]\nmulticast = true # please\n"
    assert sync_launch(path, yes=True).action is Action.SKIPPED


def test_hosts_that_start_together_make_one_file(path):
    with ThreadPoolExecutor(8) as pool:
        actions = [report.action for report in pool.map(sync_launch, [path] * 8)]
    assert actions.count(Action.COPIED) == 1
    assert set(actions) <= {Action.COPIED, Action.UNCHANGED}
    assert path.read_bytes() == bundled_path().read_bytes()


def test_a_sync_that_was_killed_before_it_noted_the_base_is_not_taken_for_an_edit(path, bundle):
    bundle("[mesh]\n")
    sync_launch(path)
    path.with_name(".launch.toml.base").unlink()
    assert sync_launch(path).action is Action.UNCHANGED
    bundle("[mesh]\npreset = 'lan'\n")
    assert sync_launch(path).action is Action.UPDATED


def test_line_ends_stay_as_they_are(path, bundle):
    bundle("[mesh]\n")
    sync_launch(path)
    path.write_bytes(b"[mesh]\r\nmulticast = true\r\n")
    bundle("[mesh]\n[limits]\n")
    sync_launch(path, yes=True)
    assert path.read_bytes().startswith(b"[mesh]\r\nmulticast = true\r\n")


def test_a_file_that_cannot_be_read_is_named(path):
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LaunchConfigError, match=r"launch\.toml cannot be read: is not UTF-8"):
        sync_launch(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(LaunchConfigError, match="Is a directory"):
        sync_launch(path)


def test_a_damaged_file_is_named_and_left_alone(path, bundle):
    bundle("[mesh]\n")
    sync_launch(path)
    path.write_text("[mesh\n")
    bundle("[limits]\n")
    with pytest.raises(LaunchConfigError, match=r"home/launch\.toml: .*no TOML"):
        sync_launch(path, yes=True)
    assert path.read_text() == "[mesh\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_an_os_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="denied"):
        sync_launch(tmp_path / "launch.toml")
