"""Mobile Python objects for a mesh of machines.

Everything an author of paglets needs is here. Importing it loads no HTTP stack and no CLI;
`connect` and `connect_async`, for code outside any paglet, are loaded when first used.
"""

import importlib

from paglets._version import __version__
from paglets.agent.autostart import AutoStartSpec
from paglets.agent.context import PagletContext
from paglets.agent.contracts import ServiceContract, ServiceOperation
from paglets.agent.future import FutureReply, ReplySet
from paglets.agent.handlers import handles, provides
from paglets.agent.itinerary import Itinerary, Stop
from paglets.agent.paglet import Paglet
from paglets.agent.proxy import PagletProxy
from paglets.agent.resources import ResourceRegistry
from paglets.agent.services import ServiceHandle, ServiceLease, ServiceRecord
from paglets.agent.statelock import state_locked
from paglets.model.enums import (
    ArrivalMode,
    Durability,
    EnvelopeKind,
    FileMode,
    LaunchConfigSyncAction,
    PagletStatus,
    Priority,
    ResidentLifecycle,
    RestartPolicy,
    ServiceScope,
    TaskPhase,
    UnreachableStop,
)
from paglets.model.errors import (
    AgentIdTakenError,
    BusyError,
    CallCycleError,
    ClassLoadError,
    ClassNotAllowedError,
    CodeVersionError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    FullError,
    HandlerError,
    HookError,
    HookTimeoutError,
    HostNotFoundError,
    HostUnreachableError,
    InvalidNameError,
    InvalidRequestError,
    LifecycleError,
    MailboxFullError,
    MessageExpiredError,
    MoveInDoubtError,
    NotFoundError,
    NotHandledError,
    PagletCrashedError,
    PagletInactiveError,
    PagletMovedError,
    PagletNotFoundError,
    PagletsError,
    PinnedError,
    QuiesceTimeoutError,
    ServiceNotFoundError,
    StateError,
    StorageFullError,
    TooLargeError,
    TransferError,
    UnauthorizedError,
    UnavailableError,
)
from paglets.model.events import (
    ActivationEvent,
    CloneEvent,
    ContextEvent,
    CreationEvent,
    DisposalEvent,
    MobilityEvent,
    MoveFailedEvent,
    PersistencyEvent,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.message import JsonValue, Message
from paglets.model.refs import HostRef, PagletProxyRef
from paglets.model.transfer import Target, TransferTicket

_LAZY = ("connect", "connect_async")

__all__ = [
    "ActivationEvent",
    "AgentIdTakenError",
    "ArrivalMode",
    "AutoStartSpec",
    "BusyError",
    "CallCycleError",
    "ClassLoadError",
    "ClassNotAllowedError",
    "CloneEvent",
    "CodeVersionError",
    "ConflictError",
    "ContextEvent",
    "CreationEvent",
    "DeactivationPolicy",
    "DeadlineError",
    "DisposalEvent",
    "Durability",
    "EnvelopeKind",
    "FileMode",
    "ForbiddenError",
    "FullError",
    "FutureReply",
    "HandlerError",
    "HookError",
    "HookTimeoutError",
    "HostNotFoundError",
    "HostRef",
    "HostUnreachableError",
    "InvalidNameError",
    "InvalidRequestError",
    "Itinerary",
    "JsonValue",
    "LaunchConfigSyncAction",
    "LifecycleError",
    "MailboxFullError",
    "Message",
    "MessageExpiredError",
    "MobilityEvent",
    "MoveFailedEvent",
    "MoveInDoubtError",
    "NotFoundError",
    "NotHandledError",
    "Paglet",
    "PagletContext",
    "PagletCrashedError",
    "PagletInactiveError",
    "PagletMovedError",
    "PagletNotFoundError",
    "PagletProxy",
    "PagletProxyRef",
    "PagletStatus",
    "PagletsError",
    "PersistencyEvent",
    "PinnedError",
    "Priority",
    "QuiesceTimeoutError",
    "ReplySet",
    "ResidentLifecycle",
    "ResourceRegistry",
    "RestartPolicy",
    "ServiceContract",
    "ServiceHandle",
    "ServiceLease",
    "ServiceNotFoundError",
    "ServiceOperation",
    "ServiceRecord",
    "ServiceScope",
    "StateError",
    "Stop",
    "StorageFullError",
    "Target",
    "TaskPhase",
    "TooLargeError",
    "TransferError",
    "TransferTicket",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableStop",
    "__version__",
    "connect",
    "connect_async",
    "handles",
    "provides",
    "state_locked",
]


def __getattr__(name: str) -> object:
    """Load what needs the HTTP stack when it is first used."""
    if name in _LAZY:
        module = importlib.import_module("paglets.connect")
        # Importing it made the module itself the attribute `connect`; the function is meant.
        globals().update({each: getattr(module, each) for each in _LAZY})
        return globals()[name]
    raise AttributeError(f"module 'paglets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
