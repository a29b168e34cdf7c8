"""Follows this machine's own address, where the owner did not say what to advertise.

A container that is connected to its network again, or a laptop that wakes up elsewhere, has
another address. Peers would knock at the old one for ever; this host can still reach them, so it
tells them. And a machine in several networks may have had to guess: in Swarm no name of a service
is known before its first host runs, and only the way to a seed tells which network is the mesh's.
Not here: how the first address is found (`identity.py`).
"""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from paglets.host.identity import HostIdentity, address_towards, outgoing_address
from paglets.host.meshing import Membership
from paglets.mesh.seeds import parse_seed, resolve_seed
from paglets.model.errors import HostUnreachableError
from paglets.runtime.recorder import Recorder
from paglets.runtime.roster import Roster

_LOOK_EVERY = 1.0
"""Seconds between two looks. Shorter is heard of sooner; each look is one system call."""


async def follow_address(
    identity: HostIdentity, seeds: tuple[str, ...], moved: Callable[[str], None]
) -> None:
    """Look at the address for ever; change `identity.url` and call `moved` when it is another.

    Once a seed's name has been resolved, nothing changes while the advertised address is still
    this machine's, whichever others it has.

    Args:
        identity: Whose URL is followed.
        seeds: The way to them tells which of several addresses is meant.
        moved: Told the new URL.
    """
    is_guessed = bool(seeds)
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        parts = urlsplit(identity.url)
        is_gone = parts.hostname is None or not is_own(parts.hostname)
        if not is_gone and not is_guessed:
            continue
        found = await _towards(seeds)
        if found is not None:
            is_guessed = False
        elif is_gone:
            found = outgoing_address(())
        if found is None or found == parts.hostname:
            continue
        place = f"[{found}]" if ":" in found else found
        identity.url = urlunsplit(parts._replace(netloc=f"{place}:{parts.port}"))
        moved(identity.url)


def tell_moved(roster: Roster, membership: Membership, recorder: Recorder, url: str) -> None:
    """Use this host's new URL from now on, in what its paglets hand out and in the mesh."""
    roster.readdress(url)
    membership.readdress(url)
    recorder.record("mesh", f"this machine has another address: advertised as {url}", level="info")


async def _towards(seeds: tuple[str, ...]) -> str | None:
    """Return our address on the way to the first seed that has one; None if no seed has."""
    for seed in seeds:
        # Names in https URLs are kept for their certificate; here only the way is asked for.
        plain = urlunsplit(urlsplit(parse_seed(seed))._replace(scheme="http"))
        try:
            urls = await resolve_seed(plain)
        except HostUnreachableError:
            continue
        for url in urls:
            if (found := address_towards(urlsplit(url).hostname or "")) is not None:
                return found
    return None


def is_own(address: str) -> bool:
    """Whether an IP address belongs to an interface of this machine now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
