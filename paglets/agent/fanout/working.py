"""The clone's side of FanOut: may it begin, the method, the report, the end.

It runs in place of the paglet's own `run()`. Beside it a thread looks every few seconds whether the
result is still wanted. So a worker ends itself when its leader has ended, was started again or has
lost interest, and at the latest when its time is over, whatever its method is doing.
"""

import sys
import threading
import time
import traceback
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from paglets.agent.fanout.model import REPORT, Order, Report, Verdict
from paglets.agent.fanout.plan import FanOut
from paglets.agent.fanout.shares import GONE
from paglets.model.enums import Priority, SharePhase
from paglets.model.errors import (
    NotFoundError,
    PagletCrashedError,
    PagletInactiveError,
    PagletsError,
    TooLargeError,
)
from paglets.model.message import Message
from paglets.wire.jsonvalues import decode_json_value, encode_reply

if TYPE_CHECKING:
    from paglets.agent.paglet import Paglet

ASK_SECONDS = 3.0
"""Between two questions whether the result is still wanted."""
_ROUND_IS_OVER = (NotFoundError, PagletCrashedError, PagletInactiveError)
"""What a leader's process is that gathers no more."""
GRACE_SECONDS = 2.0
"""What a worker lives longer than its leader waits, so that the leader ends it."""
REPORT_SECONDS = 60.0
"""For how long a report is repeated while the leader's host cannot be reached."""


def order_of(paglet: "Paglet[object]") -> Order | None:
    """Return what a paglet has to do as a worker; None for all others."""
    state = paglet.state
    if not is_dataclass(state):
        return None
    for each in fields(state):
        value = getattr(state, each.name, None)
        if isinstance(value, FanOut) and value.order is not None:
            return value.order if value.order.worker_id == paglet.agent_id else None
    return None


class Worker:
    """Does the work of one worker.

    Args:
        paglet: The clone.
        order: What it has to do.
    """

    def __init__(self, paglet: "Paglet[object]", order: Order) -> None:
        self._paglet = paglet
        self._order = order
        self._deadline = time.monotonic() + order.seconds + GRACE_SECONDS
        self._ended = threading.Event()

    def run(self) -> None:
        """Ask, work, report, end; does not return."""
        if self._is_wanted(is_first=True):
            watch = threading.Thread(target=self._watch, name="fan-out watch", daemon=True)
            watch.start()
            try:
                self._tell(self._work())
            finally:
                self._ended.set()
        self._paglet.dispose()

    def _work(self) -> Report:
        order = self._order
        try:
            result = getattr(self._paglet, order.method)()
            plain = decode_json_value(encode_reply(result, "result"))
        except Exception as error:  # noqa: BLE001 - the author's code: forwarded to the leader
            return self._failure(error)
        return Report(order.round_id, order.worker_id, SharePhase.DONE, result=plain)

    def _failure(self, error: Exception) -> Report:
        text = f"{type(error).__name__}: {error}"
        tail = "".join(traceback.format_exception(error))[-4000:]
        order = self._order
        return Report(
            order.round_id, order.worker_id, SharePhase.MISSING, text=text, traceback_text=tail
        )

    def _tell(self, report: Report) -> None:
        try:
            self._send(report, REPORT_SECONDS)
        except TooLargeError as error:
            self._tell(self._failure(error))
        except PagletsError as error:
            print(f"report to the leader: {error}", file=sys.stderr)  # noqa: T201 - its log

    def _watch(self) -> None:
        while (left := self._deadline - time.monotonic()) > 0:
            if self._ended.wait(min(ASK_SECONDS, left)):
                return
            if not self._is_wanted(is_first=False):
                break
        self._end()

    def _is_wanted(self, *, is_first: bool) -> bool:
        order = self._order
        report = Report(order.round_id, order.worker_id, SharePhase.WORKING, is_first=is_first)
        try:
            return self._send(report, REPORT_SECONDS if is_first else 0.0).is_wanted
        except _ROUND_IS_OVER:
            return False
        except (PagletsError, OSError):  # OSError: this process itself is being ended
            return not is_first and not self._is_leader_gone()

    def _is_leader_gone(self) -> bool:
        """Whether the leader's host is away: the round ended with it, or counts this host lost."""
        name = self._order.leader.host_name
        try:
            known = self._paglet.context.mesh.hosts(online_only=False)
        except (PagletsError, OSError):
            return False
        return all(host.status in GONE for host in known if host.name == name)

    def _send(self, report: Report, retry_for: float) -> Verdict:
        message = Message.of(report, kind=REPORT, priority=Priority.UNQUEUED)
        leader = self._paglet.context.resolve(self._order.leader)
        timeout = max(ASK_SECONDS, retry_for)
        return leader.send(message, Verdict, timeout=timeout, retry_for=retry_for or None)

    def _end(self) -> None:
        for force in (False, True):
            try:
                self._paglet.context.proxy.dispose(force=force)
            except (PagletsError, OSError) as error:
                print(f"ending at its time: {error}", file=sys.stderr)  # noqa: T201 - its log
            else:
                return
