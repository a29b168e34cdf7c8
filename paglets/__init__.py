"""Mobile Python objects for a mesh of machines.

Everything an author of paglets needs is here. Each name is loaded when it is first used, so that
`paglets --help` and a host's small programs do not pay for what they leave alone.
"""

import importlib
from typing import TYPE_CHECKING

from paglets._version import __version__

if TYPE_CHECKING:
    from paglets.agent.autostart import AutoStartSpec
    from paglets.agent.context import PagletContext
    from paglets.agent.contracts import ServiceContract, ServiceOperation
    from paglets.agent.future import FutureReply, ReplySet
    from paglets.agent.handlers import handles, provides
    from paglets.agent.itinerary import Itinerary, Stop
    from paglets.agent.mesh import PublishedRecord
    from paglets.agent.paglet import Paglet
    from paglets.agent.proxy import PagletProxy
    from paglets.agent.resources import ResourceRegistry
    from paglets.agent.servicehandle import ServiceHandle
    from paglets.agent.servicerecord import ServiceRecord
    from paglets.agent.services import ServiceLease
    from paglets.agent.statelock import state_locked
    from paglets.connect import connect, connect_async
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
        Severity,
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
        LaunchConfigError,
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
        ServiceReplyError,
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
    from paglets.system.compute_slots.contract import (
        JobFailure,
        JobOutcome,
        JobPhase,
        JobReport,
        JobWishes,
    )
    from paglets.system.compute_slots.handle import JobHandle, submit_job
    from paglets.system.compute_slots.job import ComputeJob
    from paglets.system.compute_slots.needs import Needs
    from paglets.system.compute_slots.record import JobState

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
    "ComputeJob",
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
    "JobFailure",
    "JobHandle",
    "JobOutcome",
    "JobPhase",
    "JobReport",
    "JobState",
    "JobWishes",
    "JsonValue",
    "LaunchConfigError",
    "LaunchConfigSyncAction",
    "LifecycleError",
    "MailboxFullError",
    "Message",
    "MessageExpiredError",
    "MobilityEvent",
    "MoveFailedEvent",
    "MoveInDoubtError",
    "Needs",
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
    "PublishedRecord",
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
    "ServiceReplyError",
    "ServiceScope",
    "Severity",
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
    "submit_job",
]

_HOMES = {
    "ActivationEvent": "paglets.model.events",
    "AgentIdTakenError": "paglets.model.errors",
    "ArrivalMode": "paglets.model.enums",
    "AutoStartSpec": "paglets.agent.autostart",
    "BusyError": "paglets.model.errors",
    "CallCycleError": "paglets.model.errors",
    "ClassLoadError": "paglets.model.errors",
    "ClassNotAllowedError": "paglets.model.errors",
    "CloneEvent": "paglets.model.events",
    "CodeVersionError": "paglets.model.errors",
    "ComputeJob": "paglets.system.compute_slots.job",
    "ConflictError": "paglets.model.errors",
    "ContextEvent": "paglets.model.events",
    "CreationEvent": "paglets.model.events",
    "DeactivationPolicy": "paglets.model.inactive",
    "DeadlineError": "paglets.model.errors",
    "DisposalEvent": "paglets.model.events",
    "Durability": "paglets.model.enums",
    "EnvelopeKind": "paglets.model.enums",
    "FileMode": "paglets.model.enums",
    "ForbiddenError": "paglets.model.errors",
    "FullError": "paglets.model.errors",
    "FutureReply": "paglets.agent.future",
    "HandlerError": "paglets.model.errors",
    "HookError": "paglets.model.errors",
    "HookTimeoutError": "paglets.model.errors",
    "HostNotFoundError": "paglets.model.errors",
    "HostRef": "paglets.model.refs",
    "HostUnreachableError": "paglets.model.errors",
    "InvalidNameError": "paglets.model.errors",
    "InvalidRequestError": "paglets.model.errors",
    "LaunchConfigError": "paglets.model.errors",
    "Itinerary": "paglets.agent.itinerary",
    "JobFailure": "paglets.system.compute_slots.contract",
    "JobHandle": "paglets.system.compute_slots.handle",
    "JobOutcome": "paglets.system.compute_slots.contract",
    "JobPhase": "paglets.system.compute_slots.contract",
    "JobReport": "paglets.system.compute_slots.contract",
    "JobState": "paglets.system.compute_slots.record",
    "JobWishes": "paglets.system.compute_slots.contract",
    "JsonValue": "paglets.model.message",
    "LaunchConfigSyncAction": "paglets.model.enums",
    "LifecycleError": "paglets.model.errors",
    "MailboxFullError": "paglets.model.errors",
    "Message": "paglets.model.message",
    "MessageExpiredError": "paglets.model.errors",
    "MobilityEvent": "paglets.model.events",
    "MoveFailedEvent": "paglets.model.events",
    "MoveInDoubtError": "paglets.model.errors",
    "Needs": "paglets.system.compute_slots.needs",
    "NotFoundError": "paglets.model.errors",
    "NotHandledError": "paglets.model.errors",
    "Paglet": "paglets.agent.paglet",
    "PagletContext": "paglets.agent.context",
    "PagletCrashedError": "paglets.model.errors",
    "PagletInactiveError": "paglets.model.errors",
    "PagletMovedError": "paglets.model.errors",
    "PagletNotFoundError": "paglets.model.errors",
    "PagletProxy": "paglets.agent.proxy",
    "PagletProxyRef": "paglets.model.refs",
    "PagletStatus": "paglets.model.enums",
    "PagletsError": "paglets.model.errors",
    "PersistencyEvent": "paglets.model.events",
    "PinnedError": "paglets.model.errors",
    "Priority": "paglets.model.enums",
    "PublishedRecord": "paglets.agent.mesh",
    "QuiesceTimeoutError": "paglets.model.errors",
    "ReplySet": "paglets.agent.future",
    "ResidentLifecycle": "paglets.model.enums",
    "ResourceRegistry": "paglets.agent.resources",
    "RestartPolicy": "paglets.model.enums",
    "ServiceContract": "paglets.agent.contracts",
    "ServiceHandle": "paglets.agent.servicehandle",
    "ServiceLease": "paglets.agent.services",
    "ServiceNotFoundError": "paglets.model.errors",
    "ServiceOperation": "paglets.agent.contracts",
    "ServiceRecord": "paglets.agent.servicerecord",
    "ServiceReplyError": "paglets.model.errors",
    "ServiceScope": "paglets.model.enums",
    "Severity": "paglets.model.enums",
    "StateError": "paglets.model.errors",
    "Stop": "paglets.agent.itinerary",
    "StorageFullError": "paglets.model.errors",
    "Target": "paglets.model.transfer",
    "TaskPhase": "paglets.model.enums",
    "TooLargeError": "paglets.model.errors",
    "TransferError": "paglets.model.errors",
    "TransferTicket": "paglets.model.transfer",
    "UnauthorizedError": "paglets.model.errors",
    "UnavailableError": "paglets.model.errors",
    "UnreachableStop": "paglets.model.enums",
    "connect": "paglets.connect",
    "connect_async": "paglets.connect",
    "handles": "paglets.agent.handlers",
    "provides": "paglets.agent.handlers",
    "state_locked": "paglets.agent.statelock",
    "submit_job": "paglets.system.compute_slots.handle",
}
"""The module each name comes from."""


def __getattr__(name: str) -> object:
    """Load a name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'paglets' has no attribute {name!r}")
    # For `connect` this also replaces the subpackage, which importing it made the attribute.
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
