"""A container's first start makes launch.toml in its volume; later ones keep what was edited.

The root is read-only, as `HostContainer` runs it: nothing may be written beside the volumes.
"""

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


def test_an_edit_survives_restarts_and_each_resident_is_there_once(alpha: HostContainer) -> None:
    run(alpha, "sh", "-c", f"printf '{EDIT}' >> {LAUNCH}")
    for end in (alpha.stop, alpha.kill):
        end()
        alpha.start()
        wait_active(alpha, "mesh-info.alpha", "compute-slots.alpha")
    assert sorted(alpha.statuses()) == sorted(f"{name}.alpha" for name in BUILT_IN)
    assert "connections = 300  # ours" in run(alpha, "cat", LAUNCH)
    assert "edited, and there is nothing new" in run(alpha, "paglets", "launch", "show")
