"""Damage on the disk is set aside and reported; never skipped, never taken for absence."""

import sqlite3

import pytest

from paglets.model.enums import TransferOutcome
from paglets.model.errors import ConflictError, DamagedError
from paglets.store.rows import Blob, RememberedCall, RememberedOutcome
from paglets.store.schema import MIGRATIONS, connect, migrate
from paglets.store.writes import (
    PutMessages,
    PutRow,
    PutTransfer,
    RememberCall,
    RememberOutcome,
    SettleTransfer,
)
from tests.unit.store.conftest import NOW
from tests.unit.store.samples import make_message, make_row, make_transfer


@pytest.fixture
def damage(open_store):
    """Run a statement on the file of a store that is closed meanwhile; return the reopened one."""

    def damage_(store, statement, *values):
        store.close()
        sql = sqlite3.connect(store.folder / "host.db")
        with sql:
            changed = sql.execute(statement, values).rowcount
        sql.close()
        assert changed == 1
        return open_store()

    return damage_


async def fill(store):
    await store.commit(
        PutRow(make_row("good"), None),
        PutRow(make_row("bad"), None),
        PutTransfer(make_transfer("t1", outcome=TransferOutcome.ACCEPTED)),
        PutMessages((make_message("m1", "good"),)),
        RememberOutcome(
            RememberedOutcome(agent_id="good", message_id="m", outcome=b"1", expires_at=NOW)
        ),
        RememberCall(RememberedCall(key="k", outcome=b"1", expires_at=NOW)),
    )


@pytest.mark.parametrize(
    "change",
    [
        "body = substr(body, 1, 20)",
        "body = x'00'",
        "status = 'sleeping'",
        "hops = 9",
        "crc = crc + 1",
        "manifest = 'gone'",
        "agent_id = cast(x'ff626164' as text)",
    ],
)
async def test_a_damaged_row_is_set_aside_with_its_bytes_and_the_others_live_on(
    store, damage, change
):
    await fill(store)

    store = damage(store, f"UPDATE paglets SET {change} WHERE agent_id = 'bad'")

    assert [row.agent_id for row in store.all_rows()] == ["good"]
    [problem] = store.problems
    assert problem.source == "paglets"
    assert "bad" in problem.key
    content = store._sql.execute("SELECT content FROM set_aside").fetchone()
    assert len(content[0]) > 50


async def test_what_is_set_aside_is_reported_at_every_start(store, damage, open_store):
    await fill(store)
    store = damage(store, "UPDATE paglets SET body = x'00' WHERE agent_id = 'bad'")
    store.close()

    again = open_store()

    assert again.problems == store.problems
    assert len(again.problems) == 1


@pytest.mark.parametrize(
    ("table", "column"), [("messages", "body"), ("outcomes", "body"), ("calls", "body")]
)
async def test_damage_in_a_queue_or_memory_is_set_aside_too(store, damage, table, column):
    await fill(store)

    store = damage(store, f"UPDATE {table} SET {column} = x'00'")

    assert [problem.source for problem in store.problems] == [table]
    assert (await store.messages("good") == []) == (table == "messages")


async def test_a_damaged_state_leaves_the_row_listed_and_reads_as_damaged(store, damage):
    await fill(store)

    store = damage(store, "UPDATE paglets SET state = x'aa' WHERE agent_id = 'bad'")

    assert [row.agent_id for row in store.all_rows()] == ["bad", "good"]
    assert [(problem.source, problem.key) for problem in store.problems] == [("paglets", "bad")]
    with pytest.raises(DamagedError):
        store.state("bad")
    assert store.state("good") == Blob.inline(b"state")


async def test_a_transfer_whose_record_is_damaged_is_not_unknown(store, damage):
    await fill(store)

    store = damage(store, "UPDATE transfers SET body = x'00'")

    with pytest.raises(DamagedError, match="transfer resolve"):
        store.transfer("t1")
    with pytest.raises(DamagedError):
        await store.commit(PutTransfer(make_transfer("t1", outcome=TransferOutcome.REFUSED)))
    with pytest.raises(DamagedError):
        await store.commit(SettleTransfer("t1", TransferOutcome.REFUSED, 1.0, settled=False))
    assert store.transfer("t2") is None


async def test_a_spool_file_of_a_row_set_aside_is_kept(store, damage):
    blob = await store.spool.write(bytes(300_000))
    await store.commit(PutRow(make_row("bad", state=blob), None))

    store = damage(store, "UPDATE paglets SET crc = 0 WHERE agent_id = 'bad'")

    assert store.spool.path(blob).exists()


async def test_a_missing_spool_file_is_reported_and_the_row_stays(store, open_store):
    blob = await store.spool.write(bytes(300_000))
    await store.commit(PutRow(make_row("bad", state=blob), None))
    store.close()
    store.spool.path(blob).unlink()

    store = open_store()

    assert [(problem.source, problem.key) for problem in store.problems] == [("spool", blob.spool)]
    assert store.row("bad").state == blob
    with pytest.raises(DamagedError):
        await store.spool.read(store.state("bad"))


async def test_a_file_that_is_no_database_is_refused_and_left_alone(store, open_store):
    store.close()
    path = store.folder / "host.db"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(DamagedError, match="restore"):
        open_store()

    assert path.read_bytes().startswith(b"no database at all")


async def test_a_torn_page_is_refused_and_not_taken_for_fewer_rows(store, open_store):
    await store.commit(*(PutRow(make_row(f"p{n}", state=bytes(3000)), None) for n in range(50)))
    store.close()
    path = store.folder / "host.db"
    data = bytearray(path.read_bytes())
    for page in range(20, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 2048] = bytes(2048)
    path.write_bytes(data)

    with pytest.raises(DamagedError):
        open_store()


async def test_the_wal_cut_short_loses_only_what_was_never_acknowledged(store, open_store):
    await store.commit(PutRow(make_row("first"), None))
    wal = store.folder / "host.db-wal"
    kept = wal.read_bytes()
    await store.commit(PutRow(make_row("second"), None))
    torn = wal.read_bytes()[: len(kept) + 100]
    database = (store.folder / "host.db").read_bytes()
    store.close()
    (store.folder / "host.db").write_bytes(database)
    wal.write_bytes(torn)

    again = open_store()

    assert [row.agent_id for row in again.all_rows()] == ["first"]
    assert again.problems == ()


async def test_a_file_of_a_newer_version_is_refused(store, open_store):
    store.close()
    sql = connect(store.folder / "host.db", writing=True)
    sql.execute("PRAGMA user_version = 99")
    sql.close()

    with pytest.raises(ConflictError, match="newer paglets"):
        open_store()


def test_migrations_run_in_order_from_the_version_of_the_file(tmp_path):
    path = tmp_path / "host.db"
    sql = connect(path, writing=True)
    migrate(sql, MIGRATIONS, path=path)
    next_ones = (*MIGRATIONS, ("CREATE TABLE added (x)",), ("ALTER TABLE added ADD y",))

    migrate(sql, next_ones, path=path)
    migrate(sql, next_ones, path=path)

    sql.execute("INSERT INTO added (x, y) VALUES (1, 2)")
    assert sql.execute("PRAGMA user_version").fetchone() == (len(next_ones),)
    sql.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "host.db"
    sql = connect(path, writing=True)
    migrate(sql, MIGRATIONS, path=path)

    with pytest.raises(sqlite3.OperationalError):
        migrate(sql, (*MIGRATIONS, ("CREATE TABLE added (x)", "NONSENSE")), path=path)

    assert sql.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'added'").fetchone() is None
    sql.close()


def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "host.db"
    sql = connect(path, writing=True)
    sql.execute("PRAGMA application_id = 7")

    with pytest.raises(ConflictError, match="not a paglets store"):
        migrate(sql, path=path)
    sql.close()
