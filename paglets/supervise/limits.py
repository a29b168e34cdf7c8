"""How many Paglet Processes the limit on open files allows."""

import resource

DESCRIPTORS_PER_PAGLET = 5
"""Descriptors the host holds for one Paglet Process: channel, the same again for its last words,
output pipe, lifeline, and a pidfd where the host itself watches its exit."""

DESCRIPTORS_RESERVED = 256
"""Descriptors kept for everything else: HTTP connections, the store, spool files, the log."""


def raise_nofile_limit() -> int:
    """Raise the soft limit on open files to the hard limit; return the limit in force.

    Called once by the host at start, before the forkserver: children inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        # macOS reports "unlimited" as hard limit and then refuses more than the kernel's own
        # figure.
        return soft
    return hard


def paglets_allowed(limit: int, *, spares: int = 0) -> int:
    """Return how many active paglets `limit` open files allow; at least 1.

    Args:
        limit: What `raise_nofile_limit` returned; RLIM_INFINITY counts as 2**20.
        spares: Processes that are kept beside those of paglets.
    """
    descriptors = 2**20 if limit == resource.RLIM_INFINITY else limit
    return max(1, (descriptors - DESCRIPTORS_RESERVED) // DESCRIPTORS_PER_PAGLET - spares)
