"""Real hosts by name: moves, clones, waiting, tickets, filters, and the live view of the mesh."""

import asyncio
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from paglets.config.keys import client_keyring
from paglets.model.errors import TransferError
from paglets.model.refs import HostRef
from paglets.model.transfer import TransferTicket
from paglets.remote.client import HostClient
from paglets.remote.session import PeerSession
from paglets.testing.localmesh import LocalMesh
from tests.mesh.support import AGENTS, PATIENCE, TIMEOUTS, ask, places, wait_status, wanderer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    """Three hosts, of which gamma has something the others lack."""
    mesh = LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS)
    gamma = mesh["gamma"]
    gamma.settings = replace(
        gamma.settings, capabilities=("gpu", "disk"), tags=("lab",), properties={"room": "R12"}
    )
    with mesh:
        yield mesh


def test_a_paglet_moves_and_clones_itself_by_name(mesh: LocalMesh) -> None:
    proxy = wanderer(mesh)
    ask(proxy, "dispatch", to="beta")
    assert places(proxy) == ["alpha", "beta"]
    clone = mesh.client().proxy(str(ask(proxy, "clone", to="gamma")))
    assert clone.agent_id != proxy.agent_id
    assert places(clone) == ["alpha", "beta", "gamma"]
    assert places(proxy) == ["alpha", "beta"], "the original goes on where it is"
    again = proxy.clone("alpha")
    assert places(again) == ["alpha", "beta", "alpha"]
    proxy.dispatch("gamma")
    assert places(proxy)[-1] == "gamma"


def test_an_unknown_name_is_refused_with_the_names_that_are_known(mesh: LocalMesh) -> None:
    proxy = wanderer(mesh)
    said = str(ask(proxy, "go", to="omega"))
    assert said == "host_not_found: no host is called 'omega'; known are alpha, beta, gamma"
    assert places(proxy) == ["alpha"]
    with pytest.raises(TransferError, match="known are alpha, beta, gamma"):
        proxy.clone("omega")


def test_a_ticket_asks_for_capabilities_and_for_a_code_version(mesh: LocalMesh) -> None:
    proxy = wanderer(mesh)
    refused = str(ask(proxy, "go", to="beta", capabilities=["gpu"]))
    assert refused.startswith("capabilities: ")
    assert "beta lacks the capabilities gpu" in refused
    version = mesh["gamma"].observer.health().code_version
    refused = str(ask(proxy, "go", to="gamma", version="paglets-9.9.9"))
    assert f"gamma runs code version {version}, the ticket expects paglets-9.9.9" in refused
    assert places(proxy) == ["alpha"], "a refusal changes nothing"
    ask(proxy, "go", to="gamma", capabilities=["gpu", "disk"], version=version)
    assert places(proxy) == ["alpha", "gamma"]
    ticket = TransferTicket(destination="alpha", required_capabilities=("gpu",))
    with pytest.raises(TransferError, match="alpha lacks the capabilities gpu"):
        proxy.dispatch(ticket)


def test_a_paglet_waits_for_a_host_that_is_not_there_yet(mesh: LocalMesh) -> None:
    gamma, proxy = mesh["gamma"], wanderer(mesh)
    gamma.stop()
    wait_status(mesh, "gamma", {"left"})
    assert "gamma is left after 0.3 s" in str(ask(proxy, "wait", name="gamma", timeout=0.3))
    answers: list[object] = []
    waiting = threading.Thread(
        target=lambda: answers.append(ask(proxy, "wait", name="gamma", timeout=PATIENCE))
    )
    waiting.start()
    gamma.start()
    waiting.join(PATIENCE)
    assert answers == [gamma.url]
    mesh.wait_converged()


def _hosts(mesh: LocalMesh, **query: str) -> dict[str, HostRef]:
    """Return what `GET /hosts` of alpha lists with a filter."""

    async def work() -> dict[str, HostRef]:
        keyring = client_keyring(environ={}, key_file=mesh["alpha"].settings.key_file)
        async with PeerSession(keyring, sender="test") as session:
            listed = await HostClient.at(session, mesh["alpha"].url).hosts(query or None)
            return {host.name: host for host in listed.hosts}

    return asyncio.run(work())


def test_the_list_of_hosts_has_what_their_owners_said_and_can_be_filtered(mesh: LocalMesh) -> None:
    listed = _hosts(mesh)
    assert set(listed) == {"alpha", "beta", "gamma"}
    gamma = listed["gamma"]
    assert gamma.tags == ("lab",)
    assert gamma.properties == {"room": "R12"}
    assert gamma.capabilities == ("gpu", "disk")
    assert len(gamma.host_id) == 16
    assert gamma.generation > 0
    assert set(_hosts(mesh, tag="lab")) == {"gamma"}
    assert set(_hosts(mesh, capability="disk")) == {"gamma"}
    assert set(_hosts(mesh, capability="fpga")) == set()
    mesh["beta"].kill()
    try:
        wait_status(mesh, "beta", {"dead"})
        assert set(_hosts(mesh, online="true")) == {"alpha", "gamma"}
        assert set(_hosts(mesh, online="false")) == {"beta"}
        assert set(_hosts(mesh, online="true", tag="lab")) == {"gamma"}
    finally:
        mesh["beta"].start()
        mesh.wait_converged()


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.text = ""

    def wait_line(self, pattern: str) -> None:
        """Wait until a line that matches is printed, and forget what came before it."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.text)) is None:
            assert time.monotonic() < end, f"no {pattern!r} in {self.text!r}"
            if select.select([self._master], [], [], 0.2)[0]:
                self.text += os.read(self._master, 65536).decode()
        self.text = self.text[found.end() :]

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(PATIENCE)
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.text += os.read(self._master, 65536).decode()
            except OSError:  # how Linux says that the other side is closed
                break
        os.close(self._master)
        return code


def test_the_live_view_prints_a_line_for_each_host_and_for_each_change(mesh: LocalMesh) -> None:
    alpha, gamma = mesh["alpha"], mesh["gamma"]
    watch = Terminal(
        sys.executable, "-m", "paglets", "--url", alpha.url,
        "--key-file", str(alpha.settings.key_file), "mesh", "watch", "--interval", "0.1",
    )  # fmt: skip
    try:
        watch.wait_line(r"watching the mesh of .*; Ctrl-C ends it")
        for name in ("alpha", "beta", "gamma"):
            watch.wait_line(rf"\d\d:\d\d:\d\d\s+{name}\s+alive\s+http://")
        gamma.stop()
        watch.wait_line(r"gamma\s+alive → left\s+http")
        gamma.start()
        watch.wait_line(r"gamma\s+left → alive \(started anew\)\s+http")
        gamma.kill()
        watch.wait_line(r"gamma\s+(alive|suspect) → dead\s+http")
        gamma.start()
        watch.wait_line(r"gamma\s+dead → alive \(started anew\)\s+http")
    finally:
        code = watch.interrupt()
    assert code == 0, watch.text
    assert "Traceback" not in watch.text
    mesh.wait_converged()
