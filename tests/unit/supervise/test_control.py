"""The messages between host and forkserver, over a socket pair within one process."""

import array
import os
import socket

import pytest

from paglets.supervise.control import (
    Begin,
    Exited,
    Forked,
    ForkFailed,
    ForkRequest,
    PreloadFailed,
    Ready,
    decode_to_host,
    encode_control,
    receive_request,
)
from paglets.wire.frames import FrameDecoder

REQUEST = ForkRequest(request=1, title="t", environment={"A": "b"}, directory="")


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "message",
    [
        Ready(),
        Forked(1, 2, "3"),
        ForkFailed(1, "no memory"),
        Exited(2, 9, 1024),
        PreloadFailed("m", "e", fatal=True),
    ],
)
def test_reports_come_back_as_they_were(message) -> None:
    (payload,) = FrameDecoder().feed(encode_control(message))
    assert decode_to_host(payload) == message


def test_descriptors_stay_with_their_own_request(pair) -> None:
    ours, theirs = pair
    readers = []
    for name in (b"one", b"two"):
        read, write = os.pipe()
        os.write(write, name)
        os.close(write)
        rights = array.array("i", [read, read, read])
        ours.sendmsg([encode_control(REQUEST)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(read)
    ours.sendall(encode_control(Begin(preload=("m",))))
    for _ in range(2):
        message, fds = receive_request(theirs)
        assert message == REQUEST
        readers.append(os.read(fds[0], 9))
        for fd in fds:
            os.close(fd)
    assert readers == [b"one", b"two"]
    assert receive_request(theirs) == (Begin(preload=("m",)), [])


def test_the_end_of_the_host_is_told_apart_from_a_message(pair) -> None:
    ours, theirs = pair
    ours.sendall(encode_control(REQUEST)[:-1])
    ours.close()
    assert receive_request(theirs) is None
    assert receive_request(theirs) is None
