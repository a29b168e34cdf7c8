"""Runs in containers, or by --paglets-mesh=local as processes of this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from errands.errand import Errand, ErrandState

from paglets import Message, PagletProxy
from paglets.testing import PagletHarness, wait_until

AGENTS = Path(__file__).parents[1] / "agents"


def wait_found(errand: PagletProxy, expected: list[str]) -> None:
    """Wait until the errand has found all that is expected."""
    wait_until(
        lambda: errand.send(Message("found"), retry_for=20) == expected,
        timeout=30,
        what=f"the errand found {expected}",
        story=lambda: str(errand.info()),
    )


def test_it_notes_each_host() -> None:
    """One paglet in this process: for breakpoints and coverage."""
    with PagletHarness(Errand, ErrandState()) as errand:
        errand.arrive("beta")
        assert errand.send("found") == ["beta"]


def test_it_visits_all_hosts_on_its_list(paglets_mesh: Callable[..., Any]) -> None:
    """The real thing."""
    mesh = paglets_mesh(3, agents=AGENTS)
    errand = mesh.client().create(Errand, ErrandState(stops=["beta", "gamma"]))
    wait_found(errand, ["beta", "gamma"])


def test_it_survives_the_end_of_the_host_it_is_on(paglets_mesh: Callable[..., Any]) -> None:
    """A host that is killed comes back with its paglets."""
    mesh = paglets_mesh(2, agents=AGENTS)
    errand = mesh.client().create(Errand, ErrandState(stops=["beta"]))
    wait_found(errand, ["beta"])
    mesh.kill("beta")
    mesh["beta"].start()
    wait_found(errand, ["beta"])
