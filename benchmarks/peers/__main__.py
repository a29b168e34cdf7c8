"""Do the same work on paglets, Ray, Thespian, xoscar and plain multiprocessing, one after another.

    python -m benchmarks.peers [--only NAME]... [--json FILE] [--folder .venv-peers]

Each runs in a virtual environment of its own under `--folder`, made when it is missing. A system
that cannot be installed here, or fails, is a row with the reason.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
INSTALL_TIMEOUT = 300.0
"""Seconds for one environment."""
RUN_TIMEOUT = 180.0
"""Seconds for one system's work."""


class PeerError(Exception):
    """A system has no figures; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One system."""

    name: str
    program: str
    requires: tuple[str, ...] = ()
    """What is installed for it, beside psutil."""
    is_ours: bool = False
    """Runs in this environment."""


PEERS = (
    Peer("paglets", "with_paglets.py", is_ours=True),
    Peer("multiprocessing", "with_multiprocessing.py"),
    Peer("Thespian", "with_thespian.py", ("thespian>=4",)),
    Peer("xoscar", "with_xoscar.py", ("xoscar>=0.7",)),
    Peer("Ray", "with_ray.py", ("ray>=2.40",)),
)
COLUMNS = (
    ("create, p50 (ms)", "create_ms"),
    ("round trip, p50 (ms)", "round_trip_ms"),
    ("calls/s, 16 under way", "calls_per_s"),
    ("MiB an actor (USS)", "mib_per_actor"),
)


def python_of(peer: Peer, folder: Path) -> str:
    """Return the interpreter a peer runs with, installing what it needs first.

    Raises:
        PeerError: Its packages cannot be installed.
    """
    if peer.is_ours:
        return sys.executable
    home = folder / peer.name.lower()
    python, done = home / "bin" / "python", home / "installed"
    if not done.exists():
        venv.create(home, with_pip=True, clear=True)
        run(
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "psutil",
             *peer.requires],
            timeout=INSTALL_TIMEOUT, what="cannot be installed",
        )  # fmt: skip
        done.touch()
    return str(python)


def run(command: list[str], *, timeout: float, what: str) -> str:
    """Run a program in a process group of its own, all of which ends with it; return its output.

    Raises:
        PeerError: It failed, or did not end in time.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{what}: not done within {timeout:g} s") from None
        finally:
            end_group(process.pid)
    if process.returncode != 0:
        last = [line for line in errors.splitlines() if line.strip()][-1:] or ["no message"]
        raise PeerError(f"{what}: exit code {process.returncode}: {last[0][:160]}")
    return output


def end_group(leader: int) -> None:
    """End what is left of a process group that we started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def measure(peer: Peer, folder: Path) -> dict[str, object]:
    """Return the report of one system.

    Raises:
        PeerError: It has none.
    """
    python = python_of(peer, folder)
    output = run([python, str(HERE / peer.program)], timeout=RUN_TIMEOUT, what="failed")
    reports = [line for line in output.splitlines() if line.startswith("REPORT ")]
    if not reports:
        raise PeerError("failed: it reported nothing")
    found: dict[str, object] = json.loads(reports[-1].removeprefix("REPORT "))
    return found


def table(reports: dict[str, dict[str, object]]) -> str:
    """Return the reports as a Markdown table, one line a system."""
    names = ["system", "version", *(title for title, _ in COLUMNS), "note"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for system, report in reports.items():
        values = [show(report.get(key)) for _, key in COLUMNS]
        cells = [system, str(report.get("version", "")), *values, str(report.get("note", ""))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def show(value: object) -> str:
    """Return a number at three digits, nothing where there is none."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> int:
    """Measure all and print the table; return 1 if paglets itself has no figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", action="append", choices=names, help="this system alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--folder", type=Path, default=Path(".venv-peers"))
    options = parser.parse_args()
    reports: dict[str, dict[str, object]] = {}
    for peer in PEERS:
        if options.only and peer.name not in options.only:
            continue
        print(f"{peer.name} …", file=sys.stderr, flush=True)
        try:
            reports[peer.name] = measure(peer, options.folder.resolve())
        except (PeerError, OSError, subprocess.SubprocessError) as error:
            reports[peer.name] = {"note": f"not measured: {error}"}
    print(table(reports))
    if options.json is not None:
        options.json.write_text(json.dumps(reports, indent=1))
    return 1 if "create_ms" not in reports.get("paglets", {"create_ms": 0}) else 0


if __name__ == "__main__":
    raise SystemExit(main())
