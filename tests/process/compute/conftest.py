"""Hosts with compute-slots, and a folder by which jobs are let go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from paglets.testing.localmesh import LocalMesh
from tests.process.compute.stage import AGENTS, PRELOAD, Stage


@pytest.fixture(scope="package")
def mesh() -> Iterator[LocalMesh]:
    """Two hosts of one core for jobs each; who ends one starts it again."""
    with LocalMesh(2, agents=AGENTS, preload=PRELOAD) as running:
        for host in running:
            Stage.give_slots(host, cores=1.0)
        yield running


@pytest.fixture
def stage(mesh: LocalMesh, tmp_path: Path) -> Iterator[Stage]:
    with Stage(mesh, tmp_path) as made:
        yield made
