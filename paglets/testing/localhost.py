"""One real host process on loopback, under a test's control."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from paglets.config.settings import HostSettings
from paglets.connect import Client, connect
from paglets.model.errors import DeadlineError, PagletsError, UnavailableError
from paglets.testing.observer import Observer
from paglets.testing.waiting import wait_until

START_TIMEOUT = 20.0
"""Seconds a host has to become ready on a busy machine."""


class LocalHost:
    """A host process with its own data folder. Made by `LocalMesh`.

    Args:
        settings: What it is started with.
        environment: Variables beside those of the test, such as `PAGLETS_FAILPOINTS`.
    """

    def __init__(self, settings: HostSettings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.environment = dict(environment)
        self.program: tuple[str, ...] = ("-m", "paglets.testing.hostprocess")
        """What Python runs, with the settings as its last argument; a test may set its own, such
        as one with another clock, before a start."""
        self.log = settings.data.with_suffix(".log")
        """What it printed, over all its runs."""
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._observer: Observer | None = None
        self._hits_before = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    @property
    def url(self) -> str:
        """The URL it advertises."""
        return self.settings.advertise or f"http://127.0.0.1:{self.settings.port}"

    @property
    def internal_url(self) -> str:
        """Where its peers reach it: as the test does, there is one network only."""
        return self.url

    @property
    def key_file(self) -> Path:
        """Its key, for clients."""
        assert self.settings.key_file is not None
        return self.settings.key_file

    @property
    def pid(self) -> int:
        """Process id of its present run."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def client(self) -> Client:
        """A client that talks to this host, made at first use."""
        if self._client is None:
            url = f"http://127.0.0.1:{self.settings.port}"
            self._client = connect(url, key_file=self.key_file)
        return self._client

    @property
    def observer(self) -> Observer:
        """What this host says about itself; asked anew each time."""
        if self._observer is None:
            url = f"http://127.0.0.1:{self.settings.port}"
            self._observer = Observer(url, self.key_file)
        return self._observer

    def start(self, *, wait: bool = True, failpoints: str = "") -> None:
        """Start it; with `wait`, return when it is ready.

        Args:
            wait: Whether to wait until it answers as ready.
            failpoints: As `PAGLETS_FAILPOINTS`, for this run only.

        Raises:
            DeadlineError: It did not become ready; the message holds its last lines.
        """
        assert not self.is_running, f"{self.name} runs already"
        environment = {**os.environ, **self.environment}
        for name in ("PAGLETS_FAILPOINTS", "PAGLETS_FAILPOINT_LOG"):
            environment.pop(name, None)
        if failpoints:
            environment["PAGLETS_FAILPOINTS"] = failpoints
            environment["PAGLETS_FAILPOINT_LOG"] = str(self.failpoint_log)
        self._hits_before = len(self._hits())
        (self.settings.data / "host.json").unlink(missing_ok=True)
        text = msgspec.json.encode(self.settings, enc_hook=str).decode()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *self.program, text],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    @property
    def failpoint_log(self) -> Path:
        """File to which each hit of a failpoint is appended in the runs in which any is armed."""
        return self.settings.data.with_suffix(".failpoints")

    def _hits(self) -> list[str]:
        try:
            return self.failpoint_log.read_text().splitlines()
        except FileNotFoundError:
            return []

    def wait_ready(self, *, timeout: float = START_TIMEOUT) -> None:
        """Wait until it answers; DeadlineError with its last lines if it does not."""

        def is_ready() -> bool:
            if not self.is_running:
                raise DeadlineError(f"host {self.name} ended while it started:\n{self.tail()}")
            return self._says_it_is_up()

        wait_until(is_ready, timeout=timeout, what=f"host {self.name} is ready", story=self.tail)

    def _says_it_is_up(self) -> bool:
        try:
            facts = json.loads((self.settings.data / "host.json").read_bytes())
        except (OSError, ValueError):
            return False
        return bool(facts["pid"] == self.pid)

    def wait_failpoint(self, name: str, *, hits: int = 1, timeout: float = 20.0) -> None:
        """Wait until this host has come to a failpoint `hits` times since it was armed."""

        def was_hit() -> bool:
            lines = self._hits()[self._hits_before :]
            return sum(1 for line in lines if line.split()[0] == name) >= hits

        wait_until(was_hit, timeout=timeout, what=f"{self.name} hits {name}", story=self.tail)

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        self._forget_clients()

    def wait_gone(self, *, timeout: float = 20.0) -> int:
        """Wait until it ends by itself, such as by a failpoint; return its exit code."""
        assert self._process is not None
        code = self._process.wait(timeout)
        self._forget_clients()
        return code

    def stop(self, *, timeout: float = 15.0) -> int:
        """End it politely, as `docker stop` does; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout)
        self._forget_clients()
        return code

    def ask_to_stop(self) -> None:
        """Send it SIGTERM and go on; `wait_stopped` waits."""
        assert self._process is not None, f"{self.name} was not started"
        self._process.terminate()

    def wait_stopped(self, *, timeout: float = 15.0) -> None:
        """Wait until it has stopped by itself after `ask_to_stop`.

        Raises:
            DeadlineError: It still runs after `timeout` seconds.
            UnavailableError: It failed while stopping; the message holds its last lines.
        """
        try:
            code = self.wait_gone(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise DeadlineError(
                f"host {self.name} did not stop in {timeout:g} s:\n{self.tail()}"
            ) from error
        if code != 0:
            raise UnavailableError(f"host {self.name} stopped with {code}:\n{self.tail()}")

    def pause(self) -> None:
        """Freeze it: the kernel still takes its connections, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self, *, failpoints: str = "", **changes: object) -> None:
        """Start it again, with other settings where `changes` says so."""
        if self.is_running:
            self.stop()
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # fields by name
        self.start(failpoints=failpoints)

    def tail(self, lines: int = 30) -> str:
        """Return the last lines it printed."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(nothing printed)"

    def statuses(self) -> dict[str, str]:
        """Return the status of each of its paglets, tombstones too; {} if it does not answer."""
        try:
            return {info.agent_id: info.status for info in self.observer.agents(tombstones=True)}
        except PagletsError:
            return {}

    def _forget_clients(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._observer is not None:
            self._observer.close()
            self._observer = None


def free_ports(count: int) -> list[int]:
    """Return TCP ports of loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
