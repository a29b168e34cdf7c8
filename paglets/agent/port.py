"""The one seam between an author's objects and a host.

Proxies, contexts and service handles ask through a `HostPort`. Inside a Paglet Process it is the
private pipe (`child/hostcalls.py`); for code outside any paglet it is HTTP (`connect/calls.py`).
What concerns the calling paglet itself goes through a `PagletCore`, which only a child has.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, Protocol, TypeVar

from paglets.agent.statelock import StateLock
from paglets.model.enums import FileMode
from paglets.model.errors import PagletsError
from paglets.model.inactive import DeactivationPolicy
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import TransferTicket
from paglets.wire import hostcalls as wire

Q = TypeVar("Q", bound=wire.Struct)
R = TypeVar("R", bound=wire.Struct)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, R]):
    """One operation of `wire/hostcalls.py` with the types of its request and reply."""

    name: str
    request: type[Q]
    reply: type[R]


SEND = Operation("send", wire.SendCall, wire.SendReply)
CHECK = Operation("check", wire.CheckCall, wire.CheckReply)
CLONE = Operation("clone", wire.CloneCall, wire.ProxyReply)
CREATE = Operation("create", wire.CreateCall, wire.ProxyReply)
LIFECYCLE = Operation("lifecycle", wire.LifecycleCall, wire.ProxyReply)
INFO = Operation("info", wire.RefCall, wire.ListReply)
STATE = Operation("state", wire.RefCall, wire.StateReply)
FIND = Operation("find", wire.FindCall, wire.ProxyReply)
LIST = Operation("list", wire.ListCall, wire.ListReply)
HOSTS = Operation("hosts", wire.HostsCall, wire.HostsReply)
WAIT_HOST = Operation("wait_host", wire.WaitHostCall, wire.HostReplyBody)
CHECKPOINT = Operation("checkpoint", wire.CheckpointCall, wire.Empty)
DEPART = Operation("depart", wire.DepartCall, wire.Empty)
WATCH_QUEUE = Operation("watch_queue", wire.Empty, wire.Empty)
EVENTS = Operation("events", wire.EventsCall, wire.EventsReply)
EMIT = Operation("emit", wire.EmitCall, wire.Empty)
ADVERTISE = Operation("advertise", wire.AdvertiseCall, wire.Empty)
WITHDRAW = Operation("withdraw", wire.WithdrawCall, wire.Empty)
LOOKUP = Operation("lookup", wire.LookupCall, wire.LookupReply)
LEASE = Operation("lease", wire.LeaseCall, wire.LeaseReply)
PUBLISH = Operation("publish", wire.PublishCall, wire.Empty)
RECORDS = Operation("records", wire.RecordsCall, wire.RecordsReply)

CALL_TIMEOUT = 30.0
"""Seconds allowed for a question to the host, such as a lookup."""

LIFECYCLE_TIMEOUT = 120.0
"""Seconds allowed for a life-cycle verb: a check, a quiesce, a hook and a transfer."""


class HostPort(Protocol):
    """Asks a host. Every call ends by its timeout; errors are those of `model/errors.py`."""

    @property
    def sender(self) -> PagletProxyRef | None:
        """Who sends, for messages; None outside any paglet."""

    def waiting(self) -> tuple[str, ...]:
        """Return the agent ids that wait on a blocking call made now, outermost first."""

    def derive_id(self) -> str | None:
        """Return the next id derived from the message being handled.

        None where ids are free to be random: outside a handler of a MESSAGE paglet.
        """

    def require_blocking(self, what: str) -> None:
        """Raise RuntimeError where `what` must not block: in async code of a paglet."""

    def call(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> R:
        """Ask and wait for the answer, at most `timeout` seconds.

        Raises:
            PagletsError: As the host answered; DeadlineError where it did not in time.
            RuntimeError: Called in async code.
        """

    def call_future(self, operation: Operation[Q, R], request: Q, *, timeout: float) -> Future[R]:
        """Ask and return at once; the future gets the answer or the error."""


class PagletCore(Protocol):
    """What the runtime does for the one paglet of a process; behind `PagletContext`."""

    @property
    def lock(self) -> StateLock:
        """The State Lock."""

    @property
    def stopping(self) -> bool:
        """Whether the gate is closed: the paglet is about to leave, sleep or end."""

    def sleep(self, seconds: float) -> bool:
        """Wait; return True at once when the gate closes, False after `seconds`."""

    def wait_state(self, predicate: "Predicate", timeout: float) -> bool:
        """Wait, State Lock released, until `predicate()` holds under it; return its last value."""

    def wait_message(self, timeout: float) -> bool:
        """Wait until a message is queued or a notification comes; False after `timeout` seconds."""

    def notify_message(self, *, everyone: bool) -> None:
        """Wake one or all that are in `wait_message`."""

    def not_handled(self) -> NoReturn:
        """Raise NotHandledError for the message being handled."""

    def dispatch(self, ticket: TransferTicket) -> NoReturn:
        """Check the target, then unwind to move there."""

    def clone(
        self, ticket: TransferTicket | None, clone_agent_id: str | None = None
    ) -> PagletProxyRef:
        """Clone to the target, or here, with an id chosen before or none; return its address."""

    def clone_each(
        self,
        clones: Iterable[tuple[TransferTicket, str]],
        told: Callable[[str, PagletsError | None], None],
        *,
        at_once: int,
    ) -> None:
        """Clone to each target under its id, a few at once, and wait for all.

        Args:
            clones: Each is taken when it can be asked for at once.
            told: Gets each id as its target has answered, with the error where that took no clone.
            at_once: How many are under way at most.
        """

    def deactivate(self, policy: DeactivationPolicy) -> NoReturn:
        """Unwind to sleep."""

    def dispose(self) -> NoReturn:
        """Unwind to end."""

    def checkpoint(self) -> None:
        """Commit the state to the host's disk."""

    def retry_later(self) -> NoReturn:
        """Unwind this hook and let the itinerary go on by itself, in the background."""

    @property
    def in_hook(self) -> bool:
        """Whether the caller is a life-cycle hook, which must end within its timeout."""

    def work_dir(self) -> Path:
        """Return the paglet's folder on this host, made if need be."""

    def persistent_dir(self) -> Path:
        """Return the folder that stays with the host, made if need be."""

    def register_file(self, path: Path, mode: FileMode) -> None:
        """Let a file travel with the next move."""


class Predicate(Protocol):
    """A question about the state, asked under the State Lock."""

    def __call__(self) -> bool:
        """Return whether it holds."""
