"""Everything that can go wrong, by who caused it and what helps.

    PagletsError
    ├── InvalidRequestError            400  the caller's input; the message names the field
    │   ├── InvalidNameError           400  a name or id with other characters than A-Za-z0-9._-
    │   ├── LaunchConfigError          400  launch.toml: names file, table, key and line
    │   ├── StateError                 422  a value that does not fit the State's annotation
    │   ├── TooLargeError              413  a body, state, file or list over its limit
    │   └── NotHandledError            422  the paglet has no handler for this kind of message
    ├── UnauthorizedError              401  no or wrong credentials
    │   └── ClockSkewError             401  signed outside the window; carries the server's time
    ├── ForbiddenError                 403  known, but not allowed
    │   ├── ClassNotAllowedError       403  the class is under no allowed prefix of that host
    │   └── PinnedError                403  a resident does not move
    ├── NotFoundError                  404
    │   ├── PagletNotFoundError        404
    │   ├── HostNotFoundError          404
    │   ├── TransferNotFoundError      404
    │   └── ServiceNotFoundError       404
    ├── ConflictError                  409  the thing's present state does not allow this
    │   ├── BusyError                  409  another life-cycle verb runs on this paglet
    │   ├── AgentIdTakenError          409  the id belongs to another paglet
    │   ├── LifecycleError             409  not possible in this status; carries its last events
    │   ├── PagletInactiveError        409  asleep, and its policy or the call says do not wake
    │   ├── PagletMovedError           409  moved on too often or too fast to follow
    │   ├── MoveInDoubtError           409  promised to a host that has not answered yet
    │   ├── CallCycleError             409  the target waits for this very call
    │   ├── TaskCancelledError         409  the task was cancelled, so there is no result
    │   └── CodeVersionError           409  the other host runs other code; names the difference
    ├── MisdirectedError               421  addressed to another host id
    ├── FullError                      429  retryable after `retry_after` seconds
    │   ├── MailboxFullError           429
    │   └── DedupFullError             429
    ├── ClassLoadError                 422  an allowed class that cannot be imported or is unfit
    ├── HandlerError                   422  the paglet's own code raised; carries type and traceback
    │   └── HookError                  422  … in a hook
    ├── ServiceReplyError              502  a provider's reply is not what its contract says
    ├── PagletCrashedError             502  its process ended without being asked
    ├── TransferError                  502  a move or clone did not happen; nothing was lost
    ├── UnavailableError               503  the host is starting, draining, stopping or full
    ├── HostUnreachableError           503  no answer from that host; retryable
    ├── DeadlineError                  504  the time allowed ran out; also a TimeoutError
    │   ├── MessageExpiredError        504  … in the queue: certainly not handled
    │   ├── QuiesceTimeoutError        504  … waiting for running handlers; nothing was lost
    │   └── HookTimeoutError           504  … in a hook
    ├── StorageFullError               507  no room on the host's disk; nothing was promised
    ├── DamagedError                   500  bytes on the host's disk are not what was written there
    └── InternalError                  500  a defect of ours; the host's log has the traceback

An error crosses the wire as `code`, `message` and `detail` and is the same class on the other side
(`wire/failures.py`), so callers catch it no differently for a remote paglet than for a local one.
"""

from paglets.model.errorbase import PagletsError as PagletsError  # noqa: PLC0414 - told on


class InvalidRequestError(PagletsError):
    """The caller's input is not what this call takes; nothing has changed."""

    code = "bad_request"
    status = 400


class InvalidNameError(InvalidRequestError):
    """A name or id is empty, too long or has characters that names may not have."""

    code = "invalid_name"

    def __init__(self, what: str, text: str) -> None:
        rule = "use 1 to 64 of A-Z a-z 0-9 . _ -, starting with a letter or digit"
        if "class" in what:
            rule = "write module:QualName, for example tour:Tour"
        super().__init__(f"{text[:80]!r} is no valid {what}: {rule}", what=what, text=text[:80])


class LaunchConfigError(InvalidRequestError):
    """A launch.toml says what cannot be; carries `file`, `table`, `key` and `line` where known."""

    code = "launch_config"


class StateError(InvalidRequestError):
    """A value of the State does not fit its annotation; what was committed before stays."""

    code = "state_error"
    status = 422
    field: str
    expected: str
    found: str

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(
            f"state field {field}: expected {expected}, found {found}",
            field=field,
            expected=expected,
            found=found,
        )


class TooLargeError(InvalidRequestError):
    """Something is over its limit; the message names the limit and the setting that raises it."""

    code = "too_large"
    status = 413


class NotHandledError(InvalidRequestError):
    """The paglet has no handler for this kind of message."""

    code = "not_handled"
    status = 422


class UnauthorizedError(PagletsError):
    """The request has no valid signature or token of this host's key."""

    code = "unauthorized"
    status = 401


class ClockSkewError(UnauthorizedError):
    """The request was signed outside the time window; `server_time` is the host's clock."""

    code = "clock_skew"


class ForbiddenError(PagletsError):
    """The caller is known, but this is not allowed on that host."""

    code = "forbidden"
    status = 403


class ClassNotAllowedError(ForbiddenError):
    """The class is under no prefix that the owner of the host allowed; nothing was imported."""

    code = "class_not_allowed"


class PinnedError(ForbiddenError):
    """Residents stay with their host."""

    code = "pinned"


class NotFoundError(PagletsError):
    """No such thing here."""

    code = "not_found"
    status = 404


class PagletNotFoundError(NotFoundError):
    """No reachable host knows this paglet."""

    code = "paglet_not_found"


class HostNotFoundError(NotFoundError):
    """No host of this name is known; the message lists those that are."""

    code = "host_not_found"


class TransferNotFoundError(NotFoundError):
    """This host has no record of the transfer."""

    code = "transfer_not_found"


class ServiceNotFoundError(NotFoundError):
    """No provider advertises this contract in this version."""

    code = "service_not_found"


class ConflictError(PagletsError):
    """The present state of the thing does not allow this; nothing has changed."""

    code = "conflict"
    status = 409


class BusyError(ConflictError):
    """Another life-cycle verb is running on this paglet; try again when it has ended."""

    code = "busy"
    retryable = True


class AgentIdTakenError(ConflictError):
    """The agent id belongs to another paglet."""

    code = "agent_id_taken"


class LifecycleError(ConflictError):
    """Not possible in the paglet's status; `story` holds its last events."""

    code = "lifecycle"


class PagletInactiveError(ConflictError):
    """The paglet is asleep, and its policy or the call says not to wake it."""

    code = "inactive"


class PagletMovedError(ConflictError):
    """The paglet moved on, further than forwarding follows."""

    code = "moved"
    retryable = True


class MoveInDoubtError(ConflictError):
    """The paglet is promised to a host that has not answered yet.

    It is unavailable until that host answers, and never doubled. `transfer_id` names the transfer,
    which `paglets transfer list` shows and `paglets transfer resolve` settles if it never will.
    """

    code = "in_doubt"
    retryable = True


class CallCycleError(ConflictError):
    """The target of this call waits, directly or not, for this very call."""

    code = "call_cycle"


class TaskCancelledError(ConflictError):
    """The task was cancelled, so there is no result of it."""

    code = "task_cancelled"


class CodeVersionError(ConflictError):
    """The other host runs another version of the code; the message names the difference."""

    code = "code_version"


class MisdirectedError(PagletsError):
    """The request is addressed to another host than the one that answers here."""

    code = "misdirected"
    status = 421


class FullError(PagletsError):
    """A bounded queue is full; `retry_after` is in seconds."""

    code = "full"
    status = 429
    retryable = True


class MailboxFullError(FullError):
    """The mailbox of the paglet, or all of this host's together, hold no more."""

    code = "mailbox_full"


class DedupFullError(FullError):
    """The paglet remembers as many message ids as it may; none is forgotten early."""

    code = "dedup_full"


class ClassLoadError(PagletsError):
    """An allowed class cannot be imported or is no Paglet; the message says why and what helps."""

    code = "class_load"
    status = 422


class HandlerError(PagletsError):
    """The paglet's own code raised: `exception_type`, `exception_message`, `traceback_text`."""

    code = "handler_error"
    status = 422


class HookError(HandlerError):
    """A life-cycle hook of the paglet raised; `hook` names it."""

    code = "hook_error"


class ServiceReplyError(PagletsError):
    """A provider's reply is not what its contract says: the provider is to blame, and lives on.

    `operation`, `field` and `provider` say where. What the operation does has been done.
    """

    code = "service_reply"
    status = 502


class PagletCrashedError(PagletsError):
    """The Paglet Process ended without being asked; `exit_code` or `signal` say how."""

    code = "crashed"
    status = 502


class TransferError(PagletsError):
    """A move or clone did not happen, and the paglet is where it was.

    `reason` is the code of what stood in the way, as the target or the network gave it.
    """

    code = "transfer"
    status = 502


class UnavailableError(PagletsError):
    """The host is starting, draining, stopping, or has no room for this now."""

    code = "unavailable"
    status = 503
    retryable = True


class HostUnreachableError(PagletsError):
    """No answer from that host: refused, reset, or silent."""

    code = "unreachable"
    status = 503
    retryable = True


class DeadlineError(PagletsError, TimeoutError):
    """The time allowed for this call ran out; what it does may still happen."""

    code = "deadline"
    status = 504
    retryable = True


class MessageExpiredError(DeadlineError):
    """The message's time ran out in the queue: it was certainly not handled."""

    code = "message_expired"


class QuiesceTimeoutError(DeadlineError):
    """Running handlers did not end in time; the paglet goes on as before."""

    code = "quiesce_timeout"


class HookTimeoutError(DeadlineError):
    """A life-cycle hook did not return in time; `hook` names it."""

    code = "hook_timeout"


class StorageFullError(PagletsError):
    """The host's disk, or the paglet's quota, has no room; nothing was promised."""

    code = "storage_full"
    status = 507
    retryable = True


class DamagedError(PagletsError):
    """Bytes on the host's disk are not what was written there; they are kept, never skipped."""

    code = "damaged"
    status = 500


class InternalError(PagletsError):
    """A defect of ours; the host's log has the traceback under `incident`."""

    code = "internal"
    status = 500


def error_classes() -> dict[str, type[PagletsError]]:
    """Return every class of this tree by its code; an author's own subclasses are not of it."""
    found: dict[str, type[PagletsError]] = {PagletsError.code: PagletsError}
    pending = PagletsError.__subclasses__()
    while pending:
        cls = pending.pop()
        if cls.__module__ == __name__:
            found[cls.code] = cls
            pending.extend(cls.__subclasses__())
    return found
