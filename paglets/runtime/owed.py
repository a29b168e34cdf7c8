"""The hooks that a paglet is owed: how one is run in its process, and with what event.

Which hook is owed stands in the paglet's row (`Due`) until the commit after it returned; who runs
it and what follows is decided in `activity.py` and `cloning.py`.
"""

import msgspec

from paglets.model.enums import Hook
from paglets.model.errors import HookTimeoutError
from paglets.runtime.childlink import ChildLink
from paglets.store.rows import Due
from paglets.wire.calls import HookDone, RunHook

_ANSWER_GRACE = 2.0
"""Seconds beyond a hook's own limit for the child to say so itself."""


async def run_hook(link: ChildLink, hook: Hook, event: bytes, *, timeout: float) -> HookDone:
    """Run one hook in a process; one that hangs is killed with it.

    Args:
        link: To the process.
        hook: Which.
        event: Its event, as JSON.
        timeout: Seconds the hook may take.

    Raises:
        HookError: It raised; the process still runs.
        HookTimeoutError: It did not return in time; the process has been killed.
        PagletCrashedError: The process ended in it.
    """
    frame = RunHook(call=link.next_call(), hook=hook.value, event=event)
    try:
        return await link.request(frame, frame.call, HookDone, timeout=timeout + _ANSWER_GRACE)
    except TimeoutError as error:
        link.process.kill(expected=False)  # the hook still runs: nothing else ever would
        raise HookTimeoutError(
            f"{hook.value} of {link.agent_id} took longer than {timeout:g} s",
            hook=hook.value,
            agent_id=link.agent_id,
        ) from error


def event_of(due: Due) -> bytes:
    """Return the event of an owed hook, with the number of this attempt."""
    fields = msgspec.json.decode(due.event)
    fields["attempt"] = max(due.attempt, 1)
    return msgspec.json.encode(fields)
