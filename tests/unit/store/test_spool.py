"""Bodies in the spool are whole, synced and verified, and go with the last row that names them."""

import asyncio
import errno
import hashlib
import os
from dataclasses import replace

import pytest

from paglets.failpoints import arm, disarm
from paglets.model.enums import PagletStatus
from paglets.model.errors import (
    DamagedError,
    InvalidNameError,
    InvalidRequestError,
    StorageFullError,
    TooLargeError,
    UnavailableError,
)
from paglets.store.rows import INLINE_LIMIT, Blob
from paglets.store.spool import Spool
from paglets.store.writes import DeleteRow, PutRow
from tests.unit.store.samples import ACTIVE, make_row

DATA = os.urandom(1024) * 1500
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool")
    yield spool
    disarm()
    spool.close()


async def chunks(data, size=70_000):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def names(spool):
    """Return the files of the spool once its threads have done what was asked of them."""
    spool.close()
    return sorted(path.name for path in spool.folder.iterdir())


async def test_a_large_body_lies_in_the_spool_with_size_and_digest(spool):
    blob = await spool.write_stream(chunks(DATA), len(DATA), prefix="arrival")

    assert (blob.size, blob.sha256, blob.data) == (len(DATA), DIGEST, None)
    assert spool.path(blob).read_bytes() == DATA
    assert names(spool) == [blob.spool]


@pytest.mark.parametrize("size", [0, 1, INLINE_LIMIT])
async def test_a_body_up_to_the_inline_limit_touches_no_disk(spool, size):
    blob = await spool.write_stream(chunks(bytes(size)), size, sha256=None)

    assert blob == Blob.inline(bytes(size))
    assert names(spool) == []


async def test_one_byte_over_the_inline_limit_lies_in_the_spool(spool):
    blob = await spool.write(bytes(INLINE_LIMIT + 1))

    assert blob.spool is not None


@pytest.mark.parametrize("limit", [0, 100_000, len(DATA) - 1])
async def test_a_body_over_its_limit_leaves_nothing(spool, limit):
    with pytest.raises(TooLargeError):
        await spool.write_stream(chunks(DATA), limit)

    assert names(spool) == []


@pytest.mark.parametrize("data", [DATA, b"small"])
async def test_a_body_with_another_digest_leaves_nothing(spool, data):
    with pytest.raises(InvalidRequestError, match="SHA-256"):
        await spool.write_stream(chunks(data), len(data), sha256="0" * 64)

    assert names(spool) == []


async def test_a_body_that_breaks_off_leaves_nothing(spool):
    async def cut():
        yield DATA
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await spool.write_stream(cut(), len(DATA))

    assert names(spool) == []


async def test_a_cancelled_body_leaves_nothing(spool):
    reached = asyncio.Event()

    async def stalled():
        yield DATA
        reached.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(spool.write_stream(stalled(), len(DATA) * 2))
    await asyncio.wait_for(reached.wait(), 5)
    writing.cancel()
    await asyncio.wait([writing], timeout=5)

    assert names(spool) == []


@pytest.mark.parametrize("place", ["spool.write", "spool.before_fsync"])
async def test_a_full_disk_is_a_typed_error_and_leaves_nothing(spool, place):
    arm(f"{place}=enospc")

    with pytest.raises(StorageFullError):
        await spool.write_stream(chunks(DATA), len(DATA))

    assert names(spool) == []


async def test_a_full_disk_at_a_reservation_is_a_typed_error(spool, monkeypatch):
    def touch(*args, **kwargs):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("pathlib.Path.touch", touch)

    with pytest.raises(StorageFullError):
        spool.reserve("state")


async def test_a_file_written_by_a_child_is_sealed_after_a_look_at_its_digest(spool):
    path = spool.reserve("state")
    path.write_bytes(DATA)

    blob = await spool.seal(path, size=len(DATA), sha256=DIGEST)

    assert await spool.read(blob) == DATA
    assert names(spool) == [blob.spool]


async def test_a_file_whose_digest_nobody_told_gets_it_when_it_is_sealed(spool):
    path = spool.reserve("state")
    path.write_bytes(DATA)

    blob = await spool.seal(path, size=len(DATA), sha256=None)

    assert (blob.size, blob.sha256) == (len(DATA), DIGEST)


@pytest.mark.parametrize(("size", "sha256"), [(len(DATA) - 1, DIGEST), (len(DATA), "0" * 64)])
async def test_a_file_of_another_size_or_digest_is_not_sealed(spool, size, sha256):
    path = spool.reserve("state")
    path.write_bytes(DATA)

    with pytest.raises(InvalidRequestError):
        await spool.seal(path, size=size, sha256=sha256)

    assert names(spool) == []


async def test_a_link_in_place_of_a_reserved_file_is_not_sealed(spool, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    path = spool.reserve("state")
    path.unlink()
    path.symlink_to(secret)

    with pytest.raises(DamagedError):
        await spool.seal(path, size=len(DATA), sha256=DIGEST)

    assert secret.read_bytes() == DATA


async def test_only_reserved_files_are_sealed(spool, tmp_path):
    with pytest.raises(ValueError, match="not reserved"):
        await spool.seal(tmp_path / "other.part", size=0, sha256="")


def test_a_prefix_is_a_name(spool):
    with pytest.raises(InvalidNameError):
        spool.reserve("../etc")


async def test_pieces_are_verified_when_the_last_is_read(spool):
    blob = await spool.write(DATA)
    read = b"".join([chunk async for chunk in spool.iter_chunks(blob, 100_000)])
    assert read == DATA

    with spool.path(blob).open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")

    with pytest.raises(DamagedError):
        async for _ in spool.iter_chunks(blob):
            pass


async def test_a_changed_file_is_neither_read_nor_opened(spool):
    blob = await spool.write(DATA)
    with spool.path(blob).open("r+b") as file:
        file.truncate(len(DATA) - 1)

    assert not spool.has(blob)
    with pytest.raises(DamagedError):
        await spool.read(blob)
    with pytest.raises(DamagedError):
        await spool.open(blob)


async def test_an_opened_blob_stands_at_its_start(spool):
    blob = await spool.write(DATA)

    with await spool.open(blob) as file:
        assert file.read() == DATA


async def test_inline_blobs_are_read_the_same_way(spool):
    blob = Blob.inline(b"abcde")

    assert await spool.read(blob) == b"abcde"
    assert [chunk async for chunk in spool.iter_chunks(blob, 2)] == [b"ab", b"cd", b"e"]
    assert await spool.share(blob) == blob


async def test_a_shared_blob_outlives_the_one_it_was_shared_from(spool):
    blob = await spool.write(DATA)

    shared = await spool.share(blob)
    spool.discard(blob)

    assert shared.spool != blob.spool
    assert await spool.read(shared) == DATA
    assert names(spool) == [shared.spool]


async def test_a_file_goes_with_the_last_row_that_names_it(store):
    blob = await store.spool.write(DATA)
    await store.commit(PutRow(make_row("a", state=blob), None))
    await store.commit(PutRow(make_row("b", state=blob), None))
    store.spool.discard(blob)

    await store.commit(DeleteRow("a", ACTIVE))
    assert store.spool.has(blob)

    await store.commit(DeleteRow("b", ACTIVE))
    assert names(store.spool) == []


async def test_a_new_state_replaces_the_file_of_the_old_one(store):
    old, new = await store.spool.write(DATA), await store.spool.write(DATA[1:])
    await store.commit(PutRow(make_row(state=old), None))

    await store.commit(PutRow(make_row(state=new), ACTIVE))

    assert store.state("tour") == new
    assert names(store.spool) == [new.spool]


async def test_a_row_written_again_keeps_its_files(store):
    blob = await store.spool.write(DATA)
    row = make_row(state=b"", files=(("data", blob),))
    await store.commit(PutRow(row, None))

    await store.commit(PutRow(replace(row, status=PagletStatus.INACTIVE), ACTIVE))

    assert names(store.spool) == [blob.spool]


async def test_a_commit_that_fails_deletes_nothing(store):
    blob = await store.spool.write(DATA)
    await store.commit(PutRow(make_row(state=blob), None))
    arm("store.commit=enospc*1")

    with pytest.raises(StorageFullError):
        await store.commit(DeleteRow("tour", ACTIVE))

    assert store.spool.has(blob)


async def test_a_start_sweeps_what_no_row_names(store, open_store):
    blob = await store.spool.write(DATA)
    await store.commit(PutRow(make_row(state=blob), None))
    await store.spool.write(DATA)
    store.spool.reserve("arrival")
    store.close()

    store = open_store()

    assert [path.name for path in store.spool.folder.iterdir()] == [blob.spool]
    await store.commit(DeleteRow("tour", ACTIVE))
    assert names(store.spool) == []


async def test_a_closed_spool_is_unavailable(spool):
    spool.close()

    with pytest.raises(UnavailableError):
        await spool.write(DATA)
