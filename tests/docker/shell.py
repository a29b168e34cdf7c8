"""Command lines as a person types them, for scenarios of compose, Swarm and CI."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Shell:
    """Runs lines in a folder, with this project's `paglets` on the path.

    Args:
        variables: Beside those of this process.
        folder: Where they are typed.
    """

    def __init__(self, variables: Mapping[str, str], folder: Path = ROOT) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, **variables}
        self.folder = folder

    def run(self, line: str, *, timeout: float = 180.0) -> str:
        """Return what a line prints to stdout; it must succeed."""
        done = self.outcome(line, timeout=timeout)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def outcome(self, line: str, *, timeout: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Return how a line ended."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def run_at_end(line: str) -> subprocess.Popen[bytes]:
    """Have a line run once this process has ended, however it ends; or when its stdin is closed."""
    return subprocess.Popen(
        ["sh", "-c", f"cat >/dev/null; {line}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
