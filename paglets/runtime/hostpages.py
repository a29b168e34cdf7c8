"""The hosts of a mesh in pages that fit into the pipe to a paglet, however many there are.

Pure. A thousand hosts with tags and properties are several megabytes, a frame is smaller.
"""

from collections.abc import Iterable

import msgspec

from paglets.model.refs import HostRef
from paglets.wire.hostcalls import HostsReply, HostsTurn

PAGE_BYTES = 512 * 1024
"""Where a page ends. The mesh takes in no host of more than 480 KiB (`mesh/messages.py` bounds its
tags and properties), so that a page with one host too many still fits into a frame."""

_encoder = msgspec.msgpack.Encoder()


def page_of_hosts(hosts: Iterable[HostRef], after: HostsTurn | None) -> HostsReply:
    """Return those that come next, by name, and after which of them the page after it begins.

    A host that comes or goes between two pages is in one of them or in none; no other is missed.

    Args:
        hosts: All of them, in any order.
        after: Where the last page ended; None for the first one.
    """
    ordered = sorted(hosts, key=_turn)
    page: list[HostRef] = []
    size = 0
    for host in ordered:
        if after is not None and _turn(host) <= after:
            continue
        if size >= PAGE_BYTES:
            return HostsReply(hosts=tuple(page), next=_turn(page[-1]))
        size += len(_encoder.encode(host))
        page.append(host)
    return HostsReply(hosts=tuple(page))


def _turn(host: HostRef) -> HostsTurn:
    return host.name, host.host_id
