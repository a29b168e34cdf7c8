"""Real hosts that are killed, stopped for a while, or that accept and never answer."""

import time
from collections.abc import Iterator

import pytest

from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.mesh.support import (
    AGENTS,
    TIMEOUTS,
    ask,
    places,
    said_of,
    status,
    wait_status,
    wanderer,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
KILL_SEEN_WITHIN = 8.0
"""Seconds: the design's 7 s for three hosts of the LAN preset, and a busy machine."""
BACK_WITHIN = 3.0
PAUSE = 30.0
FAST = 1.0
"""Seconds within which names, lookups and moves that need no silent host are done, each."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    """Four hosts with the LAN preset: that a pause of 3 s is forgiven is a promise of that one."""
    with LocalMesh(4, agents=AGENTS, timeouts=TIMEOUTS, preset="lan") as running:
        yield running


def _others(name: str) -> list[str]:
    return [each for each in ("alpha", "beta", "gamma", "delta") if each != name]


def test_a_host_stopped_for_three_seconds_is_declared_dead_by_nobody(mesh: LocalMesh) -> None:
    gamma = mesh["gamma"]
    gamma.pause()
    try:
        wait_status(mesh, "gamma", {"alive", "suspect"})
        _stay(3.0)
    finally:
        gamma.resume()
    wait_status(mesh, "gamma", {"alive"}, timeout=BACK_WITHIN)
    for other in _others("gamma"):
        assert not [text for text in said_of(mesh, other, "gamma") if "dead" in text]
    # What it missed is no reason to accuse the others, either.
    for other in _others("gamma"):
        assert not [text for text in said_of(mesh, "gamma", other) if "dead" in text]


def test_a_host_stopped_for_long_holds_nobody_up_and_is_back_at_once(mesh: LocalMesh) -> None:
    """It accepts connections all the time, the kernel does, and never answers."""
    gamma = mesh["gamma"]
    proxy = wanderer(mesh)
    there = wanderer(mesh, "beta")
    gamma.pause()
    paused = time.monotonic()
    try:
        slowest = _work_while(mesh, proxy, there.agent_id, until=paused + PAUSE)
        wait_status(mesh, "gamma", {"dead"}, timeout=1.0)
    finally:
        gamma.resume()
    resumed = time.monotonic()
    wait_status(mesh, "gamma", {"alive"}, timeout=BACK_WITHIN)
    took = time.monotonic() - resumed
    mesh.wait_converged(timeout=BACK_WITHIN)
    print(f"back {took:.2f} s after SIGCONT; the slowest step beside it took {slowest}")
    assert ask(proxy, "go", to="gamma").agent_id == proxy.agent_id
    assert places(proxy)[-1] == "gamma"


def _work_while(mesh: LocalMesh, proxy: object, there: str, *, until: float) -> str:
    """Use names, lookups and moves of the other hosts all the time; return the slowest step."""
    slowest = (0.0, "")
    here, target = "alpha", "beta"
    while time.monotonic() < until:
        steps = {
            "name": lambda: ask(proxy, "look", name="delta"),
            "wait for a host": lambda: ask(proxy, "wait", name="delta", timeout=5.0),
            "lookup of a paglet": lambda: mesh.client("delta").proxy(there),
            "list of hosts": lambda: mesh.client("delta").hosts(),
            "move": lambda target=target: ask(proxy, "dispatch", to=target),
        }
        for name, step in steps.items():
            began = time.monotonic()
            step()
            slowest = max(slowest, (time.monotonic() - began, name))
        here, target = target, here
        _stay(0.2)
    assert slowest[0] <= FAST, f"{slowest[1]} took {slowest[0]:.2f} s"
    return f"{slowest[0]:.2f} s ({slowest[1]})"


def test_a_killed_host_is_seen_dead_by_all_within_the_designs_time(mesh: LocalMesh) -> None:
    delta = mesh["delta"]
    delta.kill()
    began = time.monotonic()
    wait_status(mesh, "delta", {"dead"}, timeout=KILL_SEEN_WITHIN)
    print(f"kill -9 was known to all after {time.monotonic() - began:.2f} s")
    delta.start()
    mesh.wait_converged()
    assert {status(mesh, other, "delta") for other in _others("delta")} == {"alive"}


def _stay(seconds: float) -> None:
    """Let time pass: the span itself is what is tested."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, timeout=seconds + 5.0, what="time passes")
