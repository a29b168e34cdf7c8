"""What the store keeps: one row a paglet, one record a transfer, queued messages, remembered ids.

Pure values. `paglets` rows are all that recovery starts from; `transfers` records are memory and
never start anything.
"""

from dataclasses import dataclass

from paglets.model.enums import EnvelopeKind, Launched, PagletStatus, TransferOutcome, TransferRole
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.model.transfer import PeerAddress

INLINE_LIMIT = 256 * 1024
"""Most bytes of a blob that live inside a row; larger ones lie in the spool."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes of a state or file: inline, or a synced file in the spool folder."""

    size: int
    """Length in bytes."""
    sha256: str
    """Hex digest; empty for inline bytes, which SQLite's transaction protects."""
    data: bytes | None = None
    """The bytes themselves, None if spooled."""
    spool: str | None = None
    """File name inside the spool folder, None if inline."""

    @property
    def is_loaded(self) -> bool:
        """Whether the bytes are at hand here or in the spool.

        False in rows read without their state: the bytes stayed in the row, `Store.state` gives
        them, and a `PutRow` of such a row keeps them.
        """
        return self.data is not None or self.spool is not None

    @classmethod
    def inline(cls, data: bytes) -> "Blob":
        """Return a blob that lives inside its row."""
        return cls(size=len(data), sha256="", data=data)


@dataclass(frozen=True, slots=True)
class Due:
    """A hook that is still owed to a paglet: run again after a crash until it has returned."""

    hook: str
    """`on_creation`, `on_arrival` or `on_clone`, as `Hook`."""
    event: bytes
    """Its event's fields as JSON."""
    attempt: int = 0
    """How many runs have begun, or may have: counted with the commit before a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagletRow:
    """Everything durable about one paglet of this host."""

    agent_id: str
    birth_id: str
    manifest: ClassManifest
    status: PagletStatus
    epoch: Epoch = Epoch()
    state: Blob = Blob(0, "", b"")
    """Msgpack state of the last commit; empty for `Paglet[None]`."""
    due: Due | None = None
    policy: DeactivationPolicy | None = None
    """What an INACTIVE paglet waits for."""
    transfer_id: str | None = None
    """The transfer a MOVING, CLONING or MOVED row belongs to."""
    peer: PeerAddress | None = None
    """Where a MOVING, CLONING or MOVED paglet goes or went."""
    envelope: bytes | None = None
    """Encoded envelope header of a MOVING or CLONING row, sent again until answered."""
    files: tuple[tuple[str, Blob], ...] = ()
    """Registered files of a MOVING, CLONING or just arrived row: (name in the work dir, bytes)."""
    error: str | None = None
    """Why a CRASHED, UNREADABLE or HELD row is so; a sentence for people."""
    created_at: float = 0.0
    """Unix seconds."""
    changed_at: float = 0.0
    """Unix seconds of the last write."""
    launched: Launched | None = None
    """What its host made it for by itself; None where somebody created it, or it arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """Memory of one transfer on one side; never starts anything."""

    transfer_id: str
    role: TransferRole
    kind: EnvelopeKind
    agent_id: str
    birth_id: str
    peer: PeerAddress
    """The other side."""
    epoch: Epoch
    """The paglet's epoch after this transfer."""
    outcome: TransferOutcome = TransferOutcome.UNDECIDED
    reason: bytes | None = None
    """Failure of a refusal, as JSON."""
    not_after: float = 0.0
    """Unix seconds on the source's clock until which it repeats the offer; source side only."""
    created_at: float = 0.0
    settled_at: float | None = None
    """Unix seconds when both sides had settled; the record is kept 24 h longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A message stored with its paglet, in the order it is to be delivered."""

    agent_id: str
    message_id: str
    priority: int
    body: bytes
    """The encoded message: header and args, passed on undecoded."""
    sequence: int = 0
    """Order of arrival, given by the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedOutcome:
    """Outcome of a message that may be repeated, kept so that it is not handled twice."""

    agent_id: str
    message_id: str
    outcome: bytes
    expires_at: float
    """Unix seconds; never forgotten before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedCall:
    """Outcome of a create or life-cycle call by its Idempotency-Key, kept for 24 h."""

    key: str
    outcome: bytes
    expires_at: float
