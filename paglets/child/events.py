"""Hook events as they come from the host: JSON of the event's fields.

`on_move_failed` carries its error as a failure (`wire/failures.py`), which becomes an exception
again here.
"""

import msgspec

from paglets.model.enums import Hook
from paglets.model.errors import InvalidRequestError
from paglets.model.events import (
    ActivationEvent,
    CloneEvent,
    CreationEvent,
    DisposalEvent,
    MobilityEvent,
    MoveFailedEvent,
    PersistencyEvent,
)
from paglets.wire.failures import Failure, decode_failure


class MoveFailedBody(msgspec.Struct, frozen=True):
    """A MoveFailedEvent as it travels."""

    target_host_name: str
    error: Failure
    restarted: bool = False


_TYPES: dict[Hook, type] = {
    Hook.ON_CREATION: CreationEvent,
    Hook.ON_DISPATCHING: MobilityEvent,
    Hook.ON_ARRIVAL: MobilityEvent,
    Hook.ON_REVERTING: MobilityEvent,
    Hook.ON_CLONING: CloneEvent,
    Hook.ON_CLONE: CloneEvent,
    Hook.ON_CLONED: CloneEvent,
    Hook.ON_DEACTIVATING: PersistencyEvent,
    Hook.ON_ACTIVATION: ActivationEvent,
    Hook.ON_DISPOSING: DisposalEvent,
    Hook.ON_MOVE_FAILED: MoveFailedBody,
}


def decode_event(hook: Hook, data: bytes) -> object:
    """Return the event that `hook` is called with.

    Raises:
        InvalidRequestError: It does not fit; the host and this child differ.
    """
    try:
        event: object = msgspec.json.decode(data or b"{}", type=_TYPES[hook])
    except (msgspec.DecodeError, KeyError) as error:
        raise InvalidRequestError(f"event of {hook.value}: {error}") from error
    if isinstance(event, MoveFailedBody):
        return MoveFailedEvent(
            target_host_name=event.target_host_name,
            error=decode_failure(event.error),
            restarted=event.restarted,
        )
    return event


def warm_events() -> None:
    """Describe the events once for all processes, see `warming.py`."""
    for event_type in _TYPES.values():
        msgspec.json.Decoder(event_type)
