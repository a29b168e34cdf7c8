"""Calls that may be repeated: the same Idempotency-Key gets the outcome of the first call.

A repeat of a call that is still running joins it. The outcome is committed in the transaction of
the call's own commit where it has one (`Keeper.writes`), so that a crash cannot part the two; a
dispatch keeps the id of its transfer, whose outcome is durable by itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from paglets.model.errors import LifecycleError, MoveInDoubtError, PagletsError
from paglets.model.refs import PagletProxyRef
from paglets.runtime.childlink import as_failure
from paglets.store.rows import RememberedCall
from paglets.store.store import Store
from paglets.store.writes import RememberCall, Write
from paglets.wire.failures import Failure, decode_failure, encode_failure

KEEP_SECONDS = 24 * 3600.0
"""How long an outcome is kept."""


class CallOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call came to: an address, a failure, a transfer to ask about, or nothing to tell."""

    ref: PagletProxyRef | None = None
    failure: Failure | None = None
    transfer_id: str | None = None


class Keeper:
    """Lets a call commit its outcome along with what it does."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.is_kept = False

    def writes(self, outcome: CallOutcome) -> tuple[Write, ...]:
        """Return the write that keeps `outcome`; none for a call without a key."""
        if self.key is None:
            return ()
        self.is_kept = True
        return (_remember(self.key, outcome),)


Resolver = Callable[[str], Awaitable[PagletProxyRef | None]]
"""Returns or raises what a transfer came to."""


class Once:
    """Runs calls at most once per key. One per host, used from its loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, asyncio.Future[PagletProxyRef | None]] = {}

    async def run(
        self,
        key: str | None,
        work: Callable[[Keeper], Awaitable[PagletProxyRef | None]],
        transfer: Resolver | None = None,
    ) -> PagletProxyRef | None:
        """Run `work`, or return or raise what it came to under this key before.

        Args:
            key: The caller's key, scoped by what it is used for; None always runs.
            work: The call; commits its outcome by the Keeper where it can.
            transfer: Tells what the transfer of a repeated dispatch or clone came to.
        """
        if key is None:
            return await work(Keeper(None))
        running = self._running.get(key)
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[PagletProxyRef | None] = asyncio.get_running_loop().create_future()
        self._running[key] = future
        try:
            result = await self._first_or_kept(key, work, transfer)
        except BaseException as error:
            future.set_exception(as_failure(error))
            future.exception()  # joined by nobody, as a rule
            raise
        else:
            future.set_result(result)
            return result
        finally:
            del self._running[key]

    async def _first_or_kept(
        self,
        key: str,
        work: Callable[[Keeper], Awaitable[PagletProxyRef | None]],
        transfer: Resolver | None,
    ) -> PagletProxyRef | None:
        kept = self._store.call(key)
        if kept is not None:
            outcome = msgspec.msgpack.decode(kept.outcome, type=CallOutcome)
            if outcome.failure is not None:
                raise decode_failure(outcome.failure)
            if outcome.transfer_id is not None and transfer is not None:
                return await transfer(outcome.transfer_id)
            return outcome.ref
        keeper = Keeper(key)
        try:
            result = await work(keeper)
        except PagletsError as error:
            in_doubt = isinstance(error, MoveInDoubtError) and keeper.is_kept
            if not error.retryable and not in_doubt:
                # A retryable failure changed nothing: the repeat is to try again. What is in
                # doubt is asked of its transfer, whose id is kept.
                await self._keep(key, CallOutcome(failure=encode_failure(error)), replace=True)
            raise
        if not keeper.is_kept:
            await self._keep(key, CallOutcome(ref=result), replace=False)
        return result

    async def _keep(self, key: str, outcome: CallOutcome, *, replace: bool) -> None:
        await self._store.commit(_remember(key, outcome, replace=replace))


def _remember(key: str, outcome: CallOutcome, *, replace: bool = False) -> RememberCall:
    record = RememberedCall(
        key=key,
        outcome=msgspec.msgpack.encode(outcome),
        expires_at=time.time() + KEEP_SECONDS,
    )
    return RememberCall(record, replace=replace)


def require_address(ref: PagletProxyRef | None) -> PagletProxyRef:
    """Return the address a call came to.

    Raises:
        LifecycleError: The key was used for a call that gives none.
    """
    if ref is None:
        raise LifecycleError("this key was used for a call that gives no address")
    return ref
