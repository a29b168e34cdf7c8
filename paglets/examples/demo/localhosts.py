"""Hosts as processes of this machine, for the demo: started, killed, restarted, cleaned up.

Each has a free port; all share a temporary `PAGLETS_HOME`, and so one key, made by the first.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

READY_SECONDS = 15.0
"""Longest start of a host; it takes well under a second on a machine that does nothing else."""
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_TAIL_LINES = 12


class DemoError(Exception):
    """Something did not happen as the demo says; the message has what the host printed last."""


class LocalHost:
    """One host.

    Args:
        name: Its name.
        home: The `PAGLETS_HOME` of all.
        port: Its TCP port, kept through restarts.
        options: Further options of `paglets host`.
    """

    def __init__(self, name: str, home: Path, port: int, options: Sequence[str]) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / f"{name}.log"
        self._home = home
        self._data = home / "hosts" / name
        self._arguments = ["host", "--name", name, "--port", str(port), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it; `environment` comes on top of what a host needs."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PAGLETS_")}
        clean |= {"PAGLETS_HOME": str(self._home), **(environment or {})}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "paglets", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean,
                cwd=self._home,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until its API answers.

        Raises:
            DemoError: It ended, or was not ready in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        while self._announced_pid() != self._running().pid:
            if self._running().poll() is not None:
                raise self._failure(f"ended at once with {self._running().returncode}")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {READY_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)

    def wait_killed(self, timeout: float) -> int:
        """Wait until it has ended and return the signal that ended it.

        Raises:
            DemoError: It lives on, or ended by itself.
        """
        try:
            code = self._running().wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._failure(f"still runs after {timeout:g} s") from None
        if code >= 0:
            raise self._failure(f"ended by itself with {code}")
        return -code

    def ask_to_stop(self) -> None:
        """Send it SIGTERM and go on; `wait_stopped` waits."""
        with contextlib.suppress(ProcessLookupError):
            self._running().send_signal(signal.SIGTERM)

    def wait_stopped(self) -> None:
        """Wait until it has stopped by itself after `ask_to_stop`.

        Raises:
            DemoError: It had to be killed, or failed while stopping.
        """
        try:
            code = self._running().wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failure(f"did not stop within {STOP_SECONDS:g} s") from None
        if code != 0:
            raise self._failure(f"stopped with {code}")

    def kill(self) -> None:
        """End it by SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise DemoError(f"host {self.name} was not started")
        return self._process

    def _announced_pid(self) -> int | None:
        try:
            facts = json.loads((self._data / "host.json").read_bytes())
        except (OSError, ValueError):  # not there, or not whole yet
            return None
        pid = facts.get("pid")
        return pid if isinstance(pid, int) else None

    def _failure(self, what: str) -> DemoError:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        tail = "\n".join(f"  {self.name} | {line}" for line in lines[-_TAIL_LINES:])
        return DemoError(f"host {self.name} {what}\n{tail}")


class LocalMesh:
    """Several hosts that know each other. Use in `with`: nothing of them is left after it.

    Args:
        names: Of the hosts.
        options: Further options of `paglets host` for each.
        keep: Leave the folder, with the logs.
    """

    def __init__(self, names: Sequence[str], options: Sequence[str], *, keep: bool) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="paglets-demo-"))
        self._keep = keep
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.hosts: dict[str, LocalHost] = {}
        for name in names:
            seeds = [f"--seed=http://127.0.0.1:{ports[other]}" for other in names if other != name]
            self.hosts[name] = LocalHost(name, self.home, ports[name], [*seeds, *options])

    @property
    def key_file(self) -> Path:
        """The key all of them share."""
        return self.home / "keys" / "default.key"

    def start(self) -> None:
        """Start all and wait until all are ready."""
        for host in self.hosts.values():
            host.start()
        for host in self.hosts.values():
            host.wait_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for host in self.hosts.values():
            host.kill()
        if not self._keep:
            shutil.rmtree(self.home, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on; they stay free unless somebody takes them meanwhile."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
