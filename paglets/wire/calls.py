"""What a host and a Paglet Process say to each other on their private pipe.

Every frame (`wire/frames.py`) holds one of these structs as msgpack. Both sides number their own
requests in `call`; an answer repeats the number. Several requests may be under way each way, and
an answer never waits for an unrelated one.

A child starts with `Load`, which it must not act upon before it has come: the host sends it only
after it has listed the process (`supervise/children.py`). It answers `Loaded`; the host commits
the row; owed hooks run by `RunHook`; `OpenGate` lets messages in and starts `run()`.
"""

from typing import TypeAlias

import msgspec

from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import TransferTicket
from paglets.wire.failures import Failure
from paglets.wire.policies import PolicyBody

INLINE_LIMIT = 192 * 1024
"""Largest state or reply that travels inside a frame, in bytes; larger ones go through a file."""

PART_SUFFIX = ".part"
"""Ends the name of a file that a child writes for its host, and of all that is not sealed yet."""


class Call(msgspec.Struct, frozen=True, array_like=True, tag=True, kw_only=True):
    """Base of all frames."""


class HostFacts(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a paglet may know of its host without asking."""

    host_id: str
    name: str
    url: str
    properties: dict[str, str] = {}
    code_version: str = ""


class Snapshot(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Encoded state: inline, or an unsynced file that the host seals and removes."""

    data: bytes | None = None
    path: str | None = None
    """Path of a file in the spool's folder for arriving bodies."""
    size: int = 0
    sha256: str = ""
    """Hex digest that the file at `path` must have; empty where whoever wrote it, or has just
    received it, vouches for it."""


class FileOffer(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A registered file, copied by the child into the spool's folder for arriving bodies."""

    name: str
    path: str
    size: int
    sha256: str
    original: str | None = None
    """Deleted by the host after MOVED (`FileMode.MOVE`); None to keep it."""


class Departure(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A paglet's own wish to leave: what `dispatch`, `deactivate`, `dispose` unwound with."""

    verb: str
    """`dispatch`, `deactivate` or `dispose`, as `Verb`."""
    ticket: TransferTicket | None = None
    check_id: str | None = None
    """The check that passed, as `CheckReply.check_id`: it is not made a second time."""
    policy: PolicyBody | None = None


# ---- host to child


class Load(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """First frame: import the class and make or restore the state. Answer: Loaded or Failed."""

    call: int
    agent_id: str
    class_name: str
    host: HostFacts
    epoch: Epoch
    import_paths: tuple[str, ...] = ()
    """Folders put first on `sys.path`, in order."""
    state: Snapshot | None = None
    """State to restore; None at creation."""
    is_own_code: bool = False
    """Whether `state` was written by the code version that reads it."""
    initial: bytes | None = None
    """State given by the creator as JSON, None for the defaults; only at creation."""
    work_dir: str = ""
    """Folder of this paglet on this host; made when first asked for."""
    persistent_dir: str = ""
    """Folder that stays with the host."""
    persistent_quota_bytes: int = 0
    incoming_dir: str = ""
    """Where large snapshots and registered files are written for the host."""
    state_limit_bytes: int = 64 * 1024 * 1024
    hook_timeout_ms: int = 30_000
    code_version: str = ""
    check_only: bool = False
    """Load, decode, answer and exit: used by transfer checks and before an offer is accepted."""


class Survey(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """First frame of a process that becomes no paglet: look for classes that launch.toml may start.

    Answer: Surveyed, then the process ends.
    """

    call: int
    modules: tuple[str, ...]
    """Modules and packages to be imported, packages with all that is in them."""
    classes: tuple[str, ...] = ()
    """Classes by `module:QualName`, which need no alias."""
    import_paths: tuple[str, ...] = ()


class RunHook(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Run one hook, as `Hook`; then the itinerary's tasks of that point. Answer: HookDone."""

    call: int
    hook: str
    event: bytes
    """The event's fields as JSON."""
    want_snapshot: bool = True


class OpenGate(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Let messages in and start `run()`. No answer."""

    queued: int = 0
    """Messages waiting in the mailbox."""


class Deliver(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Handle one message. Answer: Delivered or Failed.

    Queued messages come one at a time; those of priority UNQUEUED may come beside another.
    """

    call: int
    body: bytes
    """The message, as `wire/messages.py`."""


class Cancel(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """The caller of a running message has gone away: `message.cancelled` turns true. No answer."""

    message_id: str


class Queued(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """A message was queued behind the running one: wakes `wait_message`. No answer."""

    count: int


class Quiesce(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Close the gate, run the hook, clean up, encode the state and exit. Answer: Quiesced.

    On `Failed` the process lives on with its gate shut, `stopping` false again and nothing running:
    hooks may be run, then `OpenGate` lets messages in and starts `run()` anew.
    """

    call: int
    verb: str
    """`dispatch`, `retract`, `deactivate` or `dispose`, as `Verb`."""
    hook: str | None
    event: bytes
    """The hook's event as JSON."""
    timeout_ms: int = 10_000
    """How long running handlers are awaited."""
    anyway: bool = False
    """At shutdown: after `timeout_ms` the state is encoded under the state lock as it is."""
    want_state: bool = True


class CloneState(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Run `on_cloning` and encode the state; the process goes on. Answer: Quiesced."""

    call: int
    event: bytes


class Inspect(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Encode the state under the state lock, never waiting for a handler. Answer: Inspected."""

    call: int


class HostReply(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to a HostCall."""

    call: int
    body: bytes
    """The operation's reply struct as msgpack."""


class HostFailed(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to a HostCall that raises in the paglet."""

    call: int
    failure: Failure


class Exit(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """End now, without hooks. No answer but the exit."""


# ---- child to host


class Loaded(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to Load: the class is known and the state decoded."""

    call: int
    manifest: ClassManifest
    snapshot: Snapshot | None = None
    """The state, when it was newly made."""
    dropped: tuple[str, ...] = ()
    """State fields that the class no longer has."""


class Startable(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A class that launch.toml may start."""

    class_name: str
    place: str
    """File and line, for people."""
    alias: str = ""
    """Empty for a class without an AutoStartSpec."""
    agent_id: str | None = None
    singleton: bool = True


class Surveyed(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to Survey."""

    call: int
    found: tuple[Startable, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """Modules and classes that could not be imported, each with the reason."""


class HookDone(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to RunHook."""

    call: int
    snapshot: Snapshot | None = None
    departure: Departure | None = None


class Delivered(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to Deliver: the handler returned, or unwound to depart."""

    call: int
    reply: bytes = b"null"
    """JSON value."""
    reply_path: str | None = None
    """File that holds the reply instead, above INLINE_LIMIT; the host removes it."""
    snapshot: Snapshot | None = None
    """The state, where durability is MESSAGE and it changed."""
    departure: Departure | None = None


class Quiesced(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to Quiesce and CloneState. After Quiesce it is the child's last act."""

    call: int
    snapshot: Snapshot | None = None
    """None where no state was wanted, or a MESSAGE paglet keeps its last commit."""
    files: tuple[FileOffer, ...] = ()


class Inspected(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to Inspect."""

    call: int
    snapshot: Snapshot


class Failed(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """Answer to any request: it raised. The state may have changed and is still consistent."""

    call: int
    failure: Failure
    snapshot: Snapshot | None = None
    """The state, where durability is MESSAGE and it changed."""


class HostCall(Call, frozen=True, array_like=True, tag=True, kw_only=True):
    """A paglet asks its host. Answer: HostReply or HostFailed.

    `op` names the operation and with it the structs of `wire/hostcalls.py`.
    """

    call: int
    op: str
    body: bytes
    waiting: tuple[str, ...] = ()
    """Agent ids that wait on this call: the path of the message being handled, and the caller."""


ToChild: TypeAlias = (
    Load
    | Survey
    | RunHook
    | OpenGate
    | Deliver
    | Cancel
    | Queued
    | Quiesce
    | CloneState
    | Inspect
    | HostReply
    | HostFailed
    | Exit
)
ToHost: TypeAlias = (
    Loaded | Surveyed | HookDone | Delivered | Quiesced | Inspected | Failed | HostCall
)

_encoder = msgspec.msgpack.Encoder()
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_to_host: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)


def encode_call(call: ToChild | ToHost) -> bytes:
    """Return the frame's payload."""
    return _encoder.encode(call)


def decode_to_child(payload: bytes) -> ToChild:
    """Return what the host said; `msgspec.DecodeError` on anything else."""
    return _to_child.decode(payload)


def decode_to_host(payload: bytes) -> ToHost:
    """Return what the child said; `msgspec.DecodeError` on anything else."""
    return _to_host.decode(payload)
