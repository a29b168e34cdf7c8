"""A seed is a name: unknown at first, then of nobody who answers, then of several containers.

The name is all that one host has. It is resolved anew each time, and every address is tried.
"""

import pytest

from paglets.testing import HostContainer, wait_until
from paglets.testing.reaper import labels
from tests.docker.conftest import CARRIERS, names_seen

POOL = "pool"


@pytest.fixture
def network_of(paglets_engine):
    """The network that a host of a mesh is in."""

    def network_of_(host: HostContainer):
        (name,) = host.container.attrs["NetworkSettings"]["Networks"]
        return paglets_engine.networks.get(name)

    return network_of_


@pytest.fixture
def call_pool(network_of):
    """Has a host found by the name too."""

    def call_pool_(host: HostContainer) -> None:
        network = network_of(host)
        network.disconnect(host.container)
        network.connect(host.container, aliases=[*host.aliases, POOL])

    return call_pool_


@pytest.fixture
def idle_in(paglets_engine, paglets_image, network_of):
    """Starts a container that has the name and no host in it; returns its address."""

    def idle_in_(mesh) -> str:
        idle = paglets_engine.containers.create(
            paglets_image,
            entrypoint=["sleep", "600"],
            init=True,
            labels=labels(mesh.id),
            healthcheck={"test": ["NONE"]},
        )
        network_of(mesh["alpha"]).connect(idle, aliases=[POOL])
        idle.start()
        idle.reload()
        (joined,) = (
            each["IPAddress"]
            for name, each in idle.attrs["NetworkSettings"]["Networks"].items()
            if name == network_of(mesh["alpha"]).name
        )
        return joined

    return idle_in_


def test_every_address_behind_a_seed_name_is_tried_for_ever(paglets_mesh, call_pool, idle_in):
    mesh = paglets_mesh(3, agents=CARRIERS, seeds=("http://alpha:8765",))
    _, beta, gamma = mesh
    mesh.restart("gamma", seeds=(f"http://{POOL}:8765",))
    wait_told(gamma, "seed pool has no address")
    assert names_seen(gamma) == ["gamma"]

    # An address at which no host is, and its own: neither is of any help, nor does any harm.
    address = idle_in(mesh)
    call_pool(gamma)
    wait_told(gamma, f"http://{address}:8765")
    assert names_seen(gamma) == ["gamma"]

    call_pool(beta)
    mesh.wait_converged()

    # All it knew have left, and beta comes back elsewhere, looking for nobody but alpha.
    before = beta.address
    mesh.stop("alpha")
    mesh.restart("beta", new_address=True)
    assert beta.address != before
    mesh.wait_converged()
    assert names_seen(gamma) == ["beta", "gamma"]


def wait_told(host: HostContainer, words: str) -> None:
    """Wait until a host has warned of a seed; nothing but its log tells."""
    wait_until(
        lambda: words in host.tail(),
        timeout=20,
        what=f"{host.name} says {words!r}",
        story=host.tail,
    )
