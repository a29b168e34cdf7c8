"""Requests and answers between a host and one Paglet Process.

Matches answers to requests by number, hands the paglet's own calls to `on_call`, and turns the end
of the process into one `PagletCrashedError` for everybody who still waits. It decides nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from paglets.model.errors import InternalError, PagletCrashedError, PagletsError
from paglets.supervise.channel import ChannelClosedError
from paglets.supervise.exits import ExitReport
from paglets.supervise.process import PagletProcess
from paglets.wire.calls import (
    Exit,
    Failed,
    HostCall,
    Quiesce,
    Quiesced,
    ToChild,
    ToHost,
    decode_to_host,
    encode_call,
)
from paglets.wire.failures import decode_failure

log = logging.getLogger(__name__)
A = TypeVar("A", bound=ToHost)


class ChildLink:
    """The host's end of the conversation with one process. Used from the event loop.

    Args:
        agent_id: Whose process it is, for messages.
        process: A process that has not been sent anything yet.
        on_call: Gets each HostCall of the paglet; must not block.
    """

    def __init__(
        self,
        agent_id: str,
        process: PagletProcess,
        on_call: "Callable[[ChildLink, HostCall], None]",
    ) -> None:
        self.agent_id = agent_id
        self.process = process
        self._on_call = on_call
        self._pending: dict[int, asyncio.Future[ToHost]] = {}
        self._number = 0
        self._crash: PagletCrashedError | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiesce_call = 0
        self.is_taken = False
        """Whether the paglet in it has been accepted to live on this host."""
        self.has_left = False
        """Whether it has quiesced: its exit is what was asked for, whatever the code."""
        process.channel.listen(self._on_frame)

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._crash is not None

    @property
    def crash(self) -> PagletCrashedError | None:
        """How the process ended, as callers hear it; None while it runs."""
        return self._crash

    def keep(self, task: asyncio.Task[None]) -> None:
        """Own a task that lives as long as the process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def calls(self) -> int:
        """How many requests it has been sent; grows with each message."""
        return self._number

    def next_call(self) -> int:
        """Return a number for the next request."""
        self._number += 1
        return self._number

    def tell(self, frame: ToChild) -> None:
        """Send a frame that has no answer; silently late if the process has just ended."""
        try:
            self.process.channel.send(encode_call(frame))
        except ChannelClosedError:
            log.debug("%s was told %s after its end", self.agent_id, type(frame).__name__)

    def ask(self, frame: ToChild, call: int) -> asyncio.Future[ToHost]:
        """Send a request with the number `call` and return the future of its answer.

        The future gets the answer frame, which may be `Failed`, or PagletCrashedError.
        """
        future: asyncio.Future[ToHost] = asyncio.get_running_loop().create_future()
        if self._crash is not None:
            future.set_exception(self._crash)
            return future
        self._pending[call] = future
        if isinstance(frame, Quiesce):
            self._quiesce_call = call
        try:
            self.process.channel.send(encode_call(frame))
        except ChannelClosedError:
            log.debug("%s went before it was asked", self.agent_id)
        return future

    async def request(self, frame: ToChild, call: int, expected: type[A], *, timeout: float) -> A:
        """Ask and return the answer.

        Args:
            frame: The request, numbered `call`.
            call: From `next_call`.
            expected: Class of the answer.
            timeout: Seconds; the process lives on when they have passed.

        Raises:
            PagletsError: What the child answered with, as its own class.
            PagletCrashedError: The process ended first.
            TimeoutError: No answer in time.
        """
        future = self.ask(frame, call)
        try:
            async with asyncio.timeout(timeout):
                answer = await future
        finally:
            self._pending.pop(call, None)
        if isinstance(answer, Failed):
            raise decode_failure(answer.failure)
        if not isinstance(answer, expected):
            raise InternalError(f"{self.agent_id} answered {type(answer).__name__}")
        return answer

    def _on_frame(self, payload: bytes) -> None:
        try:
            frame = decode_to_host(payload)
        except msgspec.DecodeError as error:
            log.warning("agent=%s broke the protocol: %s", self.agent_id, error)
            self.process.kill(expected=False)
            return
        if isinstance(frame, HostCall):
            self._on_call(self, frame)
            return
        if isinstance(frame, Quiesced) and frame.call == self._quiesce_call:
            self.has_left = True
            self.process.expect_exit()
        future = self._pending.pop(frame.call, None)
        if future is not None and not future.done():
            future.set_result(frame)

    async def wait_exit(self) -> ExitReport:
        """Wait until the process is over; then everybody who waits for an answer is told."""
        report = await self.process.wait()
        if self._crash is None:
            self._crash = crash_of(self.agent_id, report, self.process.output.lines[-20:])
            pending, self._pending = self._pending, {}
            for future in pending.values():
                if not future.done():
                    future.set_exception(self._crash)
                    future.exception()  # nobody may be left to look at it
        return report

    async def end(self, *, grace: float) -> ExitReport:
        """Ask the process to exit, kill its group after `grace` seconds; return how it ended."""
        self.process.expect_exit()
        if grace > 0:
            self.tell(Exit())
            try:
                async with asyncio.timeout(grace):
                    return await self.wait_exit()
            except TimeoutError:
                log.debug("%s did not exit in %s s", self.agent_id, grace)
        self.process.kill()
        return await self.wait_exit()


def crash_of(agent_id: str, report: ExitReport, tail: list[str]) -> PagletCrashedError:
    """Return the error that says how a process ended."""
    return PagletCrashedError(
        f"the process of {agent_id} ended with {report.cause}: "
        f"`paglets agent logs {agent_id[:8]}` shows what it printed last",
        agent_id=agent_id,
        exit_code=report.exit_code,
        signal=report.signal,
        traceback_text="\n".join(tail),
    )


def as_failure(error: BaseException) -> PagletsError:
    """Return `error` if it is one of ours, else an InternalError that names it."""
    if isinstance(error, PagletsError):
        return error
    return InternalError(f"{type(error).__name__}: {error}")
