"""What paglets ask of their host: each call is answered in a task of its own.

No paglet waits for another's call; what a call raises is raised in the paglet. What the operations
do is in `childactions.py` and `childqueries.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from paglets.model.errors import (
    InvalidRequestError,
    PagletNotFoundError,
    PagletsError,
    TooLargeError,
)
from paglets.runtime.childlink import ChildLink, as_failure
from paglets.runtime.roster import LocalPaglet, Roster
from paglets.runtime.tasks import Tasks
from paglets.wire import hostcalls as ops
from paglets.wire.calls import HostCall, HostFailed, HostReply
from paglets.wire.failures import encode_failure
from paglets.wire.frames import FRAME_LIMIT

Handler: TypeAlias = Callable[[LocalPaglet, Any, HostCall], Awaitable[ops.Struct]]
"""Answers one operation; its body has the type that `OPERATIONS` names."""

ANSWER_LIMIT = FRAME_LIMIT - 4096
"""Largest answer to a paglet's call, in bytes: what fits into a frame."""


class ChildCalls:
    """Takes the calls of one host's paglets; used from its loop."""

    def __init__(self, roster: Roster, tasks: Tasks, handlers: Mapping[str, Handler]) -> None:
        self._roster = roster
        self._tasks = tasks
        self._handlers = handlers
        missing = ops.OPERATIONS.keys() ^ handlers.keys()
        assert not missing, f"operations and handlers differ: {missing}"

    def sink(self, link: ChildLink, call: HostCall) -> None:
        """Take a call of a paglet; its answer is sent when it is there."""
        self._tasks.start(self._answer(link, call), f"{call.op} of {link.agent_id}")

    async def _answer(self, link: ChildLink, call: HostCall) -> None:
        try:
            reply = await self._run(link, call)
        except (PagletsError, msgspec.DecodeError, TypeError, ValueError) as error:
            link.tell(HostFailed(call=call.call, failure=encode_failure(as_failure(error))))
            return
        body = msgspec.msgpack.encode(reply)
        if len(body) > ANSWER_LIMIT:
            too_large = TooLargeError(
                f"the answer to {call.op} has {len(body)} bytes, a paglet takes {ANSWER_LIMIT}: "
                "ask for less, or let the data travel as state or registered files"
            )
            link.tell(HostFailed(call=call.call, failure=encode_failure(too_large)))
            return
        link.tell(HostReply(call=call.call, body=body))

    async def _run(self, link: ChildLink, call: HostCall) -> ops.Struct:
        known = ops.OPERATIONS.get(call.op)
        handler = self._handlers.get(call.op)
        if known is None or handler is None:
            raise InvalidRequestError(f"a host has no operation {call.op!r}")
        body = msgspec.msgpack.decode(call.body, type=known[0])
        paglet = self._roster.find(link.agent_id)
        if paglet is None:
            raise PagletNotFoundError(f"{link.agent_id} is not known here yet")
        return await handler(paglet, body, call)
