"""The pytest plugin of `paglets-mesh[testing]`: meshes for tests, in containers or as processes.

    def test_a_tour_visits_every_host(paglets_mesh):
        mesh = paglets_mesh(3, agents="agents")
        tour = mesh.client().create("tour:Tour")
        ...

    pytest                          hosts in containers; skipped where no Docker engine answers
    pytest --paglets-mesh=local     the same tests on host processes of this machine

With `PAGLETS_REQUIRE_DOCKER=1` a missing engine is a failure. When a test fails, what all hosts of
its meshes say is kept in a folder beside the tests (`--paglets-artifacts`). pytest loads this for
every run, so docker is imported by the fixtures only.
"""

import contextlib
import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from paglets.testing.dockermesh import DockerMesh
    from paglets.testing.localmesh import LocalMesh

    AnyMesh: TypeAlias = DockerMesh | LocalMesh

REQUIRE_VARIABLE = "PAGLETS_REQUIRE_DOCKER"
_MODES = ("docker", "local")
_open_meshes: list["AnyMesh"] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("paglets")
    group.addoption(
        "--paglets-mesh",
        choices=_MODES,
        default="docker",
        help="Where the hosts of paglets_mesh run: in containers, or as processes here.",
    )
    group.addoption(
        "--paglets-artifacts",
        metavar="DIR",
        default=".artifacts",
        help="Where logs, events and tables of the hosts of failed tests are kept.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of tests that need an engine."""
    config.addinivalue_line("markers", "docker: needs a Docker engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs an engine, so that `-m 'not docker'` leaves it out."""
    needing = {"paglets_engine", "paglets_image"}
    if config.getoption("--paglets-mesh") == "docker":
        needing |= {"paglets_mesh", "paglets_meshes"}
    for item in items:
        if needing & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def paglets_engine() -> Any:  # the docker SDK has no types
    """A client of the Docker engine; the test is skipped, or fails, where none answers."""
    with _or_skip():
        from paglets.testing.engine import engine

        return engine()


@pytest.fixture(scope="session")
def paglets_image(paglets_engine: Any) -> str:  # the docker SDK has no types
    """The image of the hosts, built once a session; override it with your own image's name."""
    del paglets_engine  # it must answer
    with _or_skip():
        from paglets.testing.engine import host_image

        return host_image()


@pytest.fixture(scope="session")
def paglets_meshes(request: pytest.FixtureRequest) -> Callable[..., "AnyMesh"]:
    """Makes meshes that are yet to be entered; for fixtures whose mesh several tests share.

    with paglets_meshes(2, agents="agents") as mesh:
        yield mesh
    """
    is_local = request.config.getoption("--paglets-mesh") == "local"
    image = None if is_local else request.getfixturevalue("paglets_image")

    def make(count: int = 3, **options: Any) -> "AnyMesh":  # as the mesh's own arguments
        if is_local:
            from paglets.testing.localmesh import LocalMesh

            mesh: AnyMesh = LocalMesh(count, **{"proxied": True, **options})
        else:
            from paglets.testing.dockermesh import DockerMesh

            mesh = DockerMesh(count, **{"image": image, **options})
        _open_meshes.append(mesh)
        return mesh

    return make


@pytest.fixture
def paglets_mesh(
    paglets_meshes: Callable[..., "AnyMesh"],
) -> Iterator[Callable[..., "AnyMesh"]]:
    """Starts a mesh, which is removed when the test is over."""
    started: list[AnyMesh] = []

    def start(count: int = 3, **options: Any) -> "AnyMesh":  # as the mesh's own arguments
        mesh = paglets_meshes(count, **options)
        mesh.__enter__()
        started.append(mesh)
        return mesh

    yield start
    for mesh in started:
        mesh.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the hosts say when a test has failed, while they are still there."""
    report = yield
    _open_meshes[:] = [mesh for mesh in _open_meshes if mesh.is_open or not mesh.hosts]
    if report.failed and report.when != "teardown" and _open_meshes:
        from paglets.testing.artifacts import keep_story

        place = Path(item.config.getoption("--paglets-artifacts"))
        folder = item.config.rootpath / place / re.sub(r"[^A-Za-z0-9._-]+", "-", item.nodeid)[-120:]
        for number, mesh in enumerate(_open_meshes, start=1):
            if mesh.is_open:
                keep_story(mesh.hosts, folder / f"mesh-{number}")
        report.sections.append(("paglets", f"what the hosts say is kept in {folder}"))
    return report


@contextlib.contextmanager
def _or_skip() -> Iterator[None]:
    """Turn what is missing into a skip, or into a failure where Docker is required."""
    from paglets.model.errors import UnavailableError

    try:
        yield
    except ImportError as error:
        _skip_or_fail(f"{error}: install paglets-mesh[testing]")
    except UnavailableError as error:
        _skip_or_fail(error.message)


def _skip_or_fail(reason: str) -> None:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(f"{REQUIRE_VARIABLE}=1, but {reason}", pytrace=False)
    pytest.skip(f"{reason} (`make engine` provides one; or --paglets-mesh=local)")
