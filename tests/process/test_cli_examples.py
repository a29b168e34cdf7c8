"""`paglets examples …` on real hosts."""

import json
import subprocess
import sys

import pytest

import paglets
from paglets.testing.localmesh import LocalMesh

pytestmark = pytest.mark.slow


def test_a_tour_sees_every_host_once_and_is_disposed_of():
    with LocalMesh(2) as mesh:
        alpha = mesh["alpha"]
        with paglets.connect(alpha.url, mesh.key_file) as client:
            client.mesh.wait_for_host("beta", 15)
        shared = ["--url", alpha.url, "--key-file", str(mesh.key_file), "--json"]

        def run(*words: str) -> object:
            done = subprocess.run(
                [sys.executable, "-m", "paglets", *words, *shared],
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        run("agent", "create", "paglets.examples.tour:Tour", "--id", "stays", "--host", "alpha")
        sights = run("examples", "tour")
        assert [sight["host"] for sight in sights] == ["alpha", "beta"]
        assert [row["agent_id"] for row in run("agent", "list")] == ["stays"]
