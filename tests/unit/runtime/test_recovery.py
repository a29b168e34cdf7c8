"""A starting host: load, ask, settle, start or hold."""

import asyncio
from unittest.mock import MagicMock

import pytest

from paglets.model.enums import PagletStatus, RestartPolicy, TransferOutcome, TransferRole
from paglets.model.errors import StateError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.runtime.recovery import Restorer
from paglets.store.rows import QueuedMessage, RememberedOutcome
from paglets.store.writes import PutMessages, PutRow, PutTransfer, RememberOutcome
from paglets.wire.bodies import Claim, FenceAnswer
from tests.unit.runtime.fakes import until, word
from tests.unit.runtime.samples import (
    BETA,
    NOW,
    make_body,
    make_host,
    make_moving,
    make_record,
    make_row,
)

RESTARTING = ClassManifest(
    class_name="tour:Tour", state_class=None, code_version="v1", restart=RestartPolicy.ON_CRASH
)


@pytest.fixture
def restart(bench, tmp_path):
    """Return what starts the host on the rows in its store."""

    async def run(*, rolled_back=False):
        bench.inactivity = MagicMock()
        restorer = Restorer(
            bench.common,
            inactivity=bench.inactivity,
            courier=bench.courier,
            fencing=bench.fencing,
            rolled_back=lambda: rolled_back,
            work=tmp_path / "work",
        )
        restorer.load()
        async with asyncio.timeout(10):
            await restorer.run()

    return run


async def keep(bench, row, *writes):
    await bench.store.commit(PutRow(row, None), *writes)


async def test_active_rows_are_started_and_others_left(bench, restart):
    await keep(bench, make_row(agent_id="active"))
    for status in ("inactive", "crashed", "unreadable", "held", "moved"):
        await keep(bench, make_row(PagletStatus(status), agent_id=status, peer=BETA))
    await restart()
    assert [birth.agent_id for birth in bench.starter.births] == ["active"]
    assert bench.roster.find("active").gate_open
    assert bench.roster.find("active").starting is None
    assert len(bench.roster) == 6


async def test_a_sleeper_that_is_to_wake_at_startup_does(bench, restart):
    policy = DeactivationPolicy(activate_on_startup=True)
    await keep(bench, make_row(PagletStatus.INACTIVE, policy=policy))
    await restart()
    assert bench.row().status is PagletStatus.ACTIVE


async def test_a_paglet_that_restarts_on_crashes_does_so_over_the_hosts_own_end(bench, restart):
    bench.starter.manifest = RESTARTING
    await keep(bench, make_row(PagletStatus.CRASHED, manifest=RESTARTING))
    await restart()
    assert bench.row().status is PagletStatus.ACTIVE
    assert bench.roster.find("tour").restart_pending is False or bench.roster.find("tour").gate_open


async def test_what_does_not_start_stays_and_is_told(bench, restart):
    bench.starter.error = StateError("count", "int", "str")
    await keep(bench, make_row())
    await restart()
    assert bench.row().status is PagletStatus.UNREADABLE
    assert bench.roster.find("tour").starting is None
    assert "recover" in bench.kinds()


async def test_a_promise_goes_on_in_doubt_and_is_never_started(bench, restart):
    await keep(bench, make_moving(), PutTransfer(make_record(not_after=2e9)))
    await restart()
    assert bench.starter.births == []
    bench.calls.answer("offer", word("accepted"))
    bench.calls.answer("settled", None)
    bench.courier.nudge()
    await until(lambda: bench.row().status is PagletStatus.MOVED)


async def test_an_accepted_transfer_is_confirmed_until_the_target_has_heard_it(bench, restart):
    row = make_row(PagletStatus.MOVED, transfer_id="t1", peer=BETA)
    record = make_record(outcome=TransferOutcome.ACCEPTED)
    await keep(bench, row, PutTransfer(record))
    bench.calls.answer("settled", None)
    await restart()
    await until(lambda: bench.store.transfer("t1").settled_at is not None)


async def test_a_refusal_is_confirmed_too_else_its_target_keeps_it_for_ever(bench, restart):
    await keep(bench, make_row(), PutTransfer(make_record(outcome=TransferOutcome.REFUSED)))
    bench.calls.answer("settled", None)
    await restart()
    await until(lambda: bench.store.transfer("t1").settled_at is not None)
    assert bench.calls.named("settled") == [[BETA, "t1"]]


async def test_what_is_settled_or_was_received_here_is_confirmed_to_nobody(bench, restart):
    settled = make_record(outcome=TransferOutcome.REFUSED, settled_at=NOW)
    taken = make_record(transfer_id="t2", role=TransferRole.TARGET, outcome=TransferOutcome.REFUSED)
    await keep(bench, make_row(), PutTransfer(settled), PutTransfer(taken))
    await restart()
    assert bench.calls.named("settled") == []


async def test_a_restored_folder_is_held_until_somebody_decides(bench, restart):
    await keep(bench, make_row())
    await restart(rolled_back=True)
    assert bench.starter.births == []
    assert bench.row().status is PagletStatus.HELD
    assert "resolve" in bench.row().error


async def test_peers_are_asked_before_anything_starts(bench, restart):
    bench.hosts.known = [make_host(BETA)]
    claim = Claim(agent_id="tour", birth_id="birth", epoch=Epoch(0, 4), owner=BETA)
    bench.calls.answer("fence", FenceAnswer(superseded=(claim,)))
    await keep(bench, make_row())
    await restart()
    assert bench.starter.births == []
    assert bench.row().status is PagletStatus.MOVED


async def test_messages_left_with_a_tombstone_are_handed_over(bench, restart):
    told = []
    bench.fencing.superseded = told.append
    message = QueuedMessage(agent_id="tour", message_id="m1", priority=5, body=make_body())
    await keep(bench, make_row(PagletStatus.MOVED, peer=BETA), PutMessages((message,)))
    await restart()
    assert [paglet.agent_id for paglet in told] == ["tour"]


async def test_what_was_remembered_is_remembered(bench, restart):
    record = RememberedOutcome(agent_id="tour", message_id="m1", outcome=b"R{}", expires_at=2e9)
    await keep(bench, make_row(), RememberOutcome(record))
    await restart()
    assert bench.roster.find("tour").remembered == {"m1": record}


async def test_work_folders_without_their_paglet_are_removed_and_others_kept(
    bench, restart, tmp_path
):
    for name in ("active", "moved", "disposed", ".left-1"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "file").write_text(name)
    await keep(bench, make_row(agent_id="active"))
    await keep(bench, make_row(PagletStatus.MOVED, agent_id="moved", peer=BETA))
    await restart()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["active"]
    assert (tmp_path / "work" / "active" / "file").read_text() == "active"
