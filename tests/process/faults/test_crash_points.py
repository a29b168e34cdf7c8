"""The crash-point matrix: wherever a move is hit, there is exactly one paglet in the end."""

from collections.abc import Iterator

import pytest

from paglets.config.settings import Limits
from paglets.model.message import Message
from paglets.testing.localmesh import LocalMesh
from paglets.testing.waiting import wait_until
from tests.process.faults.crash_points import CASES, Case
from tests.process.faults.scene import Scene
from tests.process.faults.support import (
    AGENTS,
    PATIENCE,
    TIMEOUTS,
    assert_exactly_one,
    mend,
    story,
    unsettled,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with LocalMesh(3, agents=AGENTS, timeouts=TIMEOUTS, proxied=True) as mesh:
        yield mesh


@pytest.fixture
def clean(mesh: LocalMesh) -> Iterator[LocalMesh]:
    yield mesh
    if mesh["beta"].settings.limits != Limits():
        mesh["beta"].restart(limits=Limits())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_there_is_exactly_one(clean: LocalMesh, case: Case) -> None:
    scene = Scene(clean, case.arm)

    case.act(scene)

    agent_id = scene.proxy.agent_id
    expected = {"test": list(case.numbers)}
    try:
        mend(clean)
        scene.wait()
        owner = assert_exactly_one(clean, agent_id, expected, at=case.at, statuses=case.statuses)
        if case.arrivals is not None:
            facts = clean.client(owner).proxy(agent_id).send(Message("facts"), timeout=PATIENCE)
            assert facts["arrivals"] == case.arrivals  # type: ignore[index,call-overload]  # a dict
        wait_until(
            lambda: not unsettled(clean),
            timeout=PATIENCE,
            what="both sides of each transfer know that it is settled, and may forget it",
            story=lambda: story(clean, agent_id),
        )
    finally:
        scene.wait()
        clean.client("gamma").proxy(agent_id).dispose(force=True)
