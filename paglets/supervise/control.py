"""What a host and its forkserver say to each other.

Frames of tagged msgpack on a stream socket pair; a fork request carries three descriptors with its
first byte. One format for every system: macOS has no SOCK_SEQPACKET, and a second path would be a
path nobody tests. Used by the blocking forkserver and, for the messages, by the host's event loop.
"""

import array
import contextlib
import os
import socket

import msgspec

from paglets.wire.frames import HEADER_SIZE, decode_length, encode_frame

DESCRIPTORS_PER_REQUEST = 3
"""Channel, output and lifeline of the child to be made, in this order."""


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Host to forkserver, once: you are listed; import what children share and serve."""

    preload: tuple[str, ...]
    """Modules of the owner, imported before the first fork."""


class ForkRequest(msgspec.Struct, frozen=True, tag="fork"):
    """Host to forkserver: make a child."""

    request: int
    """Number that the answer repeats."""
    title: str
    """What `ps` shows."""
    environment: dict[str, str]
    """Variables added to the forkserver's."""
    directory: str
    """Working directory; empty: the forkserver's."""
    is_spare: bool = False
    """Make a spare: it prepares itself, then waits on its channel for `Assume`."""


class Lesson(msgspec.Struct, frozen=True, tag="lesson"):
    """Host to a spare, before `Assume`: what it is probably going to load; it does not answer."""

    class_name: str
    """As `module:QualName`."""
    import_paths: tuple[str, ...]
    """Folders in which the module may lie, before the usual ones."""


class Assume(msgspec.Struct, frozen=True, tag="assume"):
    """Host to a spare, once: be a Paglet Process from now on. The program's frames follow."""

    title: str
    """What `ps` shows."""


class PreloadFailed(msgspec.Struct, frozen=True, tag="preload-failed"):
    """Forkserver to host: a module of the owner could not be preloaded."""

    module: str
    error: str
    fatal: bool
    """True: it left a thread behind, so no fork is safe; the next forkserver does without it."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Forkserver to host, once: requests are served from now on."""


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """Forkserver to host: the child exists and waits for its first frame."""

    request: int
    pid: int
    start: str
    """Start time of the process, read while it could not yet be reaped."""


class ForkFailed(msgspec.Struct, frozen=True, tag="fork-failed"):
    """Forkserver to host: no child was made."""

    request: int
    error: str


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """Forkserver to host: a child has ended and was reaped; its process group was killed before."""

    pid: int
    status: int
    """As `os.wait4` gives it."""
    maxrss_bytes: int


ToForkserver = Begin | ForkRequest
ToSpare = Lesson | Assume
ToHost = PreloadFailed | Ready | Forked | ForkFailed | Exited

_encoder = msgspec.msgpack.Encoder()
_to_forkserver: msgspec.msgpack.Decoder[ToForkserver] = msgspec.msgpack.Decoder(ToForkserver)
_to_host: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)
_to_spare: msgspec.msgpack.Decoder[ToSpare] = msgspec.msgpack.Decoder(ToSpare)


def encode_control(message: ToForkserver | ToHost) -> bytes:
    """Return the frame of `message`."""
    return encode_frame(_encoder.encode(message))


def decode_to_host(payload: bytes) -> ToHost:
    """Return the message of one frame from a forkserver.

    Raises:
        msgspec.DecodeError: The payload is none.
    """
    return _to_host.decode(payload)


def encode_for_spare(message: ToSpare) -> bytes:
    """Return the payload of a frame to a spare."""
    return _encoder.encode(message)


def receive_in_spare(channel: socket.socket) -> ToSpare | None:
    """Wait in a spare for what the host says; None when it is let go. Blocking.

    Takes this one frame off the socket, as what follows `Assume` belongs to the child program.

    Raises:
        msgspec.DecodeError: The host sent something else.
    """
    header = _receive_exactly(channel, HEADER_SIZE)
    payload = None if header is None else _receive_exactly(channel, decode_length(header))
    return None if payload is None else _to_spare.decode(payload)


def receive_request(control: socket.socket) -> tuple[ToForkserver, list[int]] | None:
    """Wait for the next message from the host; None when the host is gone. Blocking.

    The descriptors come with the first byte of their message, so reading a header at a time keeps
    each set with its own request, and one that the kernel had to drop is missed in the right place.
    """
    header, fds = _receive_header(control)
    if not header:
        return None
    payload = _receive_exactly(control, decode_length(header))
    if payload is None:
        close_all(fds)
        return None
    return _to_forkserver.decode(payload), fds


def close_all(fds: list[int]) -> None:
    """Close descriptors; one that is closed already is left alone."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _receive_header(control: socket.socket) -> tuple[bytes, list[int]]:
    size = array.array("i").itemsize
    header, ancillary, _flags, _address = control.recvmsg(
        HEADER_SIZE, socket.CMSG_SPACE(DESCRIPTORS_PER_REQUEST * size)
    )
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % size])
    if 0 < len(header) < HEADER_SIZE:
        header += _receive_exactly(control, HEADER_SIZE - len(header)) or b""
    if len(header) < HEADER_SIZE:
        close_all(list(fds))
        return b"", []
    return header, list(fds)


def _receive_exactly(control: socket.socket, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = control.recv(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
