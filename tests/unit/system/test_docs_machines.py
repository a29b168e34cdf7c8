"""`docs/machines.md`: its examples run, its tables name what there is."""

import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest

import paglets
from paglets.cli.targets import targets
from paglets.config.launch import read_launch
from paglets.config.launchfile import bundled_path
from paglets.mesh.timing import MeshTiming
from paglets.model.enums import ResidentLifecycle
from paglets.system.mesh_info import contract as mesh_info
from paglets.system.mesh_info.contract import MESH_INFO, TargetQuery
from paglets.system.mesh_info.glancing import LOOK_BACK
from paglets.system.mesh_info.pacing import (
    GLANCE_INTERVAL,
    GPU_INTERVAL,
    INTEREST_SECONDS,
    LOAD_CHANGE,
    LOAD_SHARE,
    PART_INTERVAL,
    SAMPLE_INTERVAL,
    SPACE_CHANGE,
)
from paglets.system.mesh_info.ranking import HELD_FOR, rank, usual_max_age
from paglets.system.server_info import contract as server_info
from paglets.system.server_info.contract import COMMAND_LIMIT, SERVER_INFO, Memory
from paglets.testing.harness import PagletHarness
from tests.unit.system.test_ranking import candidate

PAGE = (Path(__file__).parents[3] / "docs" / "machines.md").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    names = ", ".join(paglets.__all__)
    imports = [f"from paglets import {names}"] + [
        f"from {each.__name__} import *" for each in (mesh_info, server_info)
    ]
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "machines_page.py").write_text("\n\n".join([*imports, *blocks]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield __import__("machines_page")


@pytest.mark.parametrize(("available", "is_full"), [(9, True), (10, False)])
def test_the_healer_sees_when_memory_is_short(page, available, is_full):
    harness = PagletHarness(page.Healer, replies=lambda _sent: asdict(Memory(100, available)))
    harness.mesh.provided = (SERVER_INFO,)
    with harness:
        assert harness.send("is_full") is is_full


def test_the_renderer_goes_where_there_is_room(page):
    def answer(sent):
        query = TargetQuery(**sent.args)
        return asdict(rank(query, [candidate("beta"), candidate("alpha", load_per_cpu=0.9)]))

    harness = PagletHarness(page.Renderer, replies=answer)
    harness.mesh.provided = (MESH_INFO,)
    with harness:
        harness.send("render")
        assert harness.moves == ["beta"]


def test_the_renderer_says_why_it_stays(page):
    harness = PagletHarness(page.Renderer, replies=lambda _: asdict(rank(TargetQuery(), [])))
    harness.mesh.provided = (MESH_INFO,)
    with harness:
        harness.send("render")
        assert [event.kind for event in harness.events] == ["no-place"]


def test_the_tables_name_every_operation_limit_and_option():
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    first = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert first == {*SERVER_INFO.operation_names, *(each.name for each in fields(TargetQuery))}
    options = {name for row in rows for name in re.findall(r"`(--[\w-]+)`", row[1])}
    known = {option for each in targets.params for option in each.opts}
    assert options == known - {"--url", "--key-file", "--json"}


def test_the_figures_of_the_page_are_those_of_the_code():
    assert f"at most {usual_max_age(16):.0f} s out of date" in PAGE
    assert f"hosts these are {usual_max_age(1000) / 60:.0f} minutes" in PAGE
    assert f"cut at {COMMAND_LIMIT} characters" in PAGE


def test_what_the_page_says_of_sampling_is_so():
    assert f"every {GLANCE_INTERVAL:.0f} s" in PAGE
    assert LOOK_BACK == 60
    assert f"{LOAD_CHANGE:g} of load or use" in PAGE
    assert LOAD_SHARE == 0.3
    assert SPACE_CHANGE == 1 / 20
    assert f"takes it back after {HELD_FOR:.0f} s" in PAGE
    assert SAMPLE_INTERVAL == 3600
    assert f"one every {GPU_INTERVAL:.0f} s" in PAGE
    assert f"every {PART_INTERVAL / 60:.0f} minutes" in PAGE
    assert INTEREST_SECONDS == 60


def test_the_bundled_launch_file_starts_both_as_the_page_says():
    plan = read_launch(bundled_path(), MeshTiming).plan
    found = {each.class_name.rpartition(":")[2]: each for each in plan.residents}
    server_info, mesh_info = found["ServerInfoAgent"], found["MeshInfoAgent"]
    assert mesh_info.lifecycle is ResidentLifecycle.EAGER
    assert server_info.lifecycle is ResidentLifecycle.LAZY
    assert f"sleeps after {server_info.idle_timeout:.0f} s without calls" in PAGE
