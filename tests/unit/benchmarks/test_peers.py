"""Other systems beside ours: each is a row, with figures or with the reason why not."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers.__main__ import Peer, PeerError
from paglets.testing import wait_until

REPORT = {
    "version": "1.2", "create_ms": 12.345, "round_trip_ms": 0.5, "calls_per_s": 1234.5,
    "mib_per_actor": 2.0, "note": "fine",
}  # fmt: skip


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs the command line over programs written as text."""

    def run(programs: dict[str, str], *arguments: str) -> int:
        made = []
        for name, text in programs.items():
            path = tmp_path / f"{name}.py"
            path.write_text(text)
            made.append(Peer(name, str(path), is_ours=True))
        monkeypatch.setattr(peers, "PEERS", tuple(made))
        monkeypatch.setattr(sys, "argv", ["peers", "--folder", str(tmp_path), *arguments])
        return peers.main()

    return run


def test_a_system_that_reports_is_a_row_with_its_figures(call, capsys, tmp_path):
    saved = tmp_path / "peers.json"
    assert (
        call({"paglets": f"print('REPORT ' + {json.dumps(REPORT)!r})"}, "--json", str(saved)) == 0
    )
    assert "| paglets | 1.2 | 12.3 | 0.5 | 1,234 | 2 | fine |" in capsys.readouterr().out
    assert json.loads(saved.read_text()) == {"paglets": REPORT}


def test_a_system_that_fails_is_a_row_with_the_reason(call, capsys):
    assert call({"Other": "raise SystemExit('no such luck')", "Mute": "print('hello')"}) == 0
    told = capsys.readouterr().out
    assert "| Other |  |  |  |  |  | not measured: failed: exit code 1: no such luck |" in told
    assert "| Mute |  |  |  |  |  | not measured: failed: it reported nothing |" in told


def test_without_figures_of_paglets_itself_the_call_has_failed(call):
    assert call({"paglets": "raise SystemExit(3)"}) == 1


def test_a_program_that_does_not_end_is_given_up_with_all_it_started(tmp_path):
    noted = tmp_path / "pids"
    program = (
        "import os, pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"pathlib.Path({str(noted)!r}).write_text(str(child.pid))\n"
        "child.wait()\n"
    )
    with pytest.raises(PeerError, match="failed: not done within 1 s"):
        peers.run([sys.executable, "-c", program], timeout=1, what="failed")
    child = int(noted.read_text())
    wait_until(lambda: not is_running(child), timeout=10, what="the program's child is gone")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_system_that_cannot_be_installed_is_told(tmp_path, monkeypatch):
    def create(home: Path, **_options: object) -> None:
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(peers.venv, "create", create)
    peer = Peer("Other", "with_other.py", (str(tmp_path / "no-such-package"),))
    with pytest.raises(PeerError, match="cannot be installed: exit code"):
        peers.python_of(peer, tmp_path)
    assert not (tmp_path / "other" / "installed").exists()


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_every_system_has_its_program(peer):
    assert (peers.HERE / peer.program).is_file()
