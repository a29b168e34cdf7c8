"""`context.events`: the host's log of ContextEvents, to read and to add to."""

import msgspec

from paglets.agent.port import CALL_TIMEOUT, EMIT, EVENTS, HostPort
from paglets.model.events import ContextEvent
from paglets.wire.hostcalls import EmitCall, EventsCall
from paglets.wire.jsonvalues import encode_json_value


class Events:
    """The bounded event log of the present host."""

    def __init__(self, port: HostPort) -> None:
        self._port = port

    def read(self, after: int = 0, limit: int = 100) -> list[ContextEvent]:
        """Return events in order.

        Args:
            after: Sequence number of the last event already seen; 0: the oldest kept.
            limit: At most so many.
        """
        request = EventsCall(after=after, limit=limit)
        events = self._port.call(EVENTS, request, timeout=CALL_TIMEOUT).events
        return [ContextEvent(**msgspec.structs.asdict(event)) for event in events]

    def emit(self, kind: str, text: str = "", *, level: str = "info", **detail: object) -> None:
        """Add an event in this paglet's name.

        Args:
            kind: A short word, such as `found`.
            text: One sentence for people.
            level: `debug`, `info`, `warning` or `error`.
            detail: JSON-compatible facts.
        """
        request = EmitCall(
            kind=kind, text=text, level=level, detail=encode_json_value(detail, "detail")
        )
        self._port.call(EMIT, request, timeout=CALL_TIMEOUT)
