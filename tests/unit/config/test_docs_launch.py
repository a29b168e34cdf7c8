"""docs/launch.md names every table and key, and its examples are right."""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from paglets.config.launch import HOST_KEYS, LAUNCH_KEYS, MESH_KEYS, knob_key, parse_launch
from paglets.config.settings import Limits, Timeouts
from paglets.model.enums import LaunchConfigSyncAction

PAGE = (Path(__file__).parents[3] / "docs" / "launch.md").read_text()
SERVICE = {"class", "lifecycle", "idle_timeout_seconds", "agent_id", "state", "restart"}
PAGLET = {"class", "alias", "agent_id", "state"}


@dataclass(frozen=True)
class Knobs:
    """Stands in for the mesh's."""

    probe_interval: float = 1.0


def knobs_of(numbers):
    return {
        knob_key(each.name, is_seconds=isinstance(each.default, float)) for each in fields(numbers)
    }


def documented(start: str) -> set[str]:
    """Return the keys in the first columns of the first table after `start`."""
    table = re.search(r"\| key .*?\n((?:\|.*\n)+)", PAGE[PAGE.index(start) :])
    assert table is not None
    cells = [line.split("|")[1] for line in table[1].splitlines()[1:]]
    return {key for cell in cells for key in re.findall(r"`([a-z_]+)`", cell)}


@pytest.mark.parametrize(
    ("start", "keys"),
    [
        ("## Services", SERVICE),
        ("## Paglets of your own", PAGLET),
        ("`[launch]`\n", {*LAUNCH_KEYS, "modules"}),
        ("`[host]`, as", set(HOST_KEYS)),
        ("`[mesh]`\n", set(MESH_KEYS)),
        ("`[limits]`\n", knobs_of(Limits)),
        ("`[timeouts]`, in", knobs_of(Timeouts)),
    ],
)
def test_every_key_of_a_table_is_documented_and_no_other(start, keys):
    assert documented(start) == keys


@pytest.mark.parametrize("numbers", [Limits, Timeouts])
def test_the_defaults_are_those_of_the_code(numbers):
    units = {"GiB": 1 << 30, "MiB": 1 << 20, "": 1}
    for each in fields(numbers):
        key = knob_key(each.name, is_seconds=isinstance(each.default, float))
        row = re.search(rf"^\| `{key}` \| ([0-9.]+) ?(\w*) \|", PAGE, re.MULTILINE)
        assert row is not None, key
        assert float(row[1]) * units[row[2]] == each.default, key


def test_every_action_of_a_sync_is_explained():
    for action in LaunchConfigSyncAction:
        assert f"| `{action.value}` |" in PAGE


def test_the_examples_are_right():
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for text in examples:
        parse_launch(text, Path("launch.toml"), Knobs)
        assert tomllib.loads(text)


def test_the_class_of_the_example_can_be_started(tmp_path, monkeypatch):
    from paglets.child.surveying import survey
    from paglets.wire.calls import Survey

    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "docs_launch_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    told = survey(Survey(call=1, modules=("docs_launch_example",)))
    assert [each.alias for each in told.found] == ["indexer"]
