import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from paglets.supervise.channel import ChannelClosedError, FrameChannel
from paglets.testing.waiting import turn
from paglets.wire.frames import FRAME_LIMIT, FrameDecoder, FrameTooLargeError, encode_frame

Pair = tuple[FrameChannel, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(5)
    channel = FrameChannel()
    await channel.connect(ours)
    with theirs:
        yield channel, theirs
        channel.close()
        await channel.wait_closed()


async def read_frames(theirs: socket.socket, count: int) -> list[bytes]:
    decoder, found = FrameDecoder(), []
    while len(found) < count:
        found += decoder.feed(await asyncio.to_thread(theirs.recv, 65536))
    return found


async def test_frames_sent_in_one_turn_arrive_in_order(pair: Pair) -> None:
    channel, theirs = pair
    expected = [str(number).encode() for number in range(500)]
    for payload in expected:
        channel.send(payload)
    assert await read_frames(theirs, 500) == expected


async def test_large_and_small_frames_of_one_turn_keep_their_order(pair: Pair) -> None:
    channel, theirs = pair
    expected = [b"a", b"b" * 60_000, b"c" * 60_000, b"d", b"e" * 200_000, b"f"]
    for payload in expected:
        channel.send(payload)
    assert await read_frames(theirs, len(expected)) == expected


async def test_frames_that_come_before_the_listener_wait_for_it(pair: Pair) -> None:
    channel, theirs = pair
    theirs.sendall(encode_frame(b"early"))
    theirs.shutdown(socket.SHUT_WR)
    await turn()
    got: list[object] = []
    channel.listen(got.append, got.append)
    await channel.wait_closed()
    assert got == [b"early", None]


async def test_a_listener_that_comes_after_the_end_is_told_of_it(pair: Pair) -> None:
    channel, _theirs = pair
    channel.close()
    await channel.wait_closed()
    got: list[object] = []
    channel.listen(got.append, got.append)
    assert got == [None]


async def test_a_frame_over_the_limit_is_the_peers_violation(pair: Pair) -> None:
    channel, theirs = pair
    got: list[object] = []
    channel.listen(got.append, got.append)
    theirs.sendall(encode_frame(b"fine") + b"\xff\xff\xff\xff")
    await channel.wait_closed()
    assert isinstance(got[-1], FrameTooLargeError)


async def test_a_payload_over_the_limit_is_refused_and_the_channel_goes_on(pair: Pair) -> None:
    channel, theirs = pair
    with pytest.raises(FrameTooLargeError):
        channel.send(b"x" * (FRAME_LIMIT + 1))
    channel.send(b"fine")
    assert await read_frames(theirs, 1) == [b"fine"]


async def test_a_peer_that_does_not_read_is_congestion_until_it_does(pair: Pair) -> None:
    channel, theirs = pair
    count = 0
    while not channel.is_congested:
        channel.send(b"x" * 100_000)
        count += 1
    waiting = asyncio.create_task(channel.drain())
    await turn()
    assert not waiting.done()
    assert len(await read_frames(theirs, count)) == count
    await waiting
    assert not channel.is_congested


async def test_waiting_for_a_peer_that_goes_is_an_error(pair: Pair) -> None:
    channel, theirs = pair
    channel.listen(lambda _payload: None)
    while not channel.is_congested:
        channel.send(b"x" * 100_000)
    waiting = asyncio.create_task(channel.drain())
    await turn()
    theirs.close()
    with pytest.raises(ChannelClosedError):
        await waiting
    with pytest.raises(ChannelClosedError):
        channel.send(b"x")
    assert channel.is_closed


async def test_what_was_said_before_the_end_is_heard_though_writing_fails(pair: Pair) -> None:
    channel, theirs = pair
    got: list[object] = []
    channel.listen(got.append, got.append)
    theirs.sendall(encode_frame(b"last word") + encode_frame(b"and this"))
    theirs.close()
    channel.send(b"an answer that comes too late")
    await channel.wait_closed()
    assert got == [b"last word", b"and this", None]


async def test_what_comes_after_we_have_closed_is_not_heard(pair: Pair) -> None:
    channel, theirs = pair
    got: list[object] = []
    channel.listen(got.append, got.append)
    theirs.sendall(encode_frame(b"too late"))
    channel.close()
    await channel.wait_closed()
    assert got == [None]
