"""`docker kill` of source or target, at each failpoint of the move: one copy, state intact."""

import pytest

from tests.docker.conftest import LEDGERS
from tests.docker.faults import assert_exactly_one, dispatching, ledger_at

AT_SOURCE = [
    "move.before_quiesce",
    "move.after_quiesce",
    "move.before_moving",
    "move.moving_commit",
    "move.after_moving",
    "offer.before_send",
    "offer.after_send",
    "move.got_accepted",
    "move.moved_commit",
    "move.after_moved",
    "settle.before_send",
]
AT_TARGET = [
    "arrival.received",
    "arrival.before_checks",
    "arrival.before_accepted",
    "arrival.accepted_commit",
    "arrival.after_accepted",
    "arrival.before_start",
    "arrival.before_answer",
]
WITHIN = 4.0
"""Seconds a failpoint holds the move: long enough to be killed there."""


@pytest.fixture(scope="module")
def mesh(paglets_meshes):
    with paglets_meshes(2, agents=LEDGERS) as mesh:
        yield mesh


@pytest.mark.parametrize("victim", ["alpha", "beta"])
@pytest.mark.parametrize(
    ("armed", "failpoint"),
    [*(("alpha", each) for each in AT_SOURCE), *(("beta", each) for each in AT_TARGET)],
)
def test_docker_kill_during_a_move_leaves_exactly_one_paglet(mesh, armed, failpoint, victim):
    mesh[armed].kill()
    mesh[armed].start(failpoints=f"{failpoint}=pause:{WITHIN}*1")
    mesh.client("alpha").mesh.wait_for_host("beta", timeout=20)
    ledger = ledger_at(mesh, "alpha")
    with dispatching(mesh, ledger, "beta"):
        mesh[armed].wait_failpoint(failpoint)
        mesh[victim].kill()
        mesh[victim].start()
    assert_exactly_one(mesh, ledger)
    mesh.client("alpha").proxy(ledger.agent_id).dispose()
