"""What every command has in common: help, shared options, errors, exit codes, quick loading."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import click
import pytest
from click.testing import CliRunner

from paglets.cli.root import root
from paglets.config.keys import Keyring, new_key
from tests.cli.conftest import parsed
from tests.fakemesh import FakeMesh

NOBODY = "http://127.0.0.1:9"


def every_command() -> Iterator[tuple[str, ...]]:
    pending: list[tuple[tuple[str, ...], click.Command]] = [((), root)]
    while pending:
        path, command = pending.pop()
        yield path
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = command.list_commands(context)
            pending.extend(((*path, name), command.get_command(context, name)) for name in names)


@pytest.mark.parametrize("path", sorted(every_command()), ids=" ".join)
def test_every_command_has_help(path):
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert len(result.stdout.splitlines()) > 4


def test_help_loads_no_http_stack_no_tables_and_no_psutil():
    program = (
        "import sys; sys.argv = ['paglets', '--help']\n"
        "from paglets.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('loaded', sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    loaded = done.stdout.rpartition("loaded ")[2]
    assert "Usage: paglets" in done.stdout
    for heavy in ("aiohttp", "rich", "psutil", "msgspec", "asyncio", "yarl"):
        assert f"'{heavy}'" not in loaded, f"{heavy} makes `paglets --help` slow"


@pytest.mark.parametrize(
    ("args", "meant"),
    [(["agnt", "list"], "agent"), (["agent", "lst"], "list"), (["mesh", "host"], "hosts")],
)
def test_a_wrong_command_names_the_one_that_was_meant(run, args, meant):
    result = run(*args)
    assert result.exit_code == 2
    assert f"Did you mean '{meant}'?" in result.stderr


def test_a_wrong_option_is_wrong_usage(run):
    assert run("agent", "list", "--hots", "alpha").exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        ("--url", "URL", "agent", "list"),
        ("agent", "--url", "URL", "list"),
        ("agent", "list", "--url", "URL"),
        ("--url", NOBODY, "agent", "list", "--url", "URL"),
    ],
)
def test_shared_options_stand_before_or_after_the_subcommand(run, mesh, args):
    result = run(*(mesh.url if arg == "URL" else arg for arg in args), url="")
    assert result.exit_code == 0, result.stderr


def test_an_option_counts_more_than_its_variable_wherever_it_stands(run, mesh):
    assert run("--url", mesh.url, "agent", "list", url=NOBODY).exit_code == 0
    assert run("agent", "list", url=NOBODY).exit_code == 3


def test_a_host_that_does_not_answer_is_exit_code_3_with_a_hint(run):
    result = run("mesh", "hosts", url=NOBODY)
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: no answer from http://127.0.0.1:9: ")
    assert "start one with `paglets host`" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_malformed_url_fails_and_says_what_to_write(run):
    result = run("mesh", "hosts", url="ftp://alpha")
    assert result.exit_code == 1
    assert "the scheme is http or https" in result.stderr


def test_without_the_key_of_the_host_the_error_has_the_line_that_brings_it(mesh, home):
    result = CliRunner().invoke(root, ["agent", "list", "--url", mesh.url])
    key_id = mesh.keyring.primary.id
    assert result.exit_code == 1
    assert f"uses key '{key_id}'" in result.stderr
    assert f"bring key {key_id} here: docker compose exec" in result.stderr
    assert "paglets key export | paglets key import" in result.stderr


def test_a_wrong_key_that_was_named_says_which_one_the_host_uses(mesh, tmp_path):
    wrong = tmp_path / "wrong.key"
    wrong.write_text(new_key().text())
    args = ["agent", "list", "--url", mesh.url, "--key-file", str(wrong)]
    result = CliRunner().invoke(root, args)
    assert result.exit_code == 1
    assert f"bring key {mesh.keyring.primary.id} here" in result.stderr


def test_a_host_without_a_key_is_used_with_a_warning(caplog):
    with FakeMesh(keyring=None) as open_mesh:
        result = CliRunner().invoke(root, ["agent", "list", "--url", open_mesh.url])
    assert result.exit_code == 0, result.output
    assert "runs without a key" in caplog.text


def test_the_other_project_of_this_name_is_told_in_one_line(run, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: {"paglets": "0.0.1"}[name])
    result = run("agent", "list")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: another project's distribution 'paglets' 0.0.1")
    assert result.stderr.count("\n") == 1


def test_the_version_is_shown():
    assert CliRunner().invoke(root, ["--version"]).stdout.startswith("paglets 0.")


def test_json_can_be_asked_for_by_a_variable(run, monkeypatch):
    monkeypatch.setenv("PAGLETS_JSON", "1")
    assert parsed(run("agent", "list")) == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run, shell):
    script = run("completion", shell).stdout
    assert "_PAGLETS_COMPLETE" in script


def test_the_only_running_host_is_found_without_a_url(run, mesh, home):
    write_host_file(home, "alpha", mesh.url)
    assert run("agent", "list", url="").exit_code == 0


def test_of_several_running_hosts_one_must_be_chosen(run, mesh, home):
    write_host_file(home, "alpha", mesh.url)
    write_host_file(home, "beta", mesh.beta.url)
    result = run("agent", "list", url="")
    assert result.exit_code == 1
    assert "several hosts run here (alpha " in result.stderr


def test_the_file_of_a_host_that_is_gone_does_not_count(run, mesh, home):
    write_host_file(home, "alpha", mesh.url)
    write_host_file(home, "gone", NOBODY, pid=2**22 + 1)
    assert run("agent", "list", url="").exit_code == 0


def write_host_file(home, name, url, pid=None) -> None:
    import json
    import os

    folder = home / "hosts" / name
    folder.mkdir(parents=True)
    facts = {"pid": pid or os.getpid(), "url": url, "name": name, "key_id": None, "started_at": 0.0}
    (folder / "host.json").write_text(json.dumps(facts))


def test_two_keys_of_a_rotation_both_work(home):
    old, new = new_key(), new_key()
    with FakeMesh(Keyring((new, old))) as rotating:
        key_file = home / "old.key"
        home.mkdir(parents=True)
        key_file.write_text(old.text())
        args = ["agent", "list", "--url", rotating.url, "--key-file", str(key_file)]
        assert CliRunner().invoke(root, args).exit_code == 0
