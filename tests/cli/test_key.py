"""`paglets key …`: keys go from one machine to another as one line."""

import json
import stat

import pytest
from click.testing import CliRunner

from paglets.cli.root import root
from paglets.config.keys import new_key, remember_key


@pytest.fixture
def key(home):
    made = new_key()
    remember_key(made, environ={"PAGLETS_HOME": str(home)})
    return made


def invoke(*args, **options):
    return CliRunner().invoke(root, ["key", *args], catch_exceptions=False, **options)


def test_an_exported_key_can_be_imported_elsewhere(key, tmp_path, monkeypatch):
    line = invoke("export").stdout
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("PAGLETS_HOME", str(elsewhere))
    result = invoke("import", input=line)
    assert result.stdout == f"{key.id}\n"
    stored = elsewhere / "keys" / f"{key.id}.key"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert invoke("export").stdout == line


def test_a_damaged_line_is_refused_and_not_repeated(key):
    line = key.text()
    damaged = line[:-4] + ("AAAA" if not line.endswith("AAAA") else "BBBB")
    result = invoke("import", input=damaged)
    assert result.exit_code == 1
    assert "copy the whole line" in result.stderr
    assert damaged.rpartition(":")[2] not in result.output


def test_show_lists_ids_and_files_but_no_secret(key, home):
    result = invoke("show")
    assert key.id in result.stdout
    assert key.text().rpartition(":")[2] not in result.stdout
    listed = json.loads(invoke("show", "--json").stdout)
    assert {"id": key.id, "file": str(home / "keys" / "default.key")} in listed


def test_a_key_can_be_chosen_by_its_id(key, home):
    other = new_key()
    remember_key(other, environ={"PAGLETS_HOME": str(home)})
    assert invoke("export", "--id", other.id).stdout.strip() == other.text()
    assert invoke("token", "--id", other.id).stdout.strip() == other.bearer_token()
    assert invoke("token").stdout.strip() == key.bearer_token()


def test_without_a_key_the_next_step_is_told():
    result = invoke("export")
    assert result.exit_code == 1
    assert "no key here (the first `paglets host` makes one" in result.stderr


def test_an_unknown_id_is_told(key):
    result = invoke("export", "--id", "00000000")
    assert result.exit_code == 1
    assert "no key 00000000 here" in result.stderr


def test_a_damaged_file_does_not_hide_the_others(key, home):
    (home / "keys" / "broken.key").write_text("nonsense\n")
    result = invoke("show")
    assert result.exit_code == 0
    assert key.id in result.stdout
    assert "skipped" in result.stderr
