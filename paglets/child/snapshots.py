"""State as it leaves the process: encoded under the State Lock, inline or as a file.

The host commits what it gets here; nothing is stored by the child itself.
"""

import os
import threading
from pathlib import Path
from typing import Protocol

from paglets.agent.statelock import StateLock
from paglets.model.enums import Durability
from paglets.model.errors import StorageFullError, TooLargeError
from paglets.model.names import new_id
from paglets.wire.calls import INLINE_LIMIT, PART_SUFFIX, Snapshot
from paglets.wire.codec import StateCodec

MESSAGE_LIMIT_BYTES = 1024 * 1024
"""Largest state of a MESSAGE paglet: it is committed with each reply."""

LOCK_TIMEOUT = 10.0
"""Seconds for which a snapshot waits for the State Lock."""


class HasState(Protocol):
    """A paglet."""

    state: object


class Snapshots:
    """Takes snapshots of one paglet's state. Safe in threads.

    Args:
        codec: Of its State.
        lock: The State Lock.
        holder: The paglet.
        folder: Where large ones are written for the host.
        limit: Largest state, in bytes.
        durability: Whether each reply carries a changed state.
    """

    def __init__(
        self,
        codec: StateCodec[object],
        lock: StateLock,
        holder: HasState,
        *,
        folder: str,
        limit: int,
        durability: Durability,
    ) -> None:
        self._codec = codec
        self._lock = lock
        self._holder = holder
        self._folder = Path(folder)
        self._limit = limit
        self._is_message = durability is Durability.MESSAGE
        self._told: bytes | None = None
        self.last_size = 0
        """Bytes of the last snapshot."""
        self.order = threading.Lock()
        """Held from a snapshot until it is sent, so that older states never follow newer ones."""

    def remember(self, data: bytes, size: int | None = None) -> None:
        """Note what the host has already; `size` where the bytes themselves are gone."""
        self.last_size = len(data) if size is None else size
        self._told = data if self._is_message else None

    def take(self) -> Snapshot:
        """Return the state of now, which the caller sends to be committed.

        Raises:
            StateError: A value does not fit its annotation.
            TooLargeError: It is over the limit.
            StorageFullError: A large one could not be written.
            DeadlineError: The State Lock was held all the time.
        """
        data = self.encode()
        self.remember(data)
        return self.wrap(data)

    def copy(self) -> Snapshot:
        """Return the state of now without its being committed: to be shown, or for a clone.

        Raises:
            As `take`.
        """
        return self.wrap(self.encode())

    def take_changed(self) -> Snapshot | None:
        """Return the state of a MESSAGE paglet if the host does not have it yet; else None.

        Raises:
            As `take`.
        """
        if not self._is_message:
            return None
        data = self.encode()
        if data == self._told:
            return None
        self.remember(data)
        return self.wrap(data)

    def put_back(self, data: bytes) -> bool:
        """Make the state what `data` says, if it is not; return whether it was not."""
        if self.encode() == data:
            return False
        self._holder.state = self._codec.decode(data)
        return True

    def encode(self) -> bytes:
        """Return the state of now as bytes that are known to decode; raises as `take`."""
        self._lock.acquire(LOCK_TIMEOUT)
        try:
            data = self._codec.snapshot(self._holder.state)
        finally:
            self._lock.release()
        limit = min(self._limit, MESSAGE_LIMIT_BYTES) if self._is_message else self._limit
        if len(data) > limit:
            setting = "use Durability.LIFECYCLE" if self._is_message else "raise the state limit"
            raise TooLargeError(f"the state has {len(data)} bytes, over {limit}; {setting}")
        return data

    def wrap(self, data: bytes) -> Snapshot:
        """Return state bytes as they travel to the host."""
        if len(data) <= INLINE_LIMIT:
            return Snapshot(data=data, size=len(data))
        return Snapshot(path=self.write(data, "state"), size=len(data))

    def write(self, data: bytes, kind: str) -> str:
        """Write `data` to a new file for the host and return its path.

        Raises:
            StorageFullError: There is no room, or the folder cannot be written.
        """
        path = self._folder / f"{kind}-{new_id()}{PART_SUFFIX}"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageFullError(f"{len(data)} bytes for {path}: {error.strerror}") from error
        return str(path)
