"""Whether the calling code runs in an event loop, asked without importing asyncio.

asyncio costs a Paglet Process megabytes, so it is loaded only where an author writes `async def`.
"""

import sys


def current_task() -> object | None:
    """Return the asyncio task that runs in this thread now, None in plain code."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        task: object = asyncio.current_task()
    except RuntimeError:
        return None
    return task


def refuse_in_async(what: str, instead: str) -> None:
    """Raise where blocking would stop the event loop.

    Args:
        what: The blocking call.
        instead: What async code writes.

    Raises:
        RuntimeError: An asyncio task runs in this thread.
    """
    if current_task() is not None:
        raise RuntimeError(f"{what} blocks and was called in async code: {instead}")
