"""ResourceRegistry: what a paglet opened here and must close before it leaves.

Sockets, files and processes do not travel. A paglet registers how to let go of them; the runtime
does so, newest first, before dispatch, deactivate, retract and dispose. Nothing of it is stored.
"""

import threading
import traceback
from collections.abc import Callable
from typing import Protocol, TypeVar


class Closeable(Protocol):
    """Anything with `close()`."""

    def close(self) -> object:
        """Let go of it."""


C = TypeVar("C", bound=Closeable)


class ResourceRegistry:
    """Runtime-only cleanups of one paglet, run in reverse order. Works in any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._cleanups: dict[str, Callable[[], object]] = {}

    def register(self, name: str, cleanup: Callable[[], object]) -> None:
        """Have `cleanup()` called before the paglet leaves this process.

        Raises:
            ValueError: `name` is registered already.
        """
        with self._mutex:
            if name in self._cleanups:
                raise ValueError(f"a resource {name!r} is registered already; remove it first")
            self._cleanups[name] = cleanup

    def track(self, name: str, closeable: C) -> C:
        """Register `closeable.close` and return `closeable`."""
        self.register(name, closeable.close)
        return closeable

    def remove(self, name: str) -> bool:
        """Forget a resource without cleaning it up; return whether it was registered."""
        with self._mutex:
            return self._cleanups.pop(name, None) is not None

    def names(self) -> tuple[str, ...]:
        """Return the registered names, oldest first."""
        with self._mutex:
            return tuple(self._cleanups)

    def clean_up(self) -> tuple[str, ...]:
        """Run and forget all cleanups, newest first; called by the runtime.

        One that raises keeps no other from running and the paglet from leaving: its process ends,
        which frees what it held.

        Returns:
            For each one that raised, its name and traceback as text.
        """
        failures: list[str] = []
        while True:
            with self._mutex:
                if not self._cleanups:
                    return tuple(failures)
                name, cleanup = self._cleanups.popitem()
            try:
                cleanup()
            except Exception:  # noqa: BLE001 - the author's code; reported to the author's log
                failures.append(f"cleanup of resource {name!r} raised\n{traceback.format_exc()}")
