"""One message in the Paglet Process: decoded, handled, answered.

What the handler returns becomes the reply; what it raises an error for the sender. Only a few kinds
of errors keep their class: those with which an author tells the caller something. Others, such as
the failure of a call that the handler itself made, are the handler's and arrive as HandlerError.
"""

from dataclasses import dataclass, field

from paglets.agent.fanout.gathering import take_report
from paglets.agent.fanout.model import REPORT
from paglets.child.loader import AnyPaglet
from paglets.child.loopthread import LoopThread
from paglets.child.scope import CallScope, ScopeKind
from paglets.model.errors import (
    ConflictError,
    ForbiddenError,
    FullError,
    InvalidRequestError,
    NotFoundError,
    NotHandledError,
    PagletsError,
    ServiceReplyError,
    StateError,
    StorageFullError,
    TooLargeError,
)
from paglets.model.message import Message
from paglets.wire.failures import Failure, encode_failure, handler_error
from paglets.wire.jsonvalues import decode_json_value
from paglets.wire.messages import WireMessage

_AUTHORS_ERRORS = frozenset(
    {
        ConflictError,
        ForbiddenError,
        FullError,
        InvalidRequestError,
        NotFoundError,
        ServiceReplyError,
        StateError,
        StorageFullError,
        TooLargeError,
    }
)
"""Classes, not their subclasses, with which a handler tells its caller what was wrong."""


@dataclass
class DeliveredMessage(Message):
    """A message as its handler sees it; `cancelled` turns true when its caller goes away."""

    is_cancelled: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check nothing: it came as JSON."""

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone away or its time ran out."""
        return self.is_cancelled


def message_of(wire: WireMessage) -> DeliveredMessage:
    """Return what a handler gets.

    Raises:
        InvalidRequestError: `args` or `arg` are no JSON.
    """
    return DeliveredMessage(
        kind=wire.kind,
        args=decode_json_value(wire.args, "args"),
        arg=decode_json_value(wire.arg, "arg"),
        priority=wire.priority,
        sender=wire.sender,
        message_id=wire.message_id,
        timestamp=wire.timestamp,
    )


def scope_of(wire: WireMessage, agent_id: str, *, derives: bool) -> CallScope:
    """Return the scope in which a message is handled.

    Args:
        wire: The message.
        agent_id: Of the paglet.
        derives: Whether a second run of the handler must send the same ids.
    """
    return CallScope(
        ScopeKind.QUEUED if wire.priority else ScopeKind.UNQUEUED,
        message_id=wire.message_id,
        message_kind=wire.kind,
        path=() if wire.oneway else (*wire.path, agent_id),
        # The paglet's own id too: two paglets may be sent the same message id.
        derive_from=f"{agent_id}:{wire.message_id}" if derives else None,
    )


def invoke(paglet: AnyPaglet, message: Message, loop: LoopThread) -> object:
    """Call the handler, in the present thread or loop, and return what it returns."""
    if message.kind == REPORT:
        return take_report(message)
    provider = paglet.routes.provider(message.kind)
    if provider is not None:
        return loop.finish(provider.call(paglet, message))
    return loop.finish(paglet.handle_message(message))


def failure_of(error: BaseException, scope: CallScope) -> Failure:
    """Return what the sender is told of an error in the handler."""
    if isinstance(error, NotHandledError) and scope.is_refused:
        return encode_failure(error)
    if error is scope.refusal:  # as for a move refused later: the sender asked for it
        return encode_failure(error)
    if type(error) in _AUTHORS_ERRORS and isinstance(error, PagletsError):
        return encode_failure(error)
    return encode_failure(handler_error(error))
