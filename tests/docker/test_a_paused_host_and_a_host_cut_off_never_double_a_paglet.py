"""`docker pause` and a network taken away in the middle of a move: one copy, state intact."""

import pytest

from paglets.config.settings import Timeouts
from paglets.testing import LocalMesh, wait_until
from tests.docker.conftest import LEDGERS, names_seen
from tests.docker.faults import assert_exactly_one, dispatching, ledger_at

PLACES = [("alpha", "offer.before_send"), ("beta", "arrival.after_accepted")]
"""Before and after the commit that decides who owns the paglet."""

TIMEOUTS = Timeouts(offer=4.0)
"""A connection whose other end is gone hangs as long as one attempt may take, else a minute."""


@pytest.fixture(scope="module")
def mesh(paglets_meshes):
    with paglets_meshes(2, agents=LEDGERS, timeouts=TIMEOUTS) as mesh:
        yield mesh


def armed(mesh, name: str, failpoint: str) -> None:
    mesh.heal()
    mesh[name].kill()
    mesh[name].start(failpoints=f"{failpoint}=pause:3*1")
    mesh.wait_converged()


@pytest.mark.parametrize(("where", "failpoint"), PLACES)
@pytest.mark.parametrize("victim", ["alpha", "beta"])
def test_a_host_that_is_paused_during_a_move_leaves_exactly_one_paglet(
    mesh, where, failpoint, victim
):
    armed(mesh, where, failpoint)
    ledger = ledger_at(mesh, "alpha")
    with dispatching(mesh, ledger, "beta"):
        mesh[where].wait_failpoint(failpoint)
        mesh.pause(victim)
        witness = mesh["alpha" if victim == "beta" else "beta"]
        wait_until(
            lambda: names_seen(witness) == [witness.name],
            timeout=20,
            what=f"{witness.name} has found out that {victim} is silent",
        )
        mesh.heal(victim)
    assert_exactly_one(mesh, ledger)


@pytest.mark.parametrize(("where", "failpoint"), PLACES)
@pytest.mark.parametrize("victim", ["alpha", "beta"])
def test_a_host_cut_off_during_a_move_that_returns_elsewhere_leaves_exactly_one_paglet(
    mesh, where, failpoint, victim
):
    if isinstance(mesh, LocalMesh):
        pytest.skip("host processes of one machine keep their address while they run")
    armed(mesh, where, failpoint)
    ledger = ledger_at(mesh, "alpha")
    address = mesh[victim].address
    with dispatching(mesh, ledger, "beta"):
        mesh[where].wait_failpoint(failpoint)
        mesh.partition(victim)
        mesh.heal(victim, new_address=True)
    assert mesh[victim].address != address
    assert_exactly_one(mesh, ledger)
    # What it hands out from now on leads to where it is.
    assert ledger_at(mesh, victim).ref().host_url == mesh[victim].internal_url
