"""Taking a paglet out of its process: gate, running handlers, hook, state, exit.

Used by moves, deactivation, disposal and shutdown. Either the process goes and its state is in
hand, or it lives on and nothing has changed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from paglets.config.settings import Timeouts
from paglets.model.enums import Hook, Verb
from paglets.model.errors import HookTimeoutError, PagletsError
from paglets.runtime.childlink import ChildLink
from paglets.runtime.commits import Commits
from paglets.runtime.roster import LocalPaglet
from paglets.store.rows import Blob
from paglets.wire.calls import (
    CloneState,
    FileOffer,
    Inspect,
    Inspected,
    Quiesce,
    Quiesced,
    Snapshot,
)

_EXIT_GRACE = 2.0
"""Seconds a child has to exit after its last act, before it is killed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out of a process."""

    state: Blob | None
    """None where the last commit is to be kept."""
    files: tuple[tuple[str, Blob], ...] = ()
    originals: tuple[str, ...] = ()
    """Files to be deleted once the paglet has moved."""


class Quiescer:
    """Quiesces the processes of one host; used from its loop."""

    def __init__(self, commits: Commits, timeouts: Timeouts) -> None:
        self._commits = commits
        self._timeouts = timeouts

    async def take(
        self,
        paglet: LocalPaglet,
        verb: Verb,
        hook: Hook | None,
        event: bytes,
        *,
        anyway: bool = False,
        timeout: float | None = None,
    ) -> Taken:
        """Quiesce the process of `paglet` and wait until it is gone; see `taking`."""
        leaving = self.taking(paglet, verb, hook, event, anyway=anyway, timeout=timeout)
        async with leaving as taken:
            return taken

    @contextlib.asynccontextmanager
    async def taking(
        self,
        paglet: LocalPaglet,
        verb: Verb,
        hook: Hook | None,
        event: bytes,
        *,
        anyway: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[Taken, None]:
        """Quiesce the process of `paglet`; it is gone when the block ends.

        Within the block what was taken can be committed: the process has done its last act, and
        its exit takes the kernel some 2 ms. No other process may be started for the paglet, here or
        at another host, before the block has ended.

        Args:
            paglet: With a process and no other verb running.
            verb: Why.
            hook: Run before the state is taken; skipped where the class has none.
            event: The hook's event as JSON.
            anyway: Take the state although handlers still run (shutdown).
            timeout: Seconds for running handlers; default `Timeouts.quiesce`.

        Raises:
            QuiesceTimeoutError: Handlers did not end; the gate is still closed.
            HookError: The hook raised; the gate is still closed.
            StateError: The state cannot be encoded; the gate is still closed.
            HookTimeoutError: The hook hangs; the process has been killed.
            PagletCrashedError: The process ended meanwhile.
        """
        link = paglet.link
        assert link is not None, "only a paglet with a process is quiesced"
        paglet.gate_open = False
        wait = self._timeouts.quiesce if timeout is None else timeout
        if hook is not None and hook.value not in paglet.row.manifest.hooks:
            hook = None
        frame = Quiesce(
            call=link.next_call(),
            verb=verb.value,
            hook=None if hook is None else hook.value,
            event=event,
            timeout_ms=int(wait * 1000),
            anyway=anyway,
            want_state=verb is not Verb.DISPOSE,
        )
        patience = wait + paglet.row.manifest.run_grace + self._timeouts.hook + 5
        quiesced = await self._quiesced(paglet.agent_id, link, frame, patience)
        paglet.link = None
        try:
            if quiesced.files:
                await self._gone(link)  # a thread of its author may write to them until then
            yield await self._keep(quiesced)
        finally:
            await self._gone(link)

    async def _quiesced(
        self, agent_id: str, link: ChildLink, frame: Quiesce, patience: float
    ) -> Quiesced:
        try:
            return await link.request(frame, frame.call, Quiesced, timeout=patience)
        except TimeoutError as error:
            if isinstance(error, HookTimeoutError) or not isinstance(error, PagletsError):
                await link.end(grace=0)  # the hook still runs, and nothing else can in its thread
            if isinstance(error, PagletsError):
                raise
            raise HookTimeoutError(
                f"{agent_id} did not leave its process in {patience:g} s",
                hook=frame.hook or "",
                agent_id=agent_id,
            ) from error

    async def _gone(self, link: ChildLink) -> None:
        try:
            async with asyncio.timeout(_EXIT_GRACE):
                await link.wait_exit()
        except TimeoutError:
            await link.end(grace=0)

    async def clone_state(self, paglet: LocalPaglet, event: bytes) -> Taken:
        """Run `on_cloning` and take a copy of the state; the process goes on.

        Raises:
            HookError: The hook raised; nothing has changed.
            HookTimeoutError: It hangs; the process is killed, as a crash.
            StateError: The state cannot be encoded.
            PagletCrashedError: The process ended meanwhile.
        """
        link = paglet.link
        assert link is not None, "only a paglet with a process is asked for its state"
        call = link.next_call()
        frame = CloneState(call=call, event=event)
        try:
            quiesced = await link.request(frame, call, Quiesced, timeout=self._timeouts.hook + 5)
        except TimeoutError as error:
            link.process.kill(expected=False)
            if isinstance(error, PagletsError):
                raise
            raise HookTimeoutError(
                f"on_cloning of {paglet.agent_id} took too long", hook="on_cloning"
            ) from error
        return await self._keep(quiesced)

    async def inspect(self, paglet: LocalPaglet, *, timeout: float) -> Snapshot:
        """Return the present state of a running paglet; never waits for its handlers."""
        link = paglet.link
        assert link is not None, "only a paglet with a process is inspected"
        call = link.next_call()
        answer = await link.request(Inspect(call=call), call, Inspected, timeout=timeout)
        return answer.snapshot

    async def _keep(self, quiesced: Quiesced) -> Taken:
        state = None if quiesced.snapshot is None else await self._commits.blob(quiesced.snapshot)
        files = [(offer.name, await self._seal(offer)) for offer in quiesced.files]
        originals = tuple(o.original for o in quiesced.files if o.original is not None)
        return Taken(state, tuple(files), originals)

    async def _seal(self, offer: FileOffer) -> Blob:
        snapshot = Snapshot(path=offer.path, size=offer.size, sha256=offer.sha256)
        return await self._commits.blob(snapshot)
