"""Commits are all or nothing and on disk; reads give back what was written."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paglets.failpoints import arm
from paglets.model.enums import Launched, PagletStatus, TransferOutcome, TransferRole
from paglets.model.errors import (
    ConflictError,
    DamagedError,
    PagletNotFoundError,
    StorageFullError,
    UnavailableError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import Epoch
from paglets.store.rows import (
    INLINE_LIMIT,
    Blob,
    Due,
    RememberedCall,
    RememberedOutcome,
)
from paglets.store.writes import (
    DeleteMessages,
    DeleteRow,
    Expect,
    PutMessages,
    PutRow,
    PutTransfer,
    RememberCall,
    RememberOutcome,
    SettleTransfer,
    StaleWriteError,
)
from paglets.testing.waiting import turn
from tests.unit.store.conftest import NOW
from tests.unit.store.samples import ACTIVE, MANIFEST, PEER, make_message, make_row, make_transfer

DAY = 24 * 3600.0


async def test_a_row_comes_back_with_every_field(open_store):
    row = make_row(
        status=PagletStatus.MOVING,
        epoch=Epoch(2, 7),
        due=Due("on_arrival", b'{"x": 1}', attempt=3),
        policy=DeactivationPolicy(activate_at=datetime(2030, 1, 2, tzinfo=UTC)),
        transfer_id="t1",
        peer=PEER,
        envelope=b"\x00header\xff",
        files=(("data.csv", Blob.inline(b"a,b")),),
        error="why",
        created_at=1.5,
        changed_at=2.5,
    )
    first = open_store()
    await first.commit(PutRow(row, None))
    first.close()

    second = open_store()

    assert second.all_rows(with_state=True) == [row]
    assert second.row("tour") == replace(row, state=Blob(5, ""))


async def test_the_state_is_read_apart_and_kept_by_a_write_of_a_row_without_it(store):
    await store.commit(PutRow(make_row(state=b"kept"), None))
    row = store.row("tour")

    await store.commit(PutRow(replace(row, status=PagletStatus.CRASHED), ACTIVE))

    assert not row.state.is_loaded
    assert store.row("tour").status is PagletStatus.CRASHED
    assert store.state("tour") == Blob.inline(b"kept")


async def test_an_absent_row_is_none_and_has_no_state(store):
    assert store.row("nobody") is None
    with pytest.raises(PagletNotFoundError):
        store.state("nobody")


async def test_a_stale_expectation_undoes_the_whole_transaction(store):
    await store.commit(PutRow(make_row(state=b"old"), None))
    stale = PutRow(make_row(state=b"new"), Expect(PagletStatus.ACTIVE, Epoch(0, 9)))

    with pytest.raises(StaleWriteError) as caught:
        await store.commit(PutTransfer(make_transfer()), stale)

    assert caught.value.write is stale
    assert store.transfer("t1") is None
    assert store.state("tour") == Blob.inline(b"old")


@pytest.mark.parametrize(
    "write",
    [
        PutRow(make_row("other"), ACTIVE),
        DeleteRow("other", ACTIVE),
        PutRow(make_row(), None),
        DeleteRow("tour", Expect(PagletStatus.INACTIVE, Epoch())),
        PutMessages((make_message("m", agent_id="other"),)),
        SettleTransfer("none", TransferOutcome.ACCEPTED, 1.0, settled=False),
    ],
    ids=lambda write: type(write).__name__,
)
async def test_what_is_not_as_expected_is_stale(store, write):
    await store.commit(PutRow(make_row(), None))

    with pytest.raises(StaleWriteError):
        await store.commit(write)


async def test_a_stale_commit_takes_no_other_of_its_group_along(store):
    results = await asyncio.gather(
        store.commit(PutRow(make_row("a"), None)),
        store.commit(PutRow(make_row("b"), ACTIVE)),
        store.commit(PutRow(make_row("c"), None)),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), StaleWriteError, type(None)]
    assert [row.agent_id for row in store.all_rows()] == ["a", "c"]


async def test_200_commits_at_once_share_a_few_transactions(store):
    await asyncio.gather(*(store.commit(PutRow(make_row(f"p{n}"), None)) for n in range(200)))

    assert store.commits == 200
    assert store.transactions <= 20
    assert len(store.all_rows()) == 200


async def test_a_patient_commit_shares_the_sync_of_the_next(store, monkeypatch):
    monkeypatch.setattr("paglets.store.writer.PATIENCE", 3600.0)
    patient = [
        asyncio.create_task(store.commit(PutRow(make_row(name), None), patient=True))
        for name in ("a", "b")
    ]
    await asyncio.sleep(0)
    await store.commit(PutRow(make_row("c"), None))

    await asyncio.gather(*patient)
    assert (store.commits, store.transactions) == (3, 1)


async def test_a_patient_commit_without_company_is_written_in_a_moment(store):
    await store.commit(PutRow(make_row("a"), None), patient=True)

    assert store.row("a") is not None


async def test_closing_waits_for_no_company(open_store, monkeypatch):
    monkeypatch.setattr("paglets.store.writer.PATIENCE", 3600.0)
    store = open_store()
    patient = asyncio.create_task(store.commit(PutRow(make_row("a"), None), patient=True))
    await asyncio.sleep(0)
    store.close()
    await patient

    assert open_store().row("a") is not None


async def test_cancelling_the_caller_does_not_undo_the_commit(store):
    caller = asyncio.create_task(store.commit(PutRow(make_row("a"), None)))
    await turn()
    caller.cancel()
    await asyncio.wait([caller], timeout=5)

    await store.commit(PutRow(make_row("b"), None))

    assert caller.cancelled()
    assert store.row("a") is not None


async def test_deleting_a_row_deletes_its_queue_and_memory(store):
    await store.commit(
        PutRow(make_row(), None),
        PutMessages((make_message("m1"),)),
        RememberOutcome(
            RememberedOutcome(agent_id="tour", message_id="m0", outcome=b"1", expires_at=9.0)
        ),
    )

    await store.commit(DeleteRow("tour", ACTIVE))

    assert await store.messages("tour") == []
    assert store.outcomes("tour") == []


async def test_messages_keep_their_order_and_a_known_id_is_stored_once(store):
    await store.commit(
        PutRow(make_row(), None),
        PutRow(make_row("other"), None),
        PutMessages((make_message("m2"), make_message("m1"), make_message("m3", "other"))),
    )
    await store.commit(PutMessages((make_message("m1", body=b"again"), make_message("m4"))))

    assert [(m.message_id, m.body) for m in await store.messages("tour")] == [
        ("m2", b"{}"),
        ("m1", b"{}"),
        ("m4", b"{}"),
    ]
    assert [m.message_id for m in store.messages_of_all()["other"]] == ["m3"]


async def test_messages_are_deleted_by_id_or_all_at_once(store):
    messages = tuple(make_message(f"m{n}") for n in range(4))
    await store.commit(PutRow(make_row(), None), PutMessages(messages))

    await store.commit(DeleteMessages("tour", ("m1", "m2")))
    left = await store.messages("tour")
    await store.commit(DeleteMessages("tour"))

    assert [m.message_id for m in left] == ["m0", "m3"]
    assert await store.messages("tour") == []


async def test_an_outcome_is_settled_once_and_kept(store):
    await store.commit(PutTransfer(make_transfer()))
    accepted = SettleTransfer("t1", TransferOutcome.ACCEPTED, 5.0, settled=False)
    await store.commit(accepted)
    await store.commit(SettleTransfer("t1", TransferOutcome.ACCEPTED, 7.0, settled=True))
    await store.commit(SettleTransfer("t1", TransferOutcome.ACCEPTED, 9.0, settled=True))

    with pytest.raises(StaleWriteError):
        await store.commit(SettleTransfer("t1", TransferOutcome.REFUSED, 9.0, settled=True))

    record = store.transfer("t1")
    assert (record.outcome, record.settled_at) == (TransferOutcome.ACCEPTED, 7.0)


async def test_a_transfer_is_recorded_once(store):
    await store.commit(PutTransfer(make_transfer(outcome=TransferOutcome.REFUSED, reason=b"{}")))

    with pytest.raises(StaleWriteError):
        await store.commit(PutTransfer(make_transfer(outcome=TransferOutcome.ACCEPTED)))

    assert store.transfer("t1").outcome is TransferOutcome.REFUSED


async def test_transfers_are_found_by_paglet_and_side(store):
    await store.commit(
        PutTransfer(make_transfer("t1")),
        PutTransfer(make_transfer("t2", role=TransferRole.SOURCE)),
        PutTransfer(make_transfer("t3", agent_id="other")),
    )

    assert [t.transfer_id for t in store.transfers(agent_id="tour")] == ["t1", "t2"]
    assert [t.transfer_id for t in store.transfers(role=TransferRole.TARGET)] == ["t1", "t3"]
    assert len(store.transfers()) == 3


async def test_the_first_outcome_of_a_call_stays_unless_replaced(store):
    def call(outcome):
        return RememberedCall(key="k", outcome=outcome, expires_at=NOW)

    await store.commit(RememberCall(call(b"1")))
    await store.commit(RememberCall(call(b"2")))
    assert store.call("k").outcome == b"1"

    await store.commit(RememberCall(call(b"3"), replace=True))
    assert store.call("k").outcome == b"3"
    assert store.call("other") is None


async def test_nothing_is_forgotten_before_its_time(store):
    await store.commit(
        PutRow(
            make_row(status=PagletStatus.MOVED, state=b"", transfer_id="t1", changed_at=NOW), None
        ),
        PutRow(make_row("doubt", PagletStatus.MOVED, transfer_id="t2", changed_at=0.0), None),
        PutRow(make_row("active", changed_at=0.0), None),
        PutTransfer(make_transfer("t1", outcome=TransferOutcome.ACCEPTED, settled_at=NOW)),
        PutTransfer(make_transfer("t2")),
        RememberCall(RememberedCall(key="k", outcome=b"", expires_at=NOW + 10)),
        RememberOutcome(
            RememberedOutcome(agent_id="tour", message_id="m", outcome=b"", expires_at=NOW + 20)
        ),
    )

    nothing = await store.forget_expired(NOW + 9)
    some = await store.forget_expired(NOW + DAY)

    assert (nothing.agent_ids, nothing.transfer_ids, nothing.calls) == ((), (), 0)
    assert (some.agent_ids, some.transfer_ids, some.calls) == (("tour",), ("t1",), 1)
    assert {row.agent_id for row in store.all_rows()} == {"doubt", "active"}
    assert store.transfer("t2") is not None


async def test_the_tombstone_of_a_paglet_that_launch_toml_names_is_never_forgotten(open_store):
    store = open_store()
    moved = {"status": PagletStatus.MOVED, "changed_at": NOW}
    await store.commit(
        PutRow(make_row("indexer.alpha", launched=Launched.PAGLET, **moved), None),
        PutRow(make_row("tour", **moved), None),
    )
    assert (await store.forget_expired(NOW + 30 * DAY)).agent_ids == ("tour",)
    store.close()
    (row,) = open_store().all_rows()
    assert (row.agent_id, row.launched) == ("indexer.alpha", Launched.PAGLET)


async def test_a_manifest_is_stored_once_for_all_rows_that_share_it(open_store):
    store = open_store()
    other = replace(MANIFEST, code_version="2")
    await store.commit(*(PutRow(make_row(f"p{n}"), None) for n in range(5)))
    await store.commit(PutRow(make_row("q", manifest=other), None))
    await store.commit(DeleteRow("q", ACTIVE))
    store.close()

    store = open_store()

    with sqlite3.connect(store.folder / "host.db") as sql:
        assert sql.execute("SELECT count(*) FROM manifests").fetchone() == (1,)
    sql.close()
    assert store.row("p0").manifest == MANIFEST
    assert store.row("p0").manifest is store.row("p4").manifest


async def test_a_large_inline_blob_is_a_defect_of_the_caller(store):
    with pytest.raises(ValueError, match="spool"):
        await store.commit(PutRow(make_row(state=bytes(INLINE_LIMIT + 1)), None))


async def test_a_row_names_no_spool_file_that_is_not_there(store):
    blob = Blob(size=9, sha256="0" * 64, spool="nowhere")

    with pytest.raises(DamagedError, match="nowhere"):
        await store.commit(PutRow(make_row(state=blob), None))

    assert store.row("tour") is None


async def test_a_full_disk_is_a_typed_error_with_nothing_done(store):
    store._connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(StorageFullError):
        await store.commit(*(PutRow(make_row(f"p{n}", state=bytes(100_000)), None) for n in (1, 2)))

    assert store.failure is None
    assert store.all_rows() == []
    store._connection.execute("PRAGMA max_page_count = 1000000")
    await store.commit(PutRow(make_row("later"), None))


async def test_what_fits_of_a_group_is_committed_on_a_nearly_full_disk(store):
    await store.commit(PutRow(make_row("here"), None))
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 10}")

    results = await asyncio.gather(
        store.commit(PutRow(make_row("small"), None)),
        store.commit(PutRow(make_row("large", state=bytes(200_000)), None)),
        store.commit(PutRow(make_row("last"), None)),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), StorageFullError, type(None)]
    assert [row.agent_id for row in store.all_rows()] == ["here", "last", "small"]


async def test_the_ballast_is_given_up_for_a_settlement_only(store):
    await store.commit(PutTransfer(make_transfer()))
    arm("store.commit=enospc*2")

    with pytest.raises(StorageFullError):
        await store.commit(PutRow(make_row(), None))
    ballast = store.folder / "ballast"
    kept = ballast.exists()
    await store.commit(
        SettleTransfer("t1", TransferOutcome.REFUSED, 1.0, settled=False), essential=True
    )

    assert kept
    assert not ballast.exists()
    assert store.transfer("t1").outcome is TransferOutcome.REFUSED
    await store.commit(PutRow(make_row(), None))
    assert ballast.exists()


async def test_only_settlements_are_written_while_the_ballast_has_no_room(store, monkeypatch):
    await store.commit(PutTransfer(make_transfer()))
    ballast = store._writer._ballast
    ballast.give_up()
    monkeypatch.setattr(ballast, "_has_room", lambda: False)

    with pytest.raises(StorageFullError):
        await store.commit(PutRow(make_row(), None))
    await store.commit(
        SettleTransfer("t1", TransferOutcome.REFUSED, 1.0, settled=False), essential=True
    )

    assert store.row("tour") is None
    assert store.transfer("t1").outcome is TransferOutcome.REFUSED


async def test_a_labelled_failpoint_undoes_its_own_commit_only(store):
    arm("move.moving_commit=enospc*1")

    results = await asyncio.gather(
        store.commit(PutRow(make_row("a"), None)),
        store.commit(PutRow(make_row("b"), None), label="move.moving_commit"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), StorageFullError]
    assert [row.agent_id for row in store.all_rows()] == ["a"]


async def test_after_a_failed_sync_nothing_more_is_written(store, monkeypatch):
    class FailingSync:
        def __init__(self, connection):
            self._connection = connection

        def __getattr__(self, name):
            return getattr(self._connection, name)

        def execute(self, statement, *args):
            if statement == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self._connection.execute(statement, *args)

    monkeypatch.setattr(store._writer, "_sql", FailingSync(store._connection))
    with pytest.raises(DamagedError):
        await store.commit(PutRow(make_row(), None))
    monkeypatch.undo()

    with pytest.raises(DamagedError, match="disk I/O error"):
        await store.commit(PutRow(make_row(), None))

    assert store.failure == "disk I/O error"
    assert store.row("tour") is None


async def test_closing_writes_what_is_queued_and_refuses_the_rest(open_store):
    store = open_store()
    queued = [asyncio.create_task(store.commit(PutRow(make_row(f"p{n}"), None))) for n in range(9)]
    await turn()

    store.close()

    await asyncio.gather(*queued)
    with pytest.raises(UnavailableError):
        await store.commit(PutRow(make_row("late"), None))
    assert len(open_store().all_rows()) == 9


async def test_a_second_host_on_the_folder_is_told_who_holds_it(open_store):
    open_store()

    with pytest.raises(UnavailableError, match="in use") as caught:
        open_store()

    assert caught.value.detail["pid"] > 0


def test_a_folder_belongs_to_one_host_name(open_store):
    open_store(name="alpha").close()

    with pytest.raises(ConflictError, match="--name alpha"):
        open_store(name="beta")


def test_each_start_is_counted_and_the_generation_always_grows(open_store):
    first = open_store(now=2_000.0)
    first.close()
    second = open_store(now=1_000.0)
    second.close()
    third = open_store(now=3_000.0)

    assert first.host_id == second.host_id == third.host_id
    assert [first.boots, second.boots, third.boots] == [1, 2, 3]
    assert [s.generation for s in (first, second, third)] == [2_000_000, 2_000_001, 3_000_000]
