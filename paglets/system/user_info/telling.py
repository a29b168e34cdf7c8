"""The author's side of user-info: one call to notify, a stream that keeps up with a long job."""

import threading
from types import TracebackType
from typing import Self

from paglets.agent.context import PagletContext
from paglets.agent.future import FutureReply
from paglets.model.enums import Severity, require_enum
from paglets.model.errors import DeadlineError, PagletsError
from paglets.model.message import Message
from paglets.model.names import parse_name
from paglets.system.user_info.contract import (
    APPEND,
    LINES_AT_ONCE,
    NOTIFY,
    USER_INFO,
    Lines,
    Notice,
    Posted,
)

TELL_SECONDS = 30.0
"""How long a notification is tried, and a stream may take to be closed."""

WAITING_LINES = 10 * LINES_AT_ONCE
"""Lines that wait while user-info is busy or away; then the oldest of them give way."""


def notify(
    context: PagletContext,
    title: str,
    text: str = "",
    severity: Severity = Severity.INFO,
    *,
    timeout: float = TELL_SECONDS,
) -> Posted:
    """Tell people something; return once it is on the disk of a host, this one's if it can.

    It is written down once, also where that host's user-info crashes meanwhile.

    Args:
        context: Of the paglet that tells it.
        title: One line; what happened to what.
        text: The rest.
        severity: How grave it is.
        timeout: Seconds.

    Raises:
        ServiceNotFoundError: No host has a user-info.
        InvalidRequestError: The title is empty.
        PagletsError: As `PagletProxy.send` raises.
    """
    notice = Notice(title, text, require_enum(severity, Severity, "severity"))
    provider = context.services.require(USER_INFO).record.provider
    message = Message.of(notice, kind=NOTIFY.name)
    return context.resolve(provider).send(message, Posted, timeout=timeout, retry_for=timeout)


class UserStream:
    """Lines for people, such as the progress or the log of a long job. Safe in threads.

        with UserStream(self.context, "build") as build:
            build.write("compiling")

    `write` does not wait: what comes while lines are on their way goes with the next ones. So the
    first line is seen at once, and a thousand cost few messages. It belongs to one stay of a
    paglet: make a new one after a move.

    Args:
        context: Of the paglet that writes.
        name: Of the stream; several paglets may write to one.

    Raises:
        InvalidNameError: That is no name for a stream.
        ServiceNotFoundError: No host has a user-info.
    """

    def __init__(self, context: PagletContext, name: str) -> None:
        self.name = parse_name(name, what="stream name")
        self._provider = context.services.require(USER_INFO)
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._dropped = 0
        self._is_sending = False
        self._error: PagletsError | None = None

    def write(self, *lines: str) -> None:
        """Add lines and return.

        Raises:
            PagletsError: Lines written before could not be delivered; told once, these are kept.
        """
        with self._changed:
            self._waiting += lines
            if len(self._waiting) > WAITING_LINES:
                self._dropped += len(self._waiting) - WAITING_LINES
                del self._waiting[:-WAITING_LINES]
        self._send_next()
        self._raise_error()

    def flush(self, timeout: float = TELL_SECONDS) -> None:
        """Wait until all lines are on the disk of the host that keeps them.

        Raises:
            DeadlineError: Not within `timeout` seconds.
            PagletsError: Lines could not be delivered.
        """
        self._send_next()
        with self._changed:
            if not self._changed.wait_for(self._is_idle, timeout):
                raise DeadlineError(f"stream {self.name} was not taken within {timeout:g} s")
        self._raise_error()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        except PagletsError as failed:
            if error is None:
                raise
            error.add_note(f"stream {self.name}: {failed}")

    def _is_idle(self) -> bool:
        return not self._is_sending and (not self._waiting or self._error is not None)

    def _raise_error(self) -> None:
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _send_next(self) -> None:
        with self._changed:
            if self._is_sending or not self._waiting:
                return
            batch = self._waiting[: LINES_AT_ONCE - 1]
            del self._waiting[: len(batch)]
            if self._dropped:
                batch.insert(0, f"… {self._dropped} lines were dropped here")
                self._dropped = 0
            self._is_sending = True
        try:
            reply = self._provider.call_future(
                APPEND, Lines(self.name, batch), timeout=TELL_SECONDS
            )
        except PagletsError as error:
            self._settle(error)
            return
        reply.add_done_callback(self._done)

    def _done(self, reply: FutureReply[Posted]) -> None:
        """Note what became of a batch and send the next; in the thread that reads replies."""
        try:
            reply.result(0.0)
        except PagletsError as error:
            self._settle(error)
        else:
            self._settle(None)
            self._send_next()

    def _settle(self, error: PagletsError | None) -> None:
        with self._changed:
            self._is_sending, self._error = False, error or self._error
            self._changed.notify_all()
