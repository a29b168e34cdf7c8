"""The module of docs/compute.md, on hosts that were started by the bundled launch.toml."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import paglets
from paglets.system.compute_slots.contract import COMPUTE_SLOTS
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs" / "compute.md").read_text()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    folder = tmp_path_factory.mktemp("agents")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "primes.py").write_text("\n\n".join(blocks))
    with LocalMesh(2, agents=folder, builtins=True) as running:
        wait_until(
            lambda: len(running.client().services.lookup_all(COMPUTE_SLOTS)) == 2,
            timeout=20,
            what="both hosts have compute-slots",
        )
        yield running


def paglets_jobs(mesh: LocalMesh, line: str) -> str:
    words = line.partition("#")[0].split()
    assert words[:2] == ["paglets", "jobs"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            *words,
            "--url",
            mesh["alpha"].url,
            "--key-file",
            str(mesh.key_file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_first_line_prints_what_the_page_says(mesh: LocalMesh):
    line, _, printed = re.search(r"paglets jobs submit .*--wait.*", PAGE)[0].partition("# prints ")
    assert paglets_jobs(mesh, line) == printed.strip()


def test_the_script_counts_primes(mesh: LocalMesh, tmp_path: Path):
    sys.path.insert(0, str(mesh.hosts[0].settings.agents[0]))
    try:
        import primes

        assert primes.count_primes(mesh["alpha"].url, str(mesh.key_file)) == 25
    finally:
        sys.path.pop(0)
        sys.modules.pop("primes", None)


def test_other_lines_of_the_page_work_for_a_job_there_is(mesh: LocalMesh):
    job = paglets.submit_job(mesh.client(), "primes:Primes", {"below": 50})
    assert job.result(int, timeout=30) == 15
    for line in re.findall(r"^paglets jobs (?:list|why|result|hosts).*$", PAGE, re.MULTILINE):
        assert paglets_jobs(mesh, line.replace("job-3f2a", job.job_id))
