"""launch.toml and the settings of a host: what the file says over what counts without it."""

from pathlib import Path

import pytest

from paglets.config.settings import HostSettings, Limits, Timeouts
from paglets.host.launching import check_launch, load_launch_text, with_launch
from paglets.mesh.timing import LAN
from paglets.model.errors import LaunchConfigError

TEXT = """
[host]
agents = ["agents"]
advertise = "alpha.test"
[mesh]
seeds = ["beta", "https://gamma:1/"]
[mesh.timing]
gossip_fanout = 5
[limits]
connections = 10
[[services]]
class = "a:B"
lifecycle = "lazy"
"""


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "agents").mkdir()
    return HostSettings(
        name="alpha",
        data=tmp_path,
        tags=("mine",),
        limits=Limits(starting=3),
        timeouts=Timeouts(hook=1.0),
        timing={"indirect_probes": 2},
    )


def test_a_file_counts_and_the_rest_stays(settings, tmp_path):
    given = with_launch(settings, TEXT)
    assert given.agents == (tmp_path / "agents",)
    assert given.advertise == "http://alpha.test:8765"
    assert given.seeds == ("http://beta:8765", "https://gamma:1")
    assert given.timing == {"indirect_probes": 2, "gossip_fanout": 5}
    assert given.limits == Limits(starting=3, connections=10)
    assert (given.timeouts, given.tags) == (Timeouts(hook=1.0), ("mine",))
    assert [each.class_name for each in given.launch.residents] == ["a:B"]


def test_a_file_may_be_given_by_its_path(settings, tmp_path):
    path = tmp_path / "elsewhere" / "launch.toml"
    path.parent.mkdir()
    path.write_text(TEXT.replace('"agents"', '"../agents"'))
    assert with_launch(settings, path).agents == (path.parent / "../agents",)


def test_knobs_are_checked_over_the_preset_that_counts(tmp_path):
    text = "[mesh.timing]\nprobe_timeout_seconds = 2\n"
    wan = HostSettings(name="alpha", data=tmp_path, preset="wan")
    assert with_launch(wan, text).timing == {"probe_timeout": 2.0}
    path = tmp_path / "launch.toml"
    path.write_text(text)
    with pytest.raises(LaunchConfigError, match=f"below probe_interval {LAN.probe_interval:g}"):
        check_launch(path)
    path.write_text("[mesh]\npreset = 'wan'\n" + text)
    assert check_launch(path).timing == {"probe_timeout": 2.0}


def test_a_url_that_is_none_is_named_with_its_place():
    with pytest.raises(LaunchConfigError) as caught:
        load_launch_text("[mesh]\nseeds = ['beta', 'ftp://x']\n", Path("/x/launch.toml"))
    assert (caught.value.table, caught.value.key, caught.value.line) == ("mesh", "seeds", 2)
