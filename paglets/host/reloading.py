"""`--reload`, for working on one's own agents: new code for running paglets when a file changes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from paglets.host.identity import HostIdentity
from paglets.model.errors import PagletsError
from paglets.runtime.recorder import Recorder
from paglets.supervise.process import ProcessFactory

_LOOK_EVERY = 0.5
"""Seconds between looks at the files. More often costs a stat per file."""


class Reloader:
    """Renews the code of one host's paglets; used from its loop.

    Args:
        folders: The agents folders.
        factory: Starts processes; its forkserver is replaced.
        identity: Told the new code version.
        version: Computes the code version of the files as they are now.
        renew: Puts running paglets to sleep and wakes them.
        recorder: Told what happened.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        factory: ProcessFactory,
        identity: HostIdentity,
        *,
        version: Callable[[], str],
        renew: Callable[[], Awaitable[None]],
        recorder: Recorder,
    ) -> None:
        self._folders = tuple(folders)
        self._factory = factory
        self._identity = identity
        self._version = version
        self._renew = renew
        self._recorder = recorder

    async def run(self) -> None:
        """Look at the files for ever; each change that is at rest renews the code."""
        known = await asyncio.to_thread(self._stamps)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = await asyncio.to_thread(self._stamps)
            if now == known:
                continue
            # An editor writes several files: wait until nothing changes any more.
            while now != (now := await self._later()):
                pass
            known = now
            await self._reload()

    async def _later(self) -> dict[str, tuple[int, int]]:
        await asyncio.sleep(_LOOK_EVERY / 2)
        return await asyncio.to_thread(self._stamps)

    def _stamps(self) -> dict[str, tuple[int, int]]:
        found = {}
        for folder in self._folders:
            for path in folder.rglob("*.py"):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                found[str(path)] = (status.st_mtime_ns, status.st_size)
        return found

    async def _reload(self) -> None:
        try:
            await self._factory.replace()
        except PagletsError as error:
            self._recorder.record("reload", f"kept the old code: {error.message}", level="error")
            return
        self._identity.code_version = await asyncio.to_thread(self._version)
        await self._renew()
        self._recorder.record("reload", f"renewed the code: {self._identity.code_version}")
