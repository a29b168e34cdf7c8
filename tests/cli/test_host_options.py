"""`paglets host`: options and variables become HostSettings; no host is run here."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from paglets.cli.host import default_name, host
from paglets.cli.root import root
from paglets.config.launchfile import bundled_path
from paglets.config.settings import HostSettings, Limits
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
        "launch": os.devnull,
        "spare-processes": "5",
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
        spare_processes=5,
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


@pytest.fixture
def launch(tmp_path):
    """Writes a launch.toml and returns the option that names it."""

    def write(text: str) -> tuple[str, str]:
        path = tmp_path / "launch.toml"
        path.write_text(text)
        return "--launch", str(path)

    return write


def test_an_option_counts_before_a_variable_and_that_before_launch_toml(settings, launch):
    file = launch(
        """
        [host]
        port = 1000
        bind = "0.0.0.0"
        tags = ["file"]
        advertise = "file.test"
        [mesh]
        preset = "wan"
        seeds = ["file:1"]
        """
    )
    env = {"PAGLETS_BIND": "127.0.0.2", "PAGLETS_PORT": "2000", "PAGLETS_SEED": "variable:2"}
    given = settings(*file, "--port", "3000", env=env)
    assert (given.port, given.bind, given.preset) == (3000, "127.0.0.2", "wan")
    assert (given.tags, given.seeds) == (("file",), ("http://variable:2",))
    assert given.advertise == "http://file.test:8765"
    assert settings(*file).port == 1000


def test_an_option_with_the_default_s_value_counts_too(settings, launch):
    given = settings(*launch("[host]\nport = 1000\n[mesh]\nmulticast = true\n"), "--port", "8765")
    assert (given.port, given.multicast) == (8765, True)


def test_launch_toml_sets_what_no_option_does(settings, launch):
    given = settings(
        *launch(
            """
            [host]
            properties = { rack = "7" }
            environment = ["LANG"]
            [mesh]
            multicast_ttl = 3
            [mesh.timing]
            probe_interval_seconds = 2
            [limits]
            connections = 64
            [timeouts]
            hook_seconds = 5
            [[services]]
            class = "a:B"
            lifecycle = "eager"
            """
        )
    )
    assert (given.properties, given.environment) == ({"rack": "7"}, ("LANG",))
    assert (given.multicast_ttl, given.timing) == (3, {"probe_interval": 2.0})
    assert (given.limits.connections, given.timeouts.hook) == (64, 5.0)
    assert given.limits.state_bytes == Limits().state_bytes
    assert [each.class_name for each in given.launch.residents] == ["a:B"]


def test_the_first_start_makes_launch_toml_and_later_ones_read_it(settings, home):
    settings()
    path = home / "launch.toml"
    assert path.read_bytes() == bundled_path().read_bytes()
    with path.open("a") as file:
        file.write("\n[host]\nport = 1000\n")
    assert settings().port == 1000
    assert not list(home.glob("*.bak*"))


def test_a_home_that_cannot_be_written_to_is_told_and_the_bundled_file_counts(home, monkeypatch):
    from paglets.host import stages

    monkeypatch.setattr(stages, "run_host", lambda _given: 0)
    home.write_text("a file where a folder should be")
    result = CliRunner().invoke(root, ["host", "--data", str(home.parent / "data")])
    assert result.exit_code == 0
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[host]\nprot = 1\n",
            "launch.toml, line 2: [host] prot: is not known: did you mean port?",
        ),
        ("[host]\nadvertise = 'ftp://x'\n", "launch.toml, line 2: [host] advertise: "),
        ("[mesh]\nseeds = ['a', 'x/y']\n", "launch.toml, line 2: [mesh] seeds: URL 'x/y'"),
        ("[host]\nagents = ['nowhere']\n", "launch.toml, line 2: [host] agents: there is no"),
        (
            "[mesh]\npreset = 'local'\n[mesh.timing]\nprobe_timeout_seconds = 1\n",
            "line 4: [mesh.timing] probe_timeout_seconds: probe_timeout 1 must be below "
            "probe_interval 0.5: what is left of a round is for the helpers (preset local)",
        ),
    ],
)
def test_what_launch_toml_cannot_say_ends_the_start_in_one_line(launch, text, message):
    result = CliRunner().invoke(root, ["host", *launch(text)])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_launch_file_that_is_not_there_is_named(tmp_path):
    result = CliRunner().invoke(root, ["host", "--launch", str(tmp_path / "none.toml")])
    assert result.exit_code == 1
    assert "none.toml: No such file" in result.stderr
