"""compose.yaml as people use it: up, the lines that alpha prints, more replicas, seeds only."""

import json
import re
import shlex
import shutil

import pytest

from paglets.testing import wait_until
from tests.docker.composeproject import Project


@pytest.fixture(scope="module")
def project(paglets_image, tmp_path_factory):
    if shutil.which("docker") is None:
        pytest.skip("the docker command is missing")
    project = Project(paglets_image, tmp_path_factory.mktemp("home"))
    project.run("docker compose up --detach --wait")
    yield project
    project.remove()


@pytest.fixture(scope="module")
def greeting(project) -> list[str]:
    """What alpha prints once three hosts are online."""

    def found() -> list[str]:
        lines = project.log("alpha")
        starts = [n for n, line in enumerate(lines) if re.match(r"\d+ hosts are online", line)]
        return lines[starts[0] :] if starts else []

    wait_until(
        lambda: len(found()) >= 10,
        timeout=30,
        what="alpha greets",
        interval=0.3,
        story=lambda: "\n".join(project.log("alpha")),
    )
    return found()


def test_alpha_says_once_who_is_in_the_mesh_and_which_key_it_has(project, greeting):
    told = re.fullmatch(
        r"3 hosts are online with key ([0-9a-f]{8}): alpha, beta, gamma", greeting[0]
    )
    assert told is not None, greeting[0]
    shown = json.loads(project.run("docker compose exec -T beta paglets mesh hosts --json"))
    assert {host["name"] for host in shown} == {"alpha", "beta", "gamma"}
    exported = project.run("docker compose exec -T gamma paglets key export")
    assert exported.split(":")[1] == told[1]
    assert sum("hosts are online" in line for line in project.log("alpha")) == 1


def test_every_printed_command_does_what_it_says(project, greeting):
    commands = [line.strip() for line in greeting if line.startswith("  ")]
    assert len(commands) == 5
    expected = {
        "mesh hosts": "alive",
        "examples tour": "gamma",
        "key import": r"[0-9a-f]{8}",
        "--rm perf": "gamma",
    }
    for command in commands:
        # A person has a terminal here, which `exec` gives to the container; this test has none.
        typed = command.replace("compose exec alpha", "compose exec -T alpha")
        told = project.run(typed)
        wanted = next(
            text for words, text in expected.items() if shlex.split(command)[-2:] == words.split()
        )
        assert re.search(wanted, told), f"{command}\n{told}"
    assert f"http://127.0.0.1:{project.port}" in commands[-1]


def test_options_of_the_benchmark_follow_its_name(project):
    told = project.run("docker compose run --rm perf --only cpu --hosts beta --json")
    measured = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert [host["host"] for host in measured["hosts"]] == ["beta"]


def test_the_benchmark_can_end_a_run_of_compose_with_its_exit_code(project):
    told = project.run("docker compose --profile perf up --exit-code-from perf", timeout=200)
    for host in ("alpha", "beta", "gamma"):
        assert re.search(rf"perf-1 .*\b{host}\b", told), told
    project.run("docker compose up --detach --wait")


def test_replicas_join_through_dns(project):
    project.run("docker compose --profile scale up --detach --wait --scale host=8 host")
    wait_until(
        lambda: len(project.online("alpha")) == 11,
        timeout=60,
        what="three hosts and eight replicas are online",
        interval=0.5,
        story=lambda: str(project.online("alpha")),
    )
    project.run("docker compose --profile scale rm --stop --force --volumes host")


def test_hosts_without_multicast_form_a_mesh_of_their_own(project):
    project.run(
        "docker compose --profile seeds-only up --detach --wait seed-alpha seed-beta seed-gamma"
    )
    wait_until(
        lambda: project.online("seed-gamma") == ["alpha", "beta", "gamma"],
        timeout=60,
        what="three hosts are online",
        interval=0.5,
        story=lambda: str(project.online("seed-gamma")),
    )


def test_a_mesh_that_went_down_comes_back_with_its_paglets(project):
    create = "docker compose exec -T alpha paglets agent create paglets.examples.tour:Tour --json"
    agent_id = json.loads(project.run(create))["agent_id"]
    project.run("docker compose down --timeout 15")
    project.run("docker compose up --detach --wait")
    listed = project.run("docker compose exec -T alpha paglets agent list --json")
    assert agent_id in listed
