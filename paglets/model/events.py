"""What hooks are told, and what a host records.

Hook events are passed to the paglet's own methods in its process. A ContextEvent is a host-level
record in the host's bounded in-memory event log.
"""

from dataclasses import dataclass, field

from paglets.model.refs import PagletProxyRef


@dataclass(frozen=True)
class CreationEvent:
    """Told to `on_creation`, once per paglet unless its host crashed before it returned."""

    host_name: str
    host_address: str
    attempt: int = 1
    """Above 1 when an earlier run of this hook was cut short by a crash of host or process."""


@dataclass(frozen=True)
class MobilityEvent:
    """Told to `on_dispatching` and `on_reverting` at the source, `on_arrival` at the target."""

    source_host_name: str
    target_host_name: str
    reason: str = "dispatch"
    """`dispatch` or `retract`."""
    attempt: int = 1


@dataclass(frozen=True)
class CloneEvent:
    """Told to `on_cloning` and `on_cloned` of the original, `on_clone` of the clone."""

    source: PagletProxyRef
    clone_agent_id: str
    source_host_name: str
    target_host_name: str
    attempt: int = 1


@dataclass(frozen=True)
class PersistencyEvent:
    """Told to `on_deactivating`."""

    reason: str
    """`requested`, `shutdown`, `idle`, `drain` or `reload`."""
    policy: dict[str, object] | None = None
    """The DeactivationPolicy's fields, None at shutdown."""


@dataclass(frozen=True)
class ActivationEvent:
    """Told to `on_activation`."""

    reason: str
    """`requested`, `message`, `timer`, `startup`, `recovered` or `reload`."""
    attempt: int = 1


@dataclass(frozen=True)
class DisposalEvent:
    """Told to `on_disposing`; nothing of the paglet remains after it."""

    reason: str = "requested"


@dataclass(frozen=True)
class MoveFailedEvent:
    """Told to `on_move_failed` where a dispatch or retract did not happen."""

    target_host_name: str
    error: Exception
    """What stood in the way, a TransferError for refusals."""
    restarted: bool
    """True: this is a new process; transient attributes and resources are empty."""


@dataclass(frozen=True, slots=True)
class ContextEvent:
    """Record of something that happened on a host."""

    sequence: int
    """Grows by one per event of this host's run; a gap tells a reader it fell behind."""
    time: float
    """Unix seconds on the host's clock."""
    kind: str
    """Such as create, dispatch, arrival, crash, message, service."""
    host_name: str
    agent_id: str | None = None
    level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    text: str = ""
    """One sentence for people."""
    detail: dict[str, object] = field(default_factory=dict)
