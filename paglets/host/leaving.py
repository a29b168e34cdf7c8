"""A host that hands its paglets on before it stops, where `--drain-on-stop` says so.

For orchestrators that replace hosts: they send SIGTERM and nothing else. `paglets host drain` does
the same on request; the stop that follows is in `host/stages.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from paglets.host.http.ports import Draining
from paglets.runtime.draining import AUTO
from paglets.runtime.tasks import Tasks
from paglets.wire.bodies import DrainAnswer


async def drain_before_stop(
    draining: Draining,
    tasks: Tasks,
    seconds: float,
    again: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    """Move the host's paglets to others; return when that is done, or is to wait no longer.

    What is under way then is not cut: it meets the stop as any drain does.

    Args:
        draining: Does it.
        tasks: Own the work.
        seconds: For all of it.
        again: Set by a second signal: the host stops at once.
        say: Told how it went.
    """
    say(f"  its paglets move on first, in {seconds:g} s at most; a second signal stops it at once")
    over = asyncio.Event()

    async def drain() -> None:
        try:
            say(f"  {summary(await draining.drain(to=AUTO, deadline=seconds))}")
        finally:
            over.set()

    tasks.start(drain(), "drain")
    ends = [asyncio.ensure_future(event.wait()) for event in (over, again)]
    try:
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()


def summary(answer: DrainAnswer) -> str:
    """Return in a line what became of the paglets."""
    count = Counter(agent.outcome for agent in answer.agents)
    told = f"{count['moved']} paglets moved on, {count['asleep']} wait here for its next start"
    if answer.is_empty:
        return told
    return f"{told}, {count['left']} are left, {len(answer.unsettled)} moves are not settled"
