"""Real hosts that start and stop: seeds, advertised addresses, clocks that differ, good-byes."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from paglets.model.enums import Priority
from paglets.model.errors import DeadlineError
from paglets.model.message import Message
from paglets.testing.localhost import free_ports
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.mesh.support import (
    AGENTS,
    PATIENCE,
    TIMEOUTS,
    ask,
    places,
    said_of,
    seen,
    wait_status,
    wanderer,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
SKEWED = Path(__file__).with_name("skewed_host.py")
CLOCKS = {"beta": 60.0 + 5.0, "gamma": -3600.0}
"""Seconds by which clocks are off: beyond what a signature may be, and by an hour."""


@pytest.fixture
def cold() -> Iterator[LocalMesh]:
    """Three hosts that are not started yet."""
    mesh = LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS)
    try:
        yield mesh
    finally:
        mesh.close()


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    """Two hosts; each test leaves them as they were."""
    with LocalMesh(2, agents=AGENTS, timeouts=TIMEOUTS) as running:
        yield running


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that takes connections, as the kernel does for a hung program, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_seeds_may_be_down_silent_never_there_oneself_or_names_of_many_addresses(
    cold: LocalMesh, silent: socket.socket
) -> None:
    alpha, beta, gamma = cold
    (nobody,) = free_ports(1)
    # `localhost` is 127.0.0.1 and, where the machine has IPv6, ::1, at which nobody listens.
    by_name = {host.name: f"http://localhost:{host.settings.port}" for host in cold}
    never = f"http://127.0.0.1:{nobody}"
    mute = f"http://127.0.0.1:{silent.getsockname()[1]}"
    alpha.settings = replace(alpha.settings, seeds=(by_name["alpha"], never))
    beta.settings = replace(beta.settings, seeds=(never, mute, by_name["gamma"], by_name["beta"]))
    gamma.settings = replace(gamma.settings, seeds=(mute, by_name["alpha"], alpha.url))

    gamma.start()
    beta.start()
    wait_status(cold, "gamma", {"alive"})
    assert not seen(cold, "beta", "alpha")
    alpha.start()
    cold.wait_converged()
    for host in cold:
        assert host.observer.health().warnings == ()
        assert len(host.client.hosts(online_only=False)) == 3, "nobody met itself as another"


def test_clocks_a_minute_and_an_hour_apart_split_nothing(cold: LocalMesh) -> None:
    for name, offset in CLOCKS.items():
        cold[name].program = (str(SKEWED),)
        cold[name].environment["PAGLETS_TEST_CLOCK_OFFSET"] = str(offset)
    cold.start()
    for name, offset in CLOCKS.items():
        off = cold[name].observer.health().time - time.time()
        assert abs(off - offset) < 5.0, "the clock of that host is off"
    proxy = wanderer(cold)
    for place in ("beta", "gamma", "alpha", "gamma", "beta"):
        ask(proxy, "dispatch", to=place)
    there = wanderer(cold, "gamma")
    assert ask(proxy, "tell", to="gamma", agent_id=there.agent_id) == ["gamma"]
    assert places(proxy) == ["alpha", "beta", "gamma", "alpha", "gamma", "beta"]
    clone = ask(proxy, "clone", to="gamma")
    assert places(cold.client().proxy(str(clone)))[-1] == "gamma"
    # Moves are settled, and what hosts say of each other is of this moment on their own clock.
    wait_until(
        lambda: not any(host.observer.transfers(in_doubt=True) for host in cold),
        timeout=PATIENCE,
        what="all moves are settled",
    )
    for host in cold:
        now = host.observer.health().time
        assert all(abs(now - ref.last_seen) < 10.0 for ref in host.client.hosts())
        for other in cold:
            assert not [text for text in said_of(cold, host.name, other.name) if "dead" in text]


def test_a_host_that_is_told_to_stop_says_goodbye_before_its_paglets_are_done(
    mesh: LocalMesh,
) -> None:
    beta = mesh["beta"]
    busy = wanderer(mesh, "beta")
    busy.send_oneway(Message("linger", {"seconds": 30.0}))
    wait_until(
        lambda: busy.send(Message("lingers", priority=Priority.UNQUEUED)) is True,
        timeout=PATIENCE,
        what="the handler runs",
    )
    os.kill(beta.pid, signal.SIGTERM)
    began = time.monotonic()
    wait_until(
        lambda: seen(mesh, "alpha", "beta")[0].status == "left",
        timeout=PATIENCE,
        what="beta has left",
    )
    took = time.monotonic() - began
    was_there = beta.is_running
    assert beta.wait_gone() == 0
    assert was_there, "it had said good-bye while it was still waiting for the handler"
    assert took < TIMEOUTS.shutdown
    assert said_of(mesh, "alpha", "beta")[-1] == "beta left the mesh"
    beta.start()
    mesh.wait_converged()


def test_a_host_nobody_reaches_at_what_it_advertises_says_so_until_they_do(
    mesh: LocalMesh,
) -> None:
    beta = mesh["beta"]
    (nobody,) = free_ports(1)
    wrong = f"http://127.0.0.1:{nobody}"
    beta.restart(advertise=wrong)
    wait_until(
        lambda: any("cannot reach you at" in text for text in beta.observer.health().warnings),
        timeout=PATIENCE,
        what="beta is warned",
        story=beta.tail,
    )
    (warning,) = beta.observer.health().warnings
    assert warning.startswith(f"alpha cannot reach you at {wrong}: ")
    assert beta.log.read_text().count(warning) >= 1
    assert mesh["alpha"].observer.health().warnings == ()
    beta.restart(advertise=None)
    mesh.wait_converged()
    assert beta.observer.health().warnings == ()


def test_a_failpoint_is_waited_for_in_the_run_in_which_it_was_armed(mesh: LocalMesh) -> None:
    alpha = mesh["alpha"]
    for _ in range(2):
        alpha.restart(failpoints="create.after_commit=pause:0*1")
        with pytest.raises(DeadlineError, match=r"alpha hits create\.after_commit"):
            alpha.wait_failpoint("create.after_commit", timeout=0.1)
        proxy = wanderer(mesh)
        alpha.wait_failpoint("create.after_commit", timeout=PATIENCE)
        proxy.dispose()
    alpha.restart()
    mesh.wait_converged()
