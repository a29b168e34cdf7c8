"""How settings reach a host in a container."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paglets.config.settings import HostSettings, Limits, Timeouts
from paglets.model.launch import LaunchPlan, ResidentService
from paglets.testing.containersettings import command_of

PLAIN = HostSettings(name="alpha", data=Path("/data"), preset="local")


def test_a_host_in_a_container_starts_nothing_by_itself_unless_told():
    command, variables = command_of(PLAIN)
    assert command == ["host"]
    assert variables["PAGLETS_LAUNCH"] == "/dev/null"


def test_settings_go_as_variables():
    _, variables = command_of(replace(PLAIN, tags=("a", "b"), multicast=True, seeds=("x",)))
    assert variables["PAGLETS_TAG"] == "a b"
    assert (variables["PAGLETS_MULTICAST"], variables["PAGLETS_SEED"]) == ("1", "x")


@pytest.mark.parametrize(
    "changes",
    [
        {"launch": LaunchPlan(residents=(ResidentService(class_name="a:B"),))},
        {"timing": {"gossip_fanout": 2}},
        {"limits": Limits(starting=1)},
        {"timeouts": Timeouts(hook=1.0)},
        {"environment": ("LANG",)},
    ],
)
def test_what_has_no_option_goes_whole(changes):
    command, _ = command_of(replace(PLAIN, **changes))
    assert command[:3] == ["python", "-m", "paglets.testing.hostprocess"]
    sent = json.loads(command[3])
    assert sent["name"] == "alpha"
    assert sent[next(iter(changes))]
