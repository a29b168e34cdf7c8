"""`docker compose watch`: a file is saved, and all three hosts run what it says now."""

import json
import shutil
import subprocess

import pytest

from paglets.testing import wait_until
from tests.docker.composeproject import Project
from tests.docker.inside import online_in, paglets_in
from tests.docker.shell import ROOT

CODE = '''"""A paglet that is being worked on."""

from dataclasses import dataclass

from paglets import Paglet, handles


@dataclass
class DraftState:
    asked: int = 0


class Draft(Paglet[DraftState]):
    @handles("edition")
    def edition(self) -> list[int]:
        self.state.asked += 1
        return [EDITION, self.state.asked]
'''


@pytest.fixture
def project(paglets_image, tmp_path):
    """A folder with compose.yaml in it and nothing else yet."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is missing")
    folder = tmp_path / "mesh"
    (folder / "agents").mkdir(parents=True)
    shutil.copy(ROOT / "compose.yaml", folder)
    project = Project(paglets_image, tmp_path / "home", folder)
    project.run("docker compose up --detach --wait")
    yield project
    project.remove()


@pytest.fixture
def watching(project, tmp_path):
    """`docker compose watch`, as it runs in a terminal of its own meanwhile."""
    log = tmp_path / "watch.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            ["docker", "compose", "watch", "--no-up"],
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as program,
    ):
        wait_until(
            lambda: "watch" in log.read_text().lower(),
            timeout=30,
            what="compose watches",
            interval=0.1,
            story=log.read_text,
        )
        yield log
        program.terminate()


def save(project: Project, edition: int) -> None:
    path = project.folder / "agents" / "draft.py"
    path.write_text(f"{CODE}\n\nEDITION = {edition}\n")


def codes(project: Project) -> set[str]:
    """Return the code versions of the three hosts, as alpha lists them."""
    return {host["code_version"] for host in online_in(project.container("alpha"))}


def test_docker_compose_watch_brings_edited_paglets_to_all_hosts(project, watching):
    empty = codes(project)

    def wait_renewed(former: set[str]) -> set[str]:
        wait_until(
            lambda: len(codes(project)) == 1 and codes(project) != former,
            timeout=40,
            what="all three hosts have the same new code",
            interval=0.3,
            story=lambda: f"{codes(project)}\n{watching.read_text()}\n{project.log('alpha')}",
        )
        return codes(project)

    save(project, 1)
    first = wait_renewed(empty)
    for name in ("alpha", "beta", "gamma"):
        line = f"agent create draft:Draft --id draft-{name} --host {name}"
        paglets_in(project.container("alpha"), line)
        assert answer(project, f"draft-{name}") == [1, 1]

    save(project, 2)
    wait_renewed(first)
    # The same paglets, with what they remember, on the new code.
    for name in ("alpha", "beta", "gamma"):
        wait_until(
            lambda name=name: answer(project, f"draft-{name}")[0] == 2,
            timeout=20,
            what=f"the paglet at {name} runs the new code",
            interval=0.3,
        )
        assert answer(project, f"draft-{name}")[1] >= 3


def answer(project: Project, agent_id: str) -> list[int]:
    return json.loads(paglets_in(project.container("alpha"), f"agent send {agent_id} edition"))
