"""1,000 random moves under kills, pauses and cuts: nothing is lost, nothing is doubled.

`PAGLETS_SEED=N` runs the schedule of that seed; without it a new one is drawn and printed.
"""

import os
import random
import time

import pytest

from paglets.model.enums import PagletStatus
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.randomrun import Run, schedule
from tests.process.faults.support import (
    AGENTS,
    ALIVE,
    TIMEOUTS,
    assert_no_orphans,
    in_doubt,
    mend,
    numbers,
    story,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]
PAGLETS = 50
MOVES = 1_000
FAULTS = 40
REST = 60.0
"""Seconds in which everything has come to rest after the last fault."""


def _hops(mesh: LocalMesh) -> int:
    """Return how many moves have been accepted: each adds a hop to its paglet's epoch."""
    highest: dict[str, int] = {}
    for host in mesh:
        for info in host.observer.agents(tombstones=True):
            highest[info.agent_id] = max(highest.get(info.agent_id, 0), info.epoch.hops)
    return sum(highest.values())


def _owners(mesh: LocalMesh) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in mesh:
        for info in host.observer.agents():
            if info.status in ALIVE:
                found.setdefault(info.agent_id, []).append(f"{host.name} ({info.status})")
    return found


def test_no_paglet_is_lost_or_doubled_in_1000_random_moves_under_faults() -> None:
    seed = int(os.environ.get("PAGLETS_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"PAGLETS_SEED={seed}")
    with LocalMesh(4, agents=AGENTS, timeouts=TIMEOUTS, proxied=True) as mesh:
        misfortunes = schedule(seed, [host.name for host in mesh], FAULTS)
        run = Run(mesh, seed, paglets=PAGLETS)
        begun = time.monotonic()
        run.start(movers=4, senders=6)
        try:
            for misfortune in misfortunes:
                run.befall(misfortune)
            mend(mesh)
            wait_until(
                lambda: _hops(mesh) >= MOVES,
                timeout=150,
                what=f"{MOVES} moves have been made",
                story=lambda: f"{_hops(mesh)} moves, {dict(run.errors)}",
                interval=0.5,
            )
        finally:
            run.finish()
        took = time.monotonic() - begun
        _wait_rest(mesh, run)
        _check(mesh, run)
        count = sum(map(len, run.acknowledged.values()))
        print(
            f"seed {seed}: {_hops(mesh)} moves of {PAGLETS} paglets ({run.attempted} attempted), "
            f"{FAULTS} faults, {count} messages acknowledged, {run.unknown} not, "
            f"in {took:.0f} s; errors told: {dict(run.errors)}"
        )
        assert not run.unforeseen, f"seed {seed}: {len(run.unforeseen)}, {set(run.unforeseen)}"


def _wait_rest(mesh: LocalMesh, run: Run) -> None:
    def is_at_rest() -> bool:
        owners = _owners(mesh)
        doubled = {agent_id: names for agent_id, names in owners.items() if len(names) > 1}
        assert not doubled, f"doubled: {doubled}\n{story(mesh, next(iter(doubled)))}"
        active = f"({PagletStatus.ACTIVE})"
        return (
            len(owners) == len(run.agent_ids)
            and all(names[0].endswith(active) for names in owners.values())
            and not in_doubt(mesh)
        )

    def what_is_missing() -> str:
        owners = _owners(mesh)
        lost = [agent_id for agent_id in run.agent_ids if agent_id not in owners]
        down = {agent_id: names for agent_id, names in owners.items() if "active" not in names[0]}
        told = "".join(story(mesh, agent_id) for agent_id in [*lost, *down][:2])
        return f"seed {run.seed}; lost: {lost}; down: {down}\n{told}\n{in_doubt(mesh)}"

    wait_until(
        is_at_rest, timeout=REST, what="everything is at rest", story=what_is_missing, interval=0.2
    )


def _check(mesh: LocalMesh, run: Run) -> None:
    """Check what each ledger has handled against what each sender was told."""
    client = mesh.client()
    for agent_id in run.agent_ids:
        handled = numbers(client.proxy(agent_id))
        for sender, entries in handled.items():
            assert entries == sorted(set(entries)), (
                f"seed {run.seed}: {agent_id} handled {sender}'s out of order or twice: {entries}\n"
                f"{story(mesh, agent_id)}"
            )
        for (sender, whose), acknowledged in run.acknowledged.items():
            if whose == agent_id:
                missing = set(acknowledged) - set(handled.get(sender, []))
                assert not missing, (
                    f"seed {run.seed}: {agent_id} lost {sorted(missing)} of {sender}\n"
                    f"{story(mesh, agent_id)}"
                )
    assert_no_orphans(mesh)


def test_the_same_seed_gives_the_same_schedule_of_faults() -> None:
    hosts = ["alpha", "beta", "gamma", "delta"]
    assert schedule(7, hosts, FAULTS) == schedule(7, hosts, FAULTS)
    assert schedule(7, hosts, FAULTS) != schedule(8, hosts, FAULTS)
