"""A container's first start makes launch.toml in its volume; later ones keep what was edited.

The root is read-only, as `HostContainer` runs it: nothing may be written beside the volumes.
"""

import json
from collections.abc import Iterator

import pytest

from paglets.testing import DockerMesh, HostContainer, wait_until

LAUNCH = "/var/lib/paglets/launch.toml"
BUILT_IN = {"server-info", "mesh-info", "compute-slots", "user-info"}
EDIT = "\\n[limits]\\nconnections = 300  # ours\\n"


@pytest.fixture(scope="module")
def alpha() -> Iterator[HostContainer]:
    with DockerMesh(1, builtins=True) as mesh:
        yield mesh["alpha"]


def wait_active(host: HostContainer, *agent_ids: str) -> None:
    wait_until(
        lambda: {host.statuses().get(each) for each in agent_ids} == {"active"},
        timeout=30,
        what=f"{', '.join(agent_ids)} run",
        story=host.tail,
    )


def run(host: HostContainer, *command: str) -> str:
    code, output = host.container.exec_run(list(command))
    assert code == 0, output.decode()
    return str(output.decode())


def test_the_first_start_makes_the_file_and_all_services_are_there(alpha: HostContainer) -> None:
    wait_active(alpha, "mesh-info.alpha", "compute-slots.alpha")
    assert {body.name for body in alpha.observer.services()} >= BUILT_IN
    assert alpha.statuses()["user-info.alpha"] == "inactive"
    assert alpha.observer.health().warnings == ()
    assert "as it comes with this paglets" in run(alpha, "paglets", "launch", "show")


def test_a_killed_resident_is_back_by_itself_and_serves(alpha: HostContainer) -> None:
    wait_active(alpha, "mesh-info.alpha", "compute-slots.alpha")

    def process(agent_id: str) -> int | None:
        return {info.agent_id: info.pid for info in alpha.observer.agents()}[agent_id]

    killed = {each: process(each) for each in ("mesh-info.alpha", "compute-slots.alpha")}
    for pid in killed.values():
        run(alpha, "python", "-c", f"import os; os.kill({pid}, 9)")
    for agent_id, old in killed.items():
        wait_until(
            lambda agent_id=agent_id, old=old: process(agent_id) not in {None, old},
            timeout=30,
            what=f"{agent_id} has a new process",
            story=alpha.tail,
        )
    wait_active(alpha, *killed)
    assert json.loads(run(alpha, "paglets", "jobs", "list", "--json"))["silent"] == []
    assert "alpha" in run(alpha, "paglets", "mesh", "targets")


def test_an_edit_survives_restarts_and_each_resident_is_there_once(alpha: HostContainer) -> None:
    run(alpha, "sh", "-c", f"printf '{EDIT}' >> {LAUNCH}")
    for end in (alpha.stop, alpha.kill):
        end()
        alpha.start()
        wait_active(alpha, "mesh-info.alpha", "compute-slots.alpha")
    assert sorted(alpha.statuses()) == sorted(f"{name}.alpha" for name in BUILT_IN)
    assert "connections = 300  # ours" in run(alpha, "cat", LAUNCH)
    assert "edited, and there is nothing new" in run(alpha, "paglets", "launch", "show")
