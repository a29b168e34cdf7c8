"""The leader's side of FanOut: sends workers, watches them, ends them all.

It works in the thread that waits for the result, a handler or `run()`. Reports come as UNQUEUED
messages beside it, and find it by the id of their round. Nothing of it stands in the State: with
the leader's process the round ends, and its workers end themselves.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from paglets.agent.fanout.model import Gathered, Missing, Order, Report, Share, Verdict
from paglets.agent.fanout.shares import Shares
from paglets.model.enums import MissingReason, PagletStatus, SharePhase
from paglets.model.errors import (
    BusyError,
    ConflictError,
    DeadlineError,
    InvalidRequestError,
    MoveInDoubtError,
    NotFoundError,
    PagletNotFoundError,
    PagletsError,
)
from paglets.model.message import JsonValue, Message
from paglets.model.names import new_id
from paglets.model.refs import PagletProxyRef
from paglets.model.transfer import TransferTicket

if TYPE_CHECKING:
    from paglets.agent.paglet import Paglet

R = TypeVar("R")

CLONE_SECONDS = 10.0
"""Longest wait for one host to take its worker."""
AT_ONCE = 8
"""Hosts that take their worker at the same time: one that hangs does not hold up the others, and
the leader's host packs and carries no more at once than is good for it."""
LOOK_SECONDS = 0.5
"""Between two looks at hosts and workers that are silent."""
ASK_SECONDS = 2.0
"""Between two questions how one worker is."""
END_SECONDS = 5.0
"""Longest wait for hosts to end their workers."""
RETRY_SECONDS = 0.05
"""Before a worker that is busy ending itself is looked at again."""


class TakesReports(Protocol):
    """A round that is under way."""

    leader_id: str

    def take(self, report: Report) -> bool:
        """Take a report; return whether its worker is to go on."""


_rounds: dict[str, TakesReports] = {}
"""By id, those of this process."""


_orders: dict[str, tuple[str, Order]] = {}
"""By id of the clone that is to get it: an order, and the field of the State that holds FanOut."""


@dataclass(frozen=True)
class Wanted(Generic[R]):
    """What is to be gathered."""

    method: str
    """Name of the method that each worker calls."""
    convert: Callable[[JsonValue], R]
    """Makes a result of what a worker sent; raises PagletsError if it cannot."""
    deadline: float
    """Seconds for all of it."""
    stop: Callable[[], str]
    """Asked twice a second; a text ends it, as the reason."""


class Gathering(Generic[R]):
    """One round of a FanOut. Made by it.

    Args:
        paglet: The leader.
        field: The field of its State that holds its FanOut.
        wanted: What for.
        hosts: Names, each with what keeps it from taking part.
    """

    def __init__(
        self,
        paglet: "Paglet[object]",
        field: str,
        wanted: Wanted[R],
        hosts: Mapping[str, Missing | None],
    ) -> None:
        self.round_id = new_id()
        self.leader_id = paglet.agent_id
        self._paglet = paglet
        self._field = field
        self._wanted = wanted
        self._began = time.monotonic()
        self._next_question = self._began + ASK_SECONDS
        self._asking: dict[str, threading.Thread] = {}
        self._mutex = threading.Lock()
        self._shares: Shares[R] = Shares(hosts, wanted.convert)
        self._sent: dict[str, str] = {}
        """Host of each worker that is asked for, by its id."""

    def shares(self) -> list[Share[R]]:
        """Return how far each host is now; in any thread."""
        with self._mutex:
            return self._shares.all()

    def workers(self) -> list[PagletProxyRef]:
        """Return the clones that have not reported, for who must end them in the leader's place."""
        return [s.worker for s in self.shares() if s.worker and s.phase is not SharePhase.DONE]

    def wait(self) -> Gathered[R]:
        """Send the workers, wait until all is settled, end them; once.

        Whatever ends it early, an exception or the leader's move, the workers are ended too.

        Raises:
            ConflictError: The paglet gathers already.
        """
        with self._registered():
            try:
                self._send_workers()
                while not self._is_over():
                    self._watch()
                    self._paglet.wait_state(lambda _state: self._is_complete(), LOOK_SECONDS)
            finally:
                self._end()
        with self._mutex:
            return self._shares.gathered()

    def take(self, report: Report) -> bool:
        """Take a report; return whether its worker is to go on. In the thread of its message."""
        with self._mutex:
            is_wanted = self._shares.report(report)
        self._paglet.notify_state_changed()
        return is_wanted

    @contextmanager
    def _registered(self) -> Iterator[None]:
        if any(each.leader_id == self.leader_id for each in list(_rounds.values())):
            raise ConflictError("this paglet gathers already: one round at a time")
        _rounds[self.round_id] = self
        try:
            yield
        finally:
            del _rounds[self.round_id]

    def _is_complete(self) -> bool:
        with self._mutex:
            return self._shares.is_complete

    def _open_shares(self) -> list[Share[R]]:
        with self._mutex:
            return self._shares.open()

    def _left(self) -> float:
        return self._wanted.deadline - (time.monotonic() - self._began)

    def _is_over(self) -> bool:
        if self._is_complete() or self._paglet.stopping or self._left() <= 0:
            return True
        text = self._wanted.stop()
        if text:
            with self._mutex:
                self._shares.end(Missing(MissingReason.STOPPED, text))
        return bool(text)

    def _send_workers(self) -> None:
        self._paglet.context.core.clone_each(self._workers(), self._told, at_once=AT_ONCE)

    def _workers(self) -> Iterator[tuple[TransferTicket, str]]:
        """Yield where a worker is to go, and its id, as long as there is a reason to send one."""
        known = self._paglet.context.mesh.hosts(online_only=False)
        known = sorted(known, key=lambda host: (host.online, host.generation))
        urls = {host.name: host.url for host in known}
        for share in self._open_shares():
            if self._is_over():
                return
            yield self._worker_for(share.host, urls.get(share.host, ""))

    def _worker_for(self, host: str, url: str) -> tuple[TransferTicket, str]:
        paglet, worker_id = self._paglet, new_id()
        with self._mutex:
            self._shares.ask(host, PagletProxyRef(url, worker_id, host_name=host))
        order = Order(
            self.round_id,
            paglet.ref,
            worker_id,
            self._wanted.method,
            max(0.1, self._left()),
        )
        self._sent[worker_id] = host
        _orders[worker_id] = (self._field, order)
        timeout = max(0.1, min(CLONE_SECONDS, self._left()))
        return TransferTicket(destination=host, timeout=timeout), worker_id

    def _told(self, worker_id: str, error: PagletsError | None) -> None:
        """Take what a host said to its worker."""
        if not isinstance(error, DeadlineError):
            # Else its State may still be taken: without an order it would be one more leader.
            del _orders[worker_id]
        if error is None:
            return
        host = self._sent[worker_id]
        with self._mutex:
            if isinstance(error, MoveInDoubtError | DeadlineError):
                # It may run there all the same: it reports then, or ends by itself.
                self._shares.doubt(host)
            else:
                text = f"did not take the worker: {error}"
                self._shares.refuse(host, Missing(MissingReason.REFUSED, text))

    def _lose(self, host: str, missing: Missing) -> None:
        with self._mutex:
            self._shares.lose(host, missing)
        self._paglet.notify_state_changed()

    def _watch(self) -> None:
        """Settle the shares of hosts that went away and of workers that crashed."""
        known = self._paglet.context.mesh.hosts(online_only=False)
        with self._mutex:
            self._shares.look(known)
        if time.monotonic() < self._next_question:
            return
        self._next_question = time.monotonic() + ASK_SECONDS
        alive = {host.name for host in known if host.status == "alive"}
        for share in self._open_shares():
            asking = self._asking.get(share.host)
            # A host that hangs keeps its question waiting, and nobody else's.
            if share.worker and share.host in alive and not (asking and asking.is_alive()):
                self._asking[share.host] = _start(self._ask_after, share, share.worker)

    def _ask_after(self, share: Share[R], worker: PagletProxyRef) -> None:
        try:
            info = self._paglet.context.resolve(worker).info()
        except PagletNotFoundError:
            if not share.is_in_doubt:
                text = "its worker has gone without a report"
                self._lose(share.host, Missing(MissingReason.CRASHED, text))
            return
        except (PagletsError, OSError):
            return  # the mesh, or the deadline, will say what became of its host
        if info.status == PagletStatus.CRASHED.value:
            why = (info.error or "no reason given").rstrip(": ")
            self._lose(share.host, Missing(MissingReason.CRASHED, f"its worker crashed: {why}"))

    def _end(self) -> None:
        """Settle what is open, and see that no worker is left."""
        reason, text = MissingReason.STOPPED, "its leader stopped waiting"
        if self._left() <= 0:
            reason, text = MissingReason.SLOW, f"not done within {self._wanted.deadline:g} s"
        with self._mutex:
            self._shares.end(Missing(reason, text))
        ending = [_start(self._dispose, s, s.worker) for s in self.shares() if s.worker]
        deadline = time.monotonic() + END_SECONDS
        for thread in ending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _dispose(self, share: Share[R], worker: PagletProxyRef) -> None:
        """End a worker; one that has reported ends itself in order, and is only looked after."""
        deadline = time.monotonic() + END_SECONDS
        proxy = self._paglet.context.resolve(worker)
        try:
            while time.monotonic() < deadline:
                try:
                    proxy.dispose(force=share.phase is not SharePhase.DONE)
                except BusyError:
                    time.sleep(RETRY_SECONDS)
                else:
                    return
        except (NotFoundError, OSError):  # OSError: this process itself is being ended
            return
        except PagletsError as error:
            # Its host is away, or it has ended by itself; at the latest it does at its time.
            print(f"worker {worker.agent_id} on {share.host}: {error}", file=sys.stderr)  # noqa: T201 - the author's log


def take_report(message: Message) -> Verdict:
    """Answer a worker; called by the runtime, whether or not there is such a round.

    Raises:
        InvalidRequestError: It is no report.
    """
    try:
        report = message.decode(Report)
    except ValueError as error:  # msgspec's
        raise InvalidRequestError(f"{message.kind}: {error}") from error
    gathering = _rounds.get(report.round_id)
    return Verdict(gathering is not None and gathering.take(report))


@contextmanager
def order_in_state(paglet: "Paglet[object]", clone_agent_id: str) -> Iterator[None]:
    """Have the order of a worker in the State while it is copied for the clone of this id.

    Called by the runtime when it copies the State. Only the copy has it: whoever reads the leader's
    State, or clones it otherwise, sees nothing of it.
    """
    field, order = _orders.get(clone_agent_id, ("", None))
    if order is None:
        yield
        return
    with paglet.locked_state() as state:
        plan = getattr(state, field)
        plan.order = order
        try:
            yield
        finally:
            plan.order = None


def _start(work: Callable[..., None], *args: object) -> threading.Thread:
    """Have something done that may hang with its host; ends with the process at the latest."""
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread
