"""`docker kill` of source or target, at each failpoint of the move: one copy, state intact."""

import pytest

from paglets.failpoints import FAILPOINTS
from tests.docker.conftest import LEDGERS
from tests.docker.faults import assert_exactly_one, dispatching, ledger_at

BOTH = ("alpha", "beta")


def failpoints(*parts: str) -> list[str]:
    """Return all failpoints of some parts: one that is new is tested without being listed here."""
    return [name for name in FAILPOINTS if name.startswith(tuple(f"{part}." for part in parts))]


CASES = [
    *((victim, "alpha", each) for each in failpoints("move", "offer", "settle") for victim in BOTH),
    *((victim, "beta", each) for each in failpoints("arrival", "spool") for victim in BOTH),
]
"""Who is killed, whose move is held meanwhile, and where."""
WITHIN = 3.0
"""Seconds a failpoint holds the move: long enough to be killed there."""
BALLAST_BYTES = 300_000
"""Too large for a row, so that the spool has its part in the move."""


@pytest.fixture(scope="module")
def mesh(paglets_meshes):
    with paglets_meshes(2, agents=LEDGERS) as mesh:
        yield mesh


@pytest.mark.parametrize(("victim", "armed", "failpoint"), CASES)
def test_docker_kill_during_a_move_leaves_exactly_one_paglet(mesh, victim, armed, failpoint):
    mesh[armed].kill()
    mesh[armed].start(failpoints=f"{failpoint}=pause:{WITHIN}*1")
    mesh.client("alpha").mesh.wait_for_host("beta", timeout=20)
    ledger = ledger_at(mesh, "alpha", ballast_bytes=BALLAST_BYTES)
    with dispatching(mesh, ledger, "beta"):
        mesh[armed].wait_failpoint(failpoint)
        mesh[victim].kill()
        mesh[victim].start()
    assert_exactly_one(mesh, ledger)
    mesh.client("alpha").proxy(ledger.agent_id).dispose()
