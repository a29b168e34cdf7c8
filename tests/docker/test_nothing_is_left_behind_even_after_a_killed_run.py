"""A run of tests that is killed: its containers, networks and volumes are removed all the same."""

import subprocess
import sys

from paglets.testing import wait_until
from paglets.testing.reaper import MESH_LABEL

PROGRAM = """
import sys
from paglets.testing import DockerMesh
with DockerMesh(1, image=sys.argv[1]) as mesh:
    print(mesh.id, flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_behind_even_after_a_killed_run(paglets_engine, paglets_image):
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, paglets_image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        wanted = {"label": f"{MESH_LABEL}={run.stdout.readline().strip()}"}

        def left() -> list[str]:
            client = paglets_engine
            return [
                *(each.name for each in client.containers.list(all=True, filters=wanted)),
                *(each.name for each in client.networks.list(filters=wanted)),
                *(each.name for each in client.volumes.list(filters=wanted)),
            ]

        assert len(left()) == 5  # a container, a network, three volumes
        run.kill()
    wait_until(
        lambda: not left(),
        timeout=30,
        what="all is removed",
        interval=0.2,
        story=lambda: str(left()),
    )
