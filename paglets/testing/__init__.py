"""Tools for tests of paglets and meshes: one paglet, real hosts, simulated meshes.

Each name is loaded when it is first used: a test of one paglet does not pay for what starts hosts.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paglets.testing.dockermesh import DockerMesh
    from paglets.testing.harness import PagletHarness, Sent
    from paglets.testing.hostcontainer import HostContainer
    from paglets.testing.localhost import LocalHost
    from paglets.testing.localmesh import LocalMesh
    from paglets.testing.observer import Observer
    from paglets.testing.simulation import SimulatedMesh
    from paglets.testing.waiting import wait_until

__all__ = [
    "DockerMesh",
    "HostContainer",
    "LocalHost",
    "LocalMesh",
    "Observer",
    "PagletHarness",
    "Sent",
    "SimulatedMesh",
    "wait_until",
]

_HOMES = {
    "DockerMesh": "dockermesh",
    "HostContainer": "hostcontainer",
    "LocalHost": "localhost",
    "LocalMesh": "localmesh",
    "Observer": "observer",
    "PagletHarness": "harness",
    "Sent": "harness",
    "SimulatedMesh": "simulation",
    "wait_until": "waiting",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"paglets.testing has no {name!r}")
    return getattr(importlib.import_module(f"paglets.testing.{home}"), name)
