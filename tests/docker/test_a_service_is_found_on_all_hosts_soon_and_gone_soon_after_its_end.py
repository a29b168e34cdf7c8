"""Three containers: what one provides the others know soon, and soon know when that ends."""

import time
from collections.abc import Callable

import pytest

from paglets import PagletProxy
from paglets.testing import DockerMesh, wait_until
from tests.agents.services.words import SPLIT, SPLITTER, Text, Words
from tests.docker.conftest import AGENTS

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="module")
def mesh(paglets_meshes):
    with paglets_meshes(3, agents=AGENTS / "services") as mesh:
        yield mesh


def wait_found(mesh: DockerMesh, *places: str, seen_by: tuple[str, ...] = NAMES) -> str:
    """Wait until the hosts find just the providers on `places`; return how long it took."""
    started, took = time.monotonic(), []
    for name in seen_by:

        def found(name: str = name) -> list[str]:
            handles = mesh.client(name).services.lookup_all(SPLITTER)
            return sorted(handle.record.host_name for handle in handles)

        wait_until(
            lambda found=found: found() == sorted(places),
            timeout=30,
            what=f"{name} finds it on {', '.join(places) or 'no host'}",
            story=lambda found=found: str(found()),
        )
        took.append(f"{name} {time.monotonic() - started:.2f} s")
    return ", ".join(took)


def splitter(mesh: DockerMesh, host: str) -> PagletProxy:
    return mesh.client("alpha").create("words:Splitter", host=host)


def test_a_service_is_found_on_all_hosts_soon_and_gone_soon_after_its_end(
    mesh: DockerMesh, tell: Callable[[str], None]
):
    provider = splitter(mesh, "beta")
    tell(f"found after: {wait_found(mesh, 'beta')}")
    handle = mesh.client("gamma").services.require(SPLITTER)
    assert handle.call(SPLIT, Text("a b")) == Words(["a", "b"], "beta")
    provider.dispatch("gamma")
    tell(f"found where it moved after: {wait_found(mesh, 'gamma')}")
    assert handle.call(SPLIT, Text("a b")) == Words(["a", "b"], "gamma")
    provider.dispose()
    tell(f"gone after: {wait_found(mesh)}")


def test_the_services_of_a_killed_host_go_with_it_and_come_back_with_it(
    mesh: DockerMesh, tell: Callable[[str], None]
):
    kept, lost = splitter(mesh, "beta"), splitter(mesh, "gamma")
    wait_found(mesh, "beta", "gamma")
    handle = mesh.client("alpha").services.require(SPLITTER)
    mesh.kill("gamma")
    tell(f"a killed host's gone after: {wait_found(mesh, 'beta', seen_by=('alpha', 'beta'))}")
    assert handle.call(SPLIT, Text("a")).host == "beta"
    mesh.restart("gamma")
    wait_found(mesh, "beta", "gamma")
    for provider in (kept, lost):
        provider.dispose()
    wait_found(mesh)
