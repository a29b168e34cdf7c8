"""`paglets mesh targets` against hosts whose mesh-info ranks what the test gives it."""

import json
from dataclasses import replace

import msgspec
import pytest

from paglets.model.refs import HostRef
from paglets.system.mesh_info.contract import MESH_INFO, TargetQuery
from paglets.system.mesh_info.ranking import Candidate, rank
from paglets.wire.bodies import ServiceBody
from tests.cli.conftest import parsed
from tests.unit.system.test_ranking import FIGURES, GIB


@pytest.fixture
def hosts(mesh):
    """What mesh-info of alpha knows; tests may add."""
    runtime, asked = mesh.alpha, []
    known = [
        Candidate(HostRef(name, f"http://{name}:1", host_id=name), FIGURES, 2.0)
        for name in ("alpha", "beta")
    ]

    def answer(kind, args):
        assert kind == "rank"
        asked.append(msgspec.json.decode(args, type=TargetQuery))
        return msgspec.to_builtins(rank(asked[-1], known))

    runtime.put("mesh-info")
    runtime.answers["mesh-info"] = answer
    runtime.services.append(
        ServiceBody(
            name="mesh-info", version="1", provider=runtime.ref("mesh-info"),
            operations=MESH_INFO.operation_names, host_name="alpha",
        )
    )  # fmt: skip
    mesh.asked = asked
    return known


def test_hosts_that_suit_are_listed_best_first_with_reasons(run, hosts):
    hosts[1] = replace(hosts[1], figures=replace(FIGURES, memory_available_bytes=16 * GIB))
    lines = run("mesh", "targets").stdout.splitlines()
    assert lines[0].split() == ["HOST", "SCORE", "WHY"]
    assert lines[1].split()[:2] == ["beta", "1.00"]
    assert lines[2].split()[0] == "alpha"
    assert "8.0 GiB of memory free" in lines[2]
    assert len(lines) == 3


def test_hosts_that_do_not_suit_are_listed_with_all_that_speaks_against_them(run, hosts):
    hosts[1] = replace(hosts[1], figures=replace(FIGURES, cpus=1.0, load_per_cpu=2.0))
    lines = run("mesh", "targets", "--cpus", "2", "--max-load", "0.8").stdout.splitlines()
    assert lines[2].split() == ["REJECTED", "WHY"]
    assert lines[3] == "beta      has 1 cores, 2 wanted; load is 2 a CPU, at most 0.8 wanted"


def test_every_option_reaches_the_ranking(run, hosts, mesh):
    run(
        "mesh", "targets", "--memory", "2G", "--cpus", "1.5", "--max-load", "0.8", "--disk", "10G",
        "--temp", "1M", "--gpus", "1", "--gpu-memory", "4G", "--tag", "gpu,ssd", "--without-tag",
        "old", "--prefer-tag", "near", "--capability", "docker", "--hosts", "alpha,beta",
        "--exclude", "gamma", "--count", "3", "--max-age", "60",
    )  # fmt: skip
    assert mesh.asked == [
        TargetQuery(
            cpus=1.5, memory_bytes=2 * GIB, disk_bytes=10 * GIB, temp_bytes=2**20, gpus=1,
            gpu_memory_bytes=4 * GIB, max_load_per_cpu=0.8, tags=("gpu", "ssd"),
            without_tags=("old",), prefer_tags=("near",), capabilities=("docker",),
            hosts=("alpha", "beta"), exclude_hosts=("gamma",), count=3, max_age=60.0,
        )
    ]  # fmt: skip


def test_without_options_any_host_suits(run, hosts, mesh):
    assert len(parsed(run("mesh", "targets", "--json"))["targets"]) == 2
    assert mesh.asked == [TargetQuery()]


def test_where_none_suits_the_reasons_are_shown_and_the_command_fails(run, hosts):
    result = run("mesh", "targets", "--tag", "gpu")
    assert result.exit_code == 1
    assert "alpha     lacks tag gpu" in result.stdout
    assert "no host suits" in result.stderr
    result = run("mesh", "targets", "--tag", "gpu", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["rejected"][0]["reasons"] == ["lacks tag gpu"]


def test_those_beyond_the_count_are_mentioned(run, hosts):
    result = run("mesh", "targets", "--count", "1")
    assert len(result.stdout.splitlines()) == 2
    assert "1 more suit" in result.stderr


def test_many_that_do_not_suit_are_mentioned(run, hosts):
    hosts += [Candidate(HostRef(f"h{number}", "http://h:1")) for number in range(200)]
    result = run("mesh", "targets", "--cpus", "99")
    assert "2 more do not suit" in result.stderr


def test_without_mesh_info_the_command_says_what_is_missing(run):
    result = run("mesh", "targets")
    assert result.exit_code == 1
    assert "no host of this mesh runs mesh-info" in result.stderr
    assert "launch.toml" in result.stderr


@pytest.mark.parametrize("option", [("--cpus", "-1"), ("--memory", "much"), ("--count", "0")])
def test_an_amount_that_makes_no_sense_is_wrong_usage(run, option):
    assert run("mesh", "targets", *option).exit_code == 2
