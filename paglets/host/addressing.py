"""Follows this machine's own address, where the owner did not say what to advertise.

A container that is connected to its network again, or a laptop that wakes up elsewhere, has
another address. Peers would knock at the old one for ever; this host can still reach them, so it
tells them.
Not here: how the first address is found (`identity.py`).
"""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from paglets.host.identity import HostIdentity, outgoing_address

_LOOK_EVERY = 1.0
"""Seconds between two looks. Shorter is heard of sooner; each look is one system call."""


async def follow_address(
    identity: HostIdentity, seeds: tuple[str, ...], moved: Callable[[str], None]
) -> None:
    """Look at the address for ever; change `identity.url` and call `moved` when it is another.

    Nothing changes while the advertised address is still this machine's, whichever others it has.

    Args:
        identity: Whose URL is followed.
        seeds: The way to them tells which of several addresses is meant.
        moved: Told the new URL.
    """
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        parts = urlsplit(identity.url)
        if parts.hostname is None or is_own(parts.hostname):
            continue
        found = await asyncio.to_thread(outgoing_address, seeds)
        if found is None or found == parts.hostname:
            continue
        place = f"[{found}]" if ":" in found else found
        identity.url = urlunsplit(parts._replace(netloc=f"{place}:{parts.port}"))
        moved(identity.url)


def is_own(address: str) -> bool:
    """Whether an IP address belongs to an interface of this machine now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
