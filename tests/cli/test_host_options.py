"""`paglets host`: options and variables become HostSettings; no host is run here."""

import contextlib
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from paglets.cli.host import default_name, host
from paglets.cli.root import root
from paglets.config.settings import HostSettings
from paglets.store.store import Store


@pytest.fixture
def settings(monkeypatch):
    """Runs `paglets host` and returns what it would start."""
    from paglets.host import stages

    started: list[HostSettings] = []
    monkeypatch.setattr(stages, "run_host", lambda given: started.append(given) or 0)

    def invoke(*args: str, env: dict[str, str] | None = None) -> HostSettings:
        result = CliRunner().invoke(root, ["host", *args], env=env, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return started.pop()

    return invoke


def test_without_options_it_is_reached_from_this_machine_only(settings, home):
    given = settings("--name", "alpha")
    assert (given.bind, given.port, given.preset) == ("127.0.0.1", 8765, "lan")
    assert given.data == home / "hosts" / "alpha"
    assert (given.insecure, given.multicast, given.reload) == (False, False, False)


def test_its_name_is_this_machines_unless_told(settings):
    assert settings().name == default_name()


def test_without_a_name_it_keeps_the_one_its_data_folder_has(settings, tmp_path):
    with contextlib.closing(Store.open(tmp_path / "data", name="gamma", now=time.time)):
        pass
    assert settings("--data", str(tmp_path / "data")).name == "gamma"
    assert settings("--data", str(tmp_path / "other")).name == default_name()


@pytest.mark.parametrize("variable", [False, True])
def test_every_option_and_its_variable_reach_the_settings(settings, tmp_path, variable):
    wanted = {
        "name": "beta",
        "port": "0",
        "bind": "0.0.0.0",
        "advertise": "http://beta.test:80",
        "preset": "wan",
        "data": str(tmp_path / "data"),
        "key-file": str(tmp_path / "k"),
        "mesh-version": "v7",
        "start-method": "spawn",
        "tls-cert": str(tmp_path / "c"),
        "tls-key": str(tmp_path / "ck"),
        "agents": str(tmp_path),
        "allow": "my_package",
        "seed": "http://alpha:8765",
        "tag": "gpu",
        "property": "zone=eu",
        "capability": "cuda",
        "allowed-host": "beta.lan",
        "preload": "numpy",
    }
    if variable:
        env = {f"PAGLETS_{name.replace('-', '_').upper()}": text for name, text in wanted.items()}
        given = settings(env={**env, "PAGLETS_MULTICAST": "1", "PAGLETS_RELOAD": "1"})
    else:
        pairs = [part for name, text in wanted.items() for part in (f"--{name}", text)]
        given = settings(*pairs, "--multicast", "--reload")
    assert given == HostSettings(
        name="beta",
        data=tmp_path / "data",
        bind="0.0.0.0",
        port=0,
        advertise="http://beta.test:80",
        seeds=("http://alpha:8765",),
        multicast=True,
        preset="wan",
        agents=(tmp_path,),
        allow=("my_package",),
        mesh_version="v7",
        tags=("gpu",),
        properties={"zone": "eu"},
        capabilities=("cuda",),
        key_file=Path(tmp_path / "k"),
        allowed_hosts=("beta.lan",),
        tls_cert=tmp_path / "c",
        tls_key=tmp_path / "ck",
        start_method="spawn",
        preload=("numpy",),
        reload=True,
    )


def test_variables_of_repeatable_options_hold_several_values(settings, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    env = {"PAGLETS_SEED": "http://a http://b", "PAGLETS_AGENTS": f"{tmp_path}/a:{tmp_path}/b"}
    given = settings(env=env)
    assert given.seeds == ("http://a:8765", "http://b:8765")
    assert given.agents == (tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--tls-cert", "c"], "go together"),
        (["--insecure", "--key-file", "k"], "not both"),
        (["--property", "zone"], "is no KEY=VALUE"),
        (["--agents", "/nowhere/at/all"], "does not exist"),
        (["--port", "70000"], "not in the range"),
        (["--preset", "moon"], "is not one of"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(args, message):
    result = CliRunner().invoke(root, ["host", *args])
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("args", [["--name", "a b"], ["--seed", "ftp://x"], ["--advertise", "x/y"]])
def test_a_name_or_url_that_is_none_fails_in_one_line(args):
    result = CliRunner().invoke(root, ["host", *args])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_every_variable_is_named_after_its_option():
    for option in host.params:
        assert option.envvar == f"PAGLETS_{option.opts[0].strip('-').replace('-', '_').upper()}"
