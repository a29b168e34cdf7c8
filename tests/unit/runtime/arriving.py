"""Offers as a source makes them, for tests of the target's side."""

from tests.unit.runtime.samples import make_header


async def chunks(*pieces):
    for piece in pieces:
        yield piece


async def offer(arrivals, header=None, *pieces):
    header = header or make_header()
    return await arrivals.offer(header.transfer_id, header, b"", chunks(*(pieces or (b"state",))))
