"""MessageMailbox: order, bounds and deadlines of one active paglet's messages. Pure.

Highest priority first, first in first out inside one priority, one queued message in the child at
a time. The mailbox does not deliver: `delivery.py` puts entries in, `lane.py` takes them out.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paglets.model.errors import MailboxFullError

MESSAGE_LIMIT = 10_000
"""Messages one mailbox holds."""
BYTES_LIMIT = 16 * 1024 * 1024
"""Bytes of encoded messages one mailbox holds."""
HOST_BYTES_LIMIT = 256 * 1024 * 1024
"""Bytes of encoded messages all mailboxes of a host hold together."""

W = TypeVar("W")


@dataclass(slots=True)
class Entry(Generic[W]):
    """A message in a mailbox, with whatever the driver keeps of it."""

    message_id: str
    priority: int
    body: bytes
    deadline: float
    """On the driver's monotonic clock: after it, the message is not handled."""
    sender: str
    """Agent id of the sender, empty for callers outside."""
    oneway: bool
    work: W
    """The driver's own: who waits for the outcome."""
    stored: bool = False
    """Whether it is also in the store, to be removed with the commit that holds its effect."""
    dropped: bool = False


@dataclass(slots=True)
class Usage:
    """Bytes that all mailboxes of a host hold together."""

    total: int = 0
    limit: int = HOST_BYTES_LIMIT


@dataclass(slots=True)
class MessageMailbox(Generic[W]):
    """Messages waiting for one paglet."""

    usage: Usage = field(default_factory=Usage)
    message_limit: int = MESSAGE_LIMIT
    bytes_limit: int = BYTES_LIMIT
    _heap: list[tuple[int, int, Entry[W]]] = field(default_factory=list)
    _by_id: dict[str, Entry[W]] = field(default_factory=dict)
    _bytes: int = 0
    _sequence: int = 0
    _returned: int = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._by_id

    def __iter__(self) -> Iterator[Entry[W]]:
        """Yield what is queued in the order it would be delivered; nothing is taken out."""
        return (entry for _, _, entry in sorted(self._heap) if not entry.dropped)

    def get(self, message_id: str) -> Entry[W] | None:
        """Return the queued entry of this id."""
        return self._by_id.get(message_id)

    def put(self, entry: Entry[W], *, agent_id: str) -> None:
        """Queue `entry` behind all of its priority.

        One that is stored has been acknowledged: no bound applies to it any more.

        Raises:
            MailboxFullError: As `require_room`.
        """
        size = len(entry.body)
        if not entry.stored:
            self.require_room(size, agent_id=agent_id)
        self._sequence += 1
        heapq.heappush(self._heap, (-entry.priority, self._sequence, entry))
        self._by_id[entry.message_id] = entry
        self._account(size)

    def require_room(self, size: int, *, agent_id: str, beside: tuple[int, int] = (0, 0)) -> None:
        """Check that a message of `size` bytes may come; asked before it is stored.

        Args:
            size: Of its encoded form.
            agent_id: Whose mailbox it is.
            beside: Messages and bytes that wait for the same paglet elsewhere.

        Raises:
            MailboxFullError: The paglet's or the host's bound is reached; retry after a second.
        """
        count, total = len(self._by_id) + beside[0], self._bytes + beside[1]
        if (
            count >= self.message_limit
            or total + size > self.bytes_limit
            or self.usage.total + size > self.usage.limit
        ):
            raise MailboxFullError(
                f"the mailbox of {agent_id} is full ({count} messages, {total} bytes): "
                "try again in a second",
                agent_id=agent_id,
                retry_after=1.0,
                handled=False,
            )

    def put_back(self, entry: Entry[W]) -> None:
        """Put an entry that was taken out before all others of its priority; no bound applies."""
        self._returned += 1
        heapq.heappush(self._heap, (-entry.priority, -self._returned, entry))
        self._by_id[entry.message_id] = entry
        self._account(len(entry.body))

    def take(self, now: float, expired: Callable[[Entry[W]], None]) -> Entry[W] | None:
        """Take out the next entry, None if there is none.

        Entries whose deadline has passed are taken out on the way and handed to `expired`.
        """
        while self._heap:
            _, _, entry = heapq.heappop(self._heap)
            if entry.dropped:
                continue
            self._forget(entry)
            if entry.deadline > now:
                return entry
            expired(entry)
        return None

    def drop(self, message_id: str) -> Entry[W] | None:
        """Take out the entry of this id, wherever it is."""
        entry = self._by_id.get(message_id)
        if entry is not None:
            entry.dropped = True
            self._forget(entry)
        return entry

    def drain(self) -> list[Entry[W]]:
        """Take out everything, in the order it would have been delivered."""
        entries = list(self)
        self._heap.clear()
        for entry in entries:
            self._forget(entry)
        return entries

    def _forget(self, entry: Entry[W]) -> None:
        del self._by_id[entry.message_id]
        self._account(-len(entry.body))

    def _account(self, size: int) -> None:
        self._bytes += size
        self.usage.total += size
