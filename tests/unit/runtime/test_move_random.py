"""Random walks through larger worlds than can be explored whole, and what may never change back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome
from paglets.runtime.lifecycle import LIVING
from tests.unit.runtime.explorer import Explorer, World
from tests.unit.runtime.move_model import Host, Scene, born

SCENES = {
    "four hosts": Scene(hosts=4, moves=6, windows=True, checks_fail=True, orphans=True),
    "claims": Scene(hosts=3, moves=6, windows=True, claims=True, checks_fail=True),
    "operator": Scene(hosts=3, moves=6, claims=True, resolves=True, checks_fail=True),
    "clone": Scene(hosts=3, moves=4, windows=True, checks_fail=True, kind=EnvelopeKind.CLONE),
}
CHOICES = st.lists(st.integers(0, 10_000), min_size=20, max_size=120)


def look(before: Host, after: Host) -> None:
    """Assert what no step may undo."""
    for record in before.records:
        later = after.record(record.transfer_id)
        assert later is not None, "a record was forgotten"
        if record.outcome is not TransferOutcome.UNDECIDED:
            assert later.outcome is record.outcome, "a decided outcome changed"
    if before.row is not None and after.row is not None:
        assert after.row.epoch >= before.row.epoch, "an epoch went down"
        if before.row.status is PagletStatus.MOVED and after.row.status in LIVING:
            assert after.row.epoch > before.row.epoch, "a tombstone came to life"
    if after.running is not None and before.running is None:
        assert after.row is not None
        assert after.running == after.row.epoch, "started from an older epoch than its row"


@pytest.mark.parametrize("name", SCENES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choices=CHOICES)
def test_no_walk_runs_twice_loses_decides_anew_or_lowers_an_epoch(name, choices):
    explorer = Explorer(SCENES[name])
    numbers = tuple(explorer._hosts.of(host) for host in born(SCENES[name]))
    world = World(numbers, 0, 0, frozenset())
    for choice in choices:
        steps = [step for step in explorer._steps(world) if step[1] != world]
        if not steps:
            break
        _, after, _ = steps[choice % len(steps)]
        for number, later in zip(world.hosts, after.hosts, strict=True):
            if number != later:
                look(explorer._hosts.things[number], explorer._hosts.things[later])
        world = after
        assert explorer._wrong(world) is None
