"""What hosts say to each other about the mesh: rumours, and the frames that carry them.

Pure values, msgpack as arrays on the wire; unknown trailing fields are ignored, so a field can be
added. Every bound on what a stranger may send us stands here, as a constraint on the type. Who is
believed is decided in `table.py`. Signing is the transport's business, not ours.
"""

from ipaddress import ip_address
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from paglets.mesh.marks import MARK_LIMIT
from paglets.model.enums import MemberStatus
from paglets.model.errors import InvalidRequestError

PROTOCOL = 1
"""Version of the frames; hosts one version apart still talk."""

FRAME_LIMIT_BYTES = 2 * 1024 * 1024
"""Largest frame read: a table of several thousand hosts."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
ShortText = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
Counter = Annotated[int, Meta(ge=0, le=2**62)]
Mark = Annotated[int, Meta(ge=0, le=MARK_LIMIT)]
Payload = Annotated[bytes, Meta(max_length=4096)]
Words = Annotated[tuple[ShortText, ...], Meta(max_length=64)]
Properties = Annotated[dict[ShortText, Text], Meta(max_length=64)]


def check_url(url: str) -> None:
    """Refuse a base URL that no host would advertise in good faith.

    Raises:
        ValueError: Other scheme than http(s), user info, a path, a port out of range, or an address
            that is link-local, multicast or unspecified.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError(f"{url[:80]!r} is no host URL: use http://name:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.port == 0:
        raise ValueError(f"{url[:80]!r} is no host URL: give scheme, name and port only")
    try:
        address = ip_address(parts.hostname)
    except ValueError:
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
        raise ValueError(f"{url[:80]!r} is not an address a host can be reached at")


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """What a host says of itself; only it may change this, by a higher incarnation."""

    host_id: Name
    name: Name
    url: ShortText
    """Base URL at which the others reach it."""
    generation: Counter
    """Grows with every start of the host."""
    code_version: ShortText = ""
    tags: Words = ()
    properties: Properties = {}
    capabilities: Words = ()
    boots: Counter = 0
    """Starts of its data folder; not above what others remember: the folder was restored."""
    edition: Counter = 0
    """Grows within one generation with every change of the above."""

    def __post_init__(self) -> None:
        check_url(self.url)


class Rumour(msgspec.Struct, frozen=True, array_like=True):
    """A piece of news about the member `host_id` in its life `generation`."""

    host_id: Name
    generation: Counter


class Alive(Rumour, frozen=True, array_like=True, tag=0):
    """It is there; said first by itself. Without `identity` it only refutes an accusation."""

    incarnation: Counter
    identity: Identity | None = None
    edition: Counter = 0
    """Without `identity`: the edition of it that still holds; who has another one asks for it."""


class Suspect(Rumour, frozen=True, array_like=True, tag=1):
    """It did not answer `accuser`, directly or through others."""

    incarnation: Counter
    accuser: Name


class Dead(Rumour, frozen=True, array_like=True, tag=2):
    """It did not refute in time, as `accuser` found."""

    incarnation: Counter
    accuser: Name


class Left(Rumour, frozen=True, array_like=True, tag=3):
    """It said good-bye."""

    incarnation: Counter


class Record(Rumour, frozen=True, array_like=True, tag=4):
    """A small value of another part of the host `host_id`, such as a service or its counts."""

    kind: Name
    key: ShortText
    version: Counter
    """Grows with every record its owner sets in this life."""
    payload: Payload | None
    """None: withdrawn."""
    lazy: bool = False
    """Spread on probes only, so in seconds instead of at once."""
    age: Counter = 0
    """Whole seconds since the owner set it, when it is told first or a comparison repeats it;
    gossip, which passes it on within seconds, leaves it as it is."""


AnyRumour: TypeAlias = Alive | Suspect | Dead | Left | Record
Rumours = Annotated[tuple[AnyRumour, ...], Meta(max_length=2000)]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One line of a table in a comparison."""

    host_id: Name
    generation: Counter
    incarnation: Counter
    status: MemberStatus
    records: Mark
    """Order-free hash of the records known of it."""
    edition: Counter = 0
    """Which edition of its identity is known."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """What one side of a comparison knows better. `identity` is None if the other side has it."""

    host_id: Name
    generation: Counter
    incarnation: Counter
    status: MemberStatus
    identity: Identity | None = None


States = Annotated[tuple[State, ...], Meta(max_length=20_000)]
RecordList = Annotated[tuple[Record, ...], Meta(max_length=20_000)]
Names = Annotated[tuple[Name, ...], Meta(max_length=20_000)]


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Are you there?"""


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """I am; or: it is, says the member asked by `PingRequest`."""


class PingRequest(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Please probe that member for me, and answer within `budget_ms`."""

    host_id: Name
    url: ShortText
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]

    def __post_init__(self) -> None:
        check_url(self.url)


class Nack(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """It does not answer me either; that I say so shows that your own link works."""


class Gossip(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Only the rumours of the frame."""


class PushPull(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """My table in brief; tell me what you know better."""

    rows: Annotated[tuple[Row, ...], Meta(max_length=20_000)]
    boots: Counter = 0


class PushPullAnswer(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What I know better, and the members of which I want to know more."""

    states: States = ()
    records: RecordList = ()
    want: Names = ()
    own_version: Counter | None = None
    """Set if `records` has all of the sender's own up to this version: others were withdrawn."""
    remembered_boots: Counter | None = None
    """Set when the asker's data folder was restored: the boots we remember."""


class Push(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The third step of a comparison: what you wanted."""

    states: States = ()
    records: RecordList = ()
    own_version: Counter | None = None


class Join(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Let me in."""

    identity: Identity
    incarnation: Counter = 0


class Joined(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """The whole table, and what the newcomer should know of itself."""

    states: States = ()
    records: RecordList = ()
    unreachable: Text | None = None
    """Why the seed cannot reach the newcomer at its advertised URL."""
    remembered_boots: Counter | None = None
    generation_floor: Counter = 0
    """The highest generation known under its id or name; it takes a higher one."""


class Misdirected(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """You meant another host; I am the frame's sender."""


Body: TypeAlias = (
    Ping
    | Ack
    | PingRequest
    | Nack
    | Gossip
    | PushPull
    | PushPullAnswer
    | Push
    | Join
    | Joined
    | Misdirected
)


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One request or answer."""

    protocol: int
    sender: Name
    generation: Counter
    digest: Mark
    """Hash of the sender's table, see `Table.digest`."""
    target: Mark
    """`mark_of` the host id that is meant; 0 is whoever answers there."""
    body: Body
    rumours: Rumours = ()
    unknown: bool = False
    """In an answer: I do not know you in this life, please compare tables."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    return _encoder.encode(frame)


def decode_frame(data: bytes) -> Frame:
    """Return the frame in `data`.

    Raises:
        InvalidRequestError: It is too large, no frame, breaks a bound, or its protocol is further
            than one version away.
    """
    if len(data) > FRAME_LIMIT_BYTES:
        raise InvalidRequestError(f"mesh frame of {len(data)} bytes is over {FRAME_LIMIT_BYTES}")
    try:
        frame = _decoder.decode(data)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidRequestError(f"not a mesh frame: {str(error)[:200]}") from error
    if abs(frame.protocol - PROTOCOL) > 1:
        raise InvalidRequestError(f"mesh protocol {frame.protocol} is too far from {PROTOCOL}")
    return frame


def rumour_size(rumour: AnyRumour) -> int:
    """Return the bytes a rumour takes in a frame."""
    return len(_encoder.encode(rumour))
