"""Envelopes are taken in whole, verified, or not at all."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.config.settings import Limits
from paglets.model.errors import InvalidRequestError
from paglets.runtime.unpacking import Unpacker, require_inside
from paglets.store.rows import INLINE_LIMIT
from paglets.wire.envelope import EnvelopeFile
from tests.unit.runtime.fakes import until
from tests.unit.runtime.samples import make_header

STATE, FILE = b"the state", b"a file"
WHOLE = STATE + FILE


def header(state=STATE, files=(("notes/a.txt", FILE),)):
    listed = tuple(
        EnvelopeFile(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files
    )
    return make_header(state=state, files=listed)


async def chunks(*pieces):
    for piece in pieces:
        yield piece


@pytest.fixture
def unpacker(bench, tmp_path):
    return Unpacker(bench.store.spool, tmp_path / "work", Limits())


@pytest.mark.parametrize("size", [1, 2, 7, len(STATE), len(WHOLE)])
async def test_pieces_of_any_size_make_the_same_parts(unpacker, size):
    pieces = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    state, files = await unpacker.receive(header(), chunks(*pieces, b""))
    assert state.data == STATE
    assert [(name, blob.data) for name, blob in files] == [("notes/a.txt", FILE)]


@pytest.mark.parametrize("length", range(len(WHOLE)))
async def test_a_stream_cut_at_any_byte_is_refused(unpacker, length):
    with pytest.raises(InvalidRequestError, match="cut short"):
        await unpacker.receive(header(), chunks(WHOLE[:length]))


@pytest.mark.parametrize("more", [(b"x",), (b"", b"x")])
async def test_a_stream_that_goes_on_is_refused(unpacker, more):
    with pytest.raises(InvalidRequestError, match="longer"):
        await unpacker.receive(header(), chunks(WHOLE, *more))
    with pytest.raises(InvalidRequestError, match="longer"):
        await unpacker.receive(header(), chunks(WHOLE + b"x"))


@pytest.mark.parametrize("place", range(0, len(WHOLE), 4))
async def test_a_changed_byte_is_refused(unpacker, place):
    body = bytearray(WHOLE)
    body[place] ^= 1
    with pytest.raises(InvalidRequestError, match="digest"):
        await unpacker.receive(header(), chunks(bytes(body)))


async def test_a_large_state_goes_to_the_spool_and_a_changed_one_leaves_nothing(unpacker, bench):
    big = bytes(INLINE_LIMIT + 1)
    state, _ = await unpacker.receive(header(big, ()), chunks(big[:1000], big[1000:]))
    assert state.spool is not None
    assert await bench.store.spool.read(state) == big
    before = sorted(path.name for path in bench.store.spool.folder.iterdir())
    with pytest.raises(InvalidRequestError):
        await unpacker.receive(header(big, ()), chunks(b"x" + big[1:]))
    with pytest.raises(InvalidRequestError):
        await unpacker.receive(header(big, ()), chunks(big[:-1]))
    await until(lambda: sorted(path.name for path in bench.store.spool.folder.iterdir()) == before)


async def test_an_empty_state_needs_no_bytes(unpacker):
    state, files = await unpacker.receive(header(b"", ()), chunks())
    assert (state.data, files) == (b"", ())


async def test_registered_files_are_placed_in_the_work_dir_of_their_paglet(unpacker, tmp_path):
    _, files = await unpacker.receive(header(), chunks(WHOLE))
    await unpacker.place("tour", files)
    assert (tmp_path / "work/tour/notes/a.txt").read_bytes() == FILE


BAD_NAMES = ["", ".", "/etc/passwd", "../up", "a/../../up", "a/..", "nul\0", "//x"]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_that_leaves_the_work_dir_is_refused_before_a_byte_is_read(unpacker, name):
    async def unread():
        raise AssertionError("nothing was to be read")
        yield b""

    with pytest.raises(InvalidRequestError, match="no name"):
        await unpacker.receive(header(files=((name, FILE),)), unread())


@given(st.text(max_size=40))
def test_every_name_that_is_let_in_stays_inside(name):
    try:
        path = require_inside(name)
    except InvalidRequestError:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.parts
