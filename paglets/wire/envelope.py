"""The Envelope: a paglet on its way, as bytes.

    "PGLT" · u32 header length · header (msgpack) · state · files, one after the other

The header names the digests of everything that follows it, so that a signature over the header's
digest covers the whole. Hosts pass the state on undecoded; only a child ever decodes it.
"""

import struct

import msgspec

from paglets.model.enums import ArrivalMode, EnvelopeKind
from paglets.model.errors import InvalidRequestError
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch, PagletProxyRef
from paglets.model.transfer import PeerAddress, TransferTicket
from paglets.wire.messages import PROTOCOL
from paglets.wire.policies import PolicyBody

MAGIC = b"PGLT"
HEADER_LIMIT = 32 * 1024 * 1024
"""Largest header in bytes: it carries the queued messages (16 MiB at most) and outcomes."""
_PREFIX = struct.Struct(">4sI")
PREFIX_BYTES = _PREFIX.size


class EnvelopeFile(msgspec.Struct, frozen=True, kw_only=True):
    """A registered file: its bytes follow the state, in the order of the list."""

    name: str
    """Relative path inside the work dir."""
    size: int
    sha256: str


class EnvelopeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A queued message that travels along."""

    message_id: str
    priority: int
    body: bytes
    """As `wire/messages.py`."""


class EnvelopeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A remembered outcome that travels along."""

    message_id: str
    outcome: bytes
    ttl_ms: int
    """How much longer it must be remembered; relative, clocks differ."""


class EnvelopeHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about a moving paglet but its state. Fields of later versions are ignored."""

    protocol: int = PROTOCOL
    kind: EnvelopeKind
    transfer_id: str
    agent_id: str
    birth_id: str
    epoch: Epoch
    """The epoch it has once accepted."""
    manifest: ClassManifest
    source: PeerAddress
    target: PeerAddress
    ticket: TransferTicket
    state_bytes: int
    state_sha256: str
    arrival_mode: ArrivalMode = ArrivalMode.ACTIVATE
    inactive: bool = False
    """It was not running at the source: stored at the target without being started."""
    policy: PolicyBody | None = None
    clone_of: PagletProxyRef | None = None
    queue: tuple[EnvelopeMessage, ...] = ()
    outcomes: tuple[EnvelopeOutcome, ...] = ()
    files: tuple[EnvelopeFile, ...] = ()
    created_at: float = 0.0
    """Unix seconds of the paglet's creation."""

    @property
    def body_bytes(self) -> int:
        """Length of everything after the header."""
        return self.state_bytes + sum(file.size for file in self.files)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EnvelopeHeader)


def encode_header(header: EnvelopeHeader) -> bytes:
    """Return prefix and header, ready to be followed by state and files.

    Raises:
        InvalidRequestError: The header is larger than `HEADER_LIMIT`.
    """
    body = _encoder.encode(header)
    if len(body) > HEADER_LIMIT:
        raise InvalidRequestError(
            f"envelope header of {len(body)} bytes is over the limit of {HEADER_LIMIT}"
        )
    return _PREFIX.pack(MAGIC, len(body)) + body


def header_length(prefix: bytes) -> int:
    """Return the length of the header that follows the first `PREFIX_BYTES` bytes.

    Raises:
        InvalidRequestError: These are not the first bytes of an envelope.
    """
    if len(prefix) != PREFIX_BYTES:
        raise InvalidRequestError("envelope is cut short")
    magic, length = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise InvalidRequestError("not an envelope: wrong first bytes")
    if length > HEADER_LIMIT:
        raise InvalidRequestError(f"envelope header of {length} bytes is over {HEADER_LIMIT}")
    return int(length)


def decode_header(body: bytes) -> EnvelopeHeader:
    """Return the header in `body`, without its prefix.

    Raises:
        InvalidRequestError: It is no header; the text names the field.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"envelope header: {error}") from error
