"""launch.toml: what each table says, and an error for everything it cannot say."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from paglets.config.launch import (
    HOST_KEYS,
    LAUNCH_KEYS,
    MESH_KEYS,
    field_of,
    knob_key,
    parse_launch,
    read_launch,
)
from paglets.config.launchfile import bundled_path
from paglets.config.settings import HostSettings, Limits, Timeouts
from paglets.model.enums import ResidentLifecycle
from paglets.model.errors import InvalidRequestError, LaunchConfigError
from paglets.model.launch import RestartTerms

PATH = Path("/home/ada/.paglets/launch.toml")


@dataclass(frozen=True)
class Knobs:
    """Stands in for the mesh's."""

    probe_interval: float = 1.0
    gossip_fanout: int = 3


def parse(text):
    return parse_launch(text, PATH, Knobs)


def refusal(text):
    with pytest.raises(LaunchConfigError) as caught:
        parse(text)
    return caught.value


def service(**keys):
    fields = {"class": '"a:B"', "lifecycle": '"lazy"', **keys}
    lines = [f"{key} = {value}" for key, value in fields.items() if value is not None]
    return "\n".join(["[[services]]", *lines, ""])


def test_an_empty_file_says_nothing():
    config = parse("")
    assert (config.host, config.limits, config.timeouts, config.timing) == ({}, {}, {}, {})
    assert config.plan.residents == ()
    assert config.path == PATH


def test_every_setting_of_a_host_can_be_set():
    elsewhere = {"launch", "limits", "timeouts", "timing"}  # tables of their own
    only_for_demonstrations = {"greet", "greet_url"}
    known = {field_of(key) for key in (*HOST_KEYS, *LAUNCH_KEYS, *MESH_KEYS)}
    settings = {each.name for each in fields(HostSettings)}
    assert known == settings - elsewhere - only_for_demonstrations


def test_settings_are_those_of_the_host():
    config = parse(
        """
        [host]
        name = "alpha"
        port = 0
        data = "data"
        agents = ["agents", "~/more", "/srv/agents"]
        properties = { rack = "7" }
        insecure = true
        [launch]
        preload = ["numpy"]
        spare_processes = 4
        [mesh]
        seeds = ["beta:8765"]
        preset = "wan"
        """
    )
    assert config.host == {
        "name": "alpha",
        "port": 0,
        "data": PATH.parent / "data",
        "agents": (PATH.parent / "agents", Path("~/more").expanduser(), Path("/srv/agents")),
        "properties": {"rack": "7"},
        "insecure": True,
        "preload": ("numpy",),
        "spare_processes": 4,
        "seeds": ("beta:8765",),
        "preset": "wan",
    }


@pytest.mark.parametrize(
    ("table", "numbers", "found"),
    [
        ("limits", Limits, "limits"),
        ("timeouts", Timeouts, "timeouts"),
        ("mesh.timing", Knobs, "timing"),
    ],
)
def test_every_knob_has_a_key_that_carries_its_unit(table, numbers, found):
    lines = [f"[{table}]"]
    for each in fields(numbers):
        key = knob_key(each.name, is_seconds=isinstance(each.default, float))
        assert key.endswith("_seconds") == isinstance(each.default, float)
        lines.append(f"{key} = 7")
    values = getattr(parse("\n".join(lines)), found)
    assert values == {each.name: 7 for each in fields(numbers)}
    for each in fields(numbers):
        assert type(values[each.name]) is type(each.default)


def test_a_service_has_defaults_and_may_set_all_of_it():
    plain, full = parse(
        service()
        + service(
            **{
                "class": '"a.b:C.D"',
                "lifecycle": '"lazy"',
                "idle_timeout_seconds": 2,
                "agent_id": '"cd"',
                "state": "{ words = ['x'], limit = 3 }",
                "restart": "{ first_delay_seconds = 1, longest_delay_seconds = 2, "
                "max_restarts = 3, max_seconds = 4.5 }",
            }
        )
    ).plan.residents
    assert (plain.class_name, plain.lifecycle) == ("a:B", ResidentLifecycle.LAZY)
    assert (plain.idle_timeout, plain.agent_id, plain.state) == (300.0, None, {})
    assert plain.restart == RestartTerms()
    assert plain.place == f"{PATH} [[services]] no. 1"
    assert (full.class_name, full.idle_timeout, full.agent_id) == ("a.b:C.D", 2.0, "cd")
    assert full.state == {"words": ["x"], "limit": 3}
    assert full.restart == RestartTerms(
        first_delay=1.0, longest_delay=2.0, max_restarts=3, max_seconds=4.5
    )


@pytest.mark.parametrize(
    ("text", "table", "key", "line", "why"),
    [
        ("[host\n", "", "", None, "no TOML"),
        ("hots = 1\n", "", "hots", 1, "did you mean host?"),
        ("host = 1\n", "", "host", 1, "takes a table, not the number 1"),
        ("[host]\nprot = 1\n", "host", "prot", 2, "did you mean port?"),
        ("[host]\nxyz = 1\n", "host", "xyz", 2, "known are advertise, agents,"),
        ('[host]\n\nport = "1"\n', "host", "port", 3, 'a whole number, not the text "1"'),
        ("[host]\nport = true\n", "host", "port", 2, "a whole number, not true"),
        ("[host]\nport = 70000\n", "host", "port", 2, "a number of 0 to 65535"),
        ('[host]\nname = "a b"\n', "host", "name", 2, "no valid name"),
        ('[host]\nbind = " "\n', "host", "bind", 2, "is empty"),
        ("[host]\ntags = 'gpu'\n", "host", "tags", 2, "an array of texts"),
        ("[host]\ntags = ['gpu', 1]\n", "host", "tags", 2, "takes texts that are not empty, not 1"),
        ("[host]\nproperties = { a = 1 }\n", "host", "properties", 2, 'write a = "1"'),
        ("[host]\nreload = 1\n", "host", "reload", 2, "true or false, not the number 1"),
        ("[host]\nstart_method = 'x'\n", "host", "start_method", 2, 'one of "fork", "spawn"'),
        ("[mesh]\npreset = 'lam'\n", "mesh", "preset", 2, "did you mean lan?"),
        ("[mesh]\ntiming = 1\n", "mesh", "timing", 2, "takes a table"),
        ("[mesh.timing]\nprobe_interval = 1\n", "mesh.timing", "probe_interval", 2,
         "did you mean probe_interval_seconds?"),
        ("[mesh.timing]\nprobe_interval_seconds = 0\n", "mesh.timing", "probe_interval_seconds", 2,
         "a number above 0"),
        ("[mesh.timing]\nprobe_interval_seconds = inf\n", "mesh.timing", "probe_interval_seconds",
         2, "a number above 0"),
        ("[mesh.timing]\ngossip_fanout = 1.5\n", "mesh.timing", "gossip_fanout", 2, "whole number"),
        ("[limits]\nconnections = 0\n", "limits", "connections", 2, "a number of 1 or more"),
        ("[timeouts]\nhook_seconds = '1'\n", "timeouts", "hook_seconds", 2, "a number of seconds"),
        ("[launch]\npreload = 'x'\n", "launch", "preload", 2, "an array of texts"),
        ("[services]\nclass = 'a:B'\n", "", "services", 1, "write [[services]]"),
        ("services = [1]\n", "services", "", None, "is a table, not the number 1"),
        (service(**{"class": None}), "services", "class", 1, 'write class = "module:QualName"'),
        (service(**{"class": "'B'"}), "services", "class", 2, "write module:QualName"),
        (service(lifecycle=None), "services", "lifecycle", 1, 'write "lazy" or "eager"'),
        (service(lifecycle="'lasy'"), "services", "lifecycle", 3, "did you mean lazy?"),
        (service(lifecycle="'eager'", idle_timeout_seconds=1), "services", "idle_timeout_seconds",
         4, "eager ones never sleep"),
        (service(idle_timeout=1), "services", "idle_timeout", 4, "idle_timeout_seconds?"),
        (service(agent_id="'a/b'"), "services", "agent_id", 4, "no valid agent_id"),
        (service(state=1), "services", "state", 4, "a table of fields"),
        (service(restart=1), "services", "restart", 4, "a table such as"),
        (service(restart="{ max_restart = 1 }"), "services.restart", "max_restart", 4,
         "did you mean max_restarts?"),
        (service() + service(), "services", "class", 5, "a:B is declared already in"),
        (service() + service(**{"class": "'a:C'"}, x=1), "services", "x", 7, "known are agent_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_names_its_place_and_what_to_write(text, table, key, line, why):
    error = refusal(text)
    assert isinstance(error, InvalidRequestError)
    assert str(PATH) in error.message
    assert why in error.message
    assert error.detail.get("file") == str(PATH)
    if table or key:
        assert (error.table, error.key, error.line) == (table, key, line)
        assert key in error.message
    if line is not None:
        assert f"{PATH}, line {line}: " in error.message


def test_a_paglet_is_named_by_class_or_alias():
    config = parse(
        """
        [launch]
        modules = ["my.indexers"]
        [[paglets]]
        alias = "indexer"
        agent_id = "one"
        state = { root = "/srv" }
        [[paglets]]
        class = "tour:Tour"
        """
    )
    assert config.plan.modules == ("my.indexers",)
    indexer, tour = config.plan.paglets
    assert (indexer.alias, indexer.class_name, indexer.agent_id) == ("indexer", None, "one")
    assert indexer.state == {"root": "/srv"}
    assert (tour.alias, tour.class_name, tour.agent_id, tour.state) == (None, "tour:Tour", None, {})
    assert tour.place == f"{PATH} [[paglets]] no. 2"
    assert parse("").plan.modules is None


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ("state = {}", "class", 'write class = "module:QualName" or alias'),
        ('class = "a:B"\nalias = "b"', "alias", "remove one of the two"),
        ('class = "a"', "class", "write module:QualName"),
        ('alias = "a b"', "alias", "no valid alias"),
        ('alias = "a"\nlifecycle = "lazy"', "lifecycle", "known are agent_id, alias, class, state"),
        ('alias = "a"\nstate = 1', "state", "a table of fields"),
    ],
)
def test_what_an_entry_of_paglets_cannot_say(text, key, why):
    error = refusal(f"[[paglets]]\n{text}\n")
    assert (error.table, error.key) == ("paglets", key)
    assert why in error.message


def test_the_second_of_two_entries_is_named_as_such():
    error = refusal(service() + service(**{"class": "'a:C'"}, idle_timeout_seconds="'x'"))
    assert "line 7: [[services]] no. 2 idle_timeout_seconds: " in error.message
    error = refusal(service() + service(**{"class": "'a:C'"}, restart="{ max_restarts = 0 }"))
    assert "line 7: [services.restart] of [[services]] no. 2 max_restarts: " in error.message


def test_a_sub_table_of_its_own_is_found_too():
    text = service() + "[services.restart]\nmax_restarts = 'x'\n"
    assert refusal(text).line == 5
    text = service() + "[services.state]\nlimit = 1\n"
    assert parse(text).plan.residents[0].state == {"limit": 1}


def test_a_file_that_is_not_there_names_the_next_step(tmp_path):
    with pytest.raises(LaunchConfigError, match="launch sync"):
        read_launch(tmp_path / "launch.toml", Knobs)
    (tmp_path / "launch.toml").write_bytes(b"\xff")
    with pytest.raises(LaunchConfigError, match="is not UTF-8"):
        read_launch(tmp_path / "launch.toml", Knobs)


def test_the_bundled_file_is_a_right_one():
    config = read_launch(bundled_path(), Knobs)
    assert (config.limits, config.timeouts, config.timing) == ({}, {}, {})
    assert config.host.keys() == {"preload"}, "what it starts anyway; no setting is the owner's"


def test_the_bundled_file_declares_the_built_in_services():
    declared = {
        each.class_name.rpartition(":")[2]: each.lifecycle.value
        for each in read_launch(bundled_path(), Knobs).plan.residents
    }
    assert declared == {
        "ServerInfoAgent": "lazy",
        "MeshInfoAgent": "eager",
        "ComputeSlotsAgent": "eager",
        "UserInfoAgent": "lazy",
    }
