"""The examples run from outside the mesh: nothing but the entry host is connected to."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from paglets.testing.localmesh import LocalMesh

pytestmark = pytest.mark.slow

AUDIT = """
import sys
def note(event, args):
    if event == "socket.connect":
        with open({path!r}, "a") as file:
            file.write(str(args[1]) + "\\n")
sys.addaudithook(note)
import runpy
runpy.run_module("paglets", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "words",
    [
        ("perf", "--only", "memory", "--duration", "0.05"),
        ("mesh-benchmark", "--moves", "1", "--messages", "1"),
        ("grep", "x", "--in", "/etc/hostname"),
        ("tour",),
    ],
)
def test_only_the_entry_host_is_connected_to(mesh: LocalMesh, tmp_path: Path, words):
    connected = tmp_path / "connected"
    url = mesh["beta"].url
    done = subprocess.run(
        [sys.executable, "-c", AUDIT.format(path=str(connected)), "examples", *words,
         "--url", url, "--key-file", str(mesh.folder / "mesh.key"), "--json"],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if words[0] == "tour":
        assert len(json.loads(done.stdout)) == 3
    assert set(connected.read_text().splitlines()) == {f"('127.0.0.1', {urlsplit(url).port})"}
