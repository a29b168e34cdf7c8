"""State, memory of ids and stored queue are written as one value, or not at all."""

import pytest

from paglets.failpoints import arm, disarm
from paglets.model.enums import PagletStatus
from paglets.model.errors import LifecycleError, StorageFullError
from paglets.model.refs import Epoch
from paglets.runtime.commits import lean, require_status
from paglets.store.rows import QueuedMessage, RememberedOutcome
from paglets.store.writes import DeleteRow, Expect, PutMessages
from paglets.wire.calls import Snapshot
from tests.unit.runtime.samples import make_body, make_row


def remembered(message_id="m1"):
    return RememberedOutcome(agent_id="tour", message_id=message_id, outcome=b"R{}", expires_at=2e9)


@pytest.fixture
async def paglet(bench):
    paglet = await bench.put(make_row())
    queued = QueuedMessage(agent_id="tour", message_id="m1", priority=5, body=make_body())
    await bench.store.commit(PutMessages((queued,)))
    paglet.unsaved.append(remembered())
    paglet.unsaved_done.append("m1")
    return paglet


async def test_what_was_handled_is_saved_with_the_state(bench, paglet):
    await bench.commits.save(paglet, Snapshot(data=b"new", size=3))
    assert bench.commits.load(paglet).data == b"new"
    assert bench.store.outcomes("tour") == [remembered()]
    assert await bench.store.messages("tour") == []
    assert (paglet.unsaved, paglet.unsaved_done) == ([], [])


async def test_without_a_new_state_the_last_one_is_kept(bench, paglet):
    await bench.commits.save(paglet, None, changes={"error": "x"})
    assert bench.commits.load(paglet).data == b"state"
    assert bench.row().error == paglet.row.error == "x"


async def test_what_a_full_disk_did_not_take_goes_with_the_next_commit(bench, paglet):
    arm("store.commit=enospc*1")
    try:
        with pytest.raises(StorageFullError):
            await bench.commits.save(paglet, Snapshot(data=b"lost", size=4))
    finally:
        disarm()
    paglet.unsaved.append(remembered("m2"))
    assert [kept.message_id for kept in paglet.unsaved] == ["m1", "m2"]
    assert paglet.unsaved_done == ["m1"]
    await bench.commits.save(paglet, None)
    assert [kept.message_id for kept in bench.store.outcomes("tour")] == ["m1", "m2"]
    assert bench.commits.load(paglet).data == b"state"


async def test_a_status_that_has_changed_since_stops_the_write(bench, paglet):
    changes = {"status": PagletStatus.CRASHED}
    with pytest.raises(LifecycleError, match="became active meanwhile"):
        await bench.commits.save(paglet, None, changes=changes, only=PagletStatus.INACTIVE)
    assert bench.row().status is PagletStatus.ACTIVE


async def test_a_row_that_is_gone_is_not_written_again(bench, paglet):
    await bench.store.commit(DeleteRow("tour", Expect(PagletStatus.ACTIVE, Epoch())))
    with pytest.raises(LifecycleError, match="changed meanwhile"):
        await bench.commits.save(paglet, None)
    assert bench.row() is None
    assert [kept.message_id for kept in paglet.unsaved] == ["m1"]


async def test_a_disposed_paglet_is_told_from_one_of_another_status(bench, paglet):
    require_status(paglet, PagletStatus.ACTIVE)
    bench.roster.drop("tour")
    with pytest.raises(LifecycleError, match="disposed"):
        require_status(paglet, PagletStatus.ACTIVE)


def test_an_inline_state_does_not_stay_in_memory():
    row = lean(make_row(state=b"12345"))
    assert (row.state.size, row.state.is_loaded) == (5, False)
    assert lean(row) is row
