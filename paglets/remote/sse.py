"""Server-sent events: the lines of `GET /events` with `Accept: text/event-stream`.

    id: 17                                  the sequence number; send it back as Last-Event-ID
    event: crash                            the kind, or `gap` with {"missed": N}
    data: {"sequence": 17, ...}             an EventBody

Both ends are here, so that they cannot differ. Pure but for reading the stream.
"""

from collections.abc import AsyncGenerator

import aiohttp
import msgspec

from paglets.wire.hostbodies import EventBody, EventList

GAP = "gap"
"""Event that tells a reader how many it missed."""
KEEPALIVE = b": alive\n\n"
"""Sent while nothing happens, so that both ends notice when the other has gone."""


class _Gap(msgspec.Struct, frozen=True):
    missed: int


_encoder = msgspec.json.Encoder()
_event_decoder = msgspec.json.Decoder(EventBody)
_gap_decoder = msgspec.json.Decoder(_Gap)


def encode_events(batch: EventList) -> bytes:
    """Return a batch as SSE, the gap before it first."""
    parts: list[bytes] = []
    if batch.missed:
        parts.append(b"event: gap\ndata: " + _encoder.encode(_Gap(batch.missed)) + b"\n\n")
    for event in batch.events:
        kind = event.kind.replace("\n", " ").replace("\r", " ")
        parts.append(
            f"id: {event.sequence}\nevent: {kind}\ndata: ".encode()
            + _encoder.encode(event)
            + b"\n\n"
        )
    return b"".join(parts)


async def read_events(content: aiohttp.StreamReader) -> AsyncGenerator[EventList, None]:
    """Yield what arrives: a batch of one event each, or an empty one that tells a gap.

    Raises:
        ValueError: The stream is not of this form, or a line is longer than the reader allows.
    """
    kind = ""
    async for raw in content:
        line = raw.rstrip(b"\r\n")
        if line.startswith(b"event:"):
            kind = line[6:].strip().decode(errors="replace")
        elif line.startswith(b"data:"):
            data = line[5:].strip()
            if kind == GAP:
                yield EventList(events=(), missed=_gap_decoder.decode(data).missed)
            else:
                event = _event_decoder.decode(data)
                yield EventList(events=(event,), next=event.sequence)
        elif not line:
            kind = ""
