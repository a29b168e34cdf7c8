"""A call that is repeated under its key happens once."""

import asyncio

import pytest

from paglets.model.errors import (
    BusyError,
    LifecycleError,
    MoveInDoubtError,
    TransferError,
    UnavailableError,
)
from paglets.runtime.idempotency import CallOutcome, Once
from paglets.testing.waiting import turn
from tests.unit.runtime.samples import make_ref


@pytest.fixture
def once(bench):
    return Once(bench.store)


def counted(result=None, error=None):
    runs = []

    async def work(keep):
        runs.append(keep)
        if error is not None:
            raise error
        return result

    return runs, work


async def test_without_a_key_every_call_runs(once):
    runs, work = counted(make_ref())
    for _ in range(2):
        assert await once.run(None, work) == make_ref()
    assert len(runs) == 2


async def test_a_repeat_gets_the_outcome_of_the_first(once):
    runs, work = counted(make_ref())
    for _ in range(3):
        assert await once.run("k", work) == make_ref()
    assert len(runs) == 1


async def test_another_key_is_another_call(once):
    runs, work = counted(make_ref())
    await once.run("k1", work)
    await once.run("k2", work)
    assert len(runs) == 2


async def test_a_repeat_survives_the_host(once, bench):
    runs, work = counted(make_ref())
    await once.run("k", work)
    assert await Once(bench.store).run("k", work) == make_ref()
    assert len(runs) == 1


async def test_a_repeat_of_a_running_call_joins_it(once):
    go, runs = asyncio.Event(), []

    async def work(keep):
        runs.append(keep)
        await go.wait()
        return make_ref()

    both = asyncio.gather(once.run("k", work), once.run("k", work))
    await turn()
    go.set()
    assert await both == [make_ref(), make_ref()]
    assert len(runs) == 1


async def test_who_joined_may_go_without_ending_the_call(once):
    go = asyncio.Event()

    async def work(keep):
        await go.wait()
        return make_ref()

    first = asyncio.ensure_future(once.run("k", work))
    await turn()
    joined = asyncio.ensure_future(once.run("k", work))
    await turn()
    joined.cancel()
    go.set()
    assert await first == make_ref()


async def test_who_joined_hears_the_failure_of_the_first(once):
    go = asyncio.Event()

    async def work(keep):
        await go.wait()
        raise LifecycleError("it moved")

    both = asyncio.gather(once.run("k", work), once.run("k", work), return_exceptions=True)
    await turn()
    go.set()
    assert [type(error) for error in await both] == [LifecycleError, LifecycleError]


async def test_a_failure_for_good_is_kept(once):
    runs, work = counted(error=TransferError("refused", reason="stale"))
    for _ in range(2):
        with pytest.raises(TransferError) as caught:
            await once.run("k", work)
        assert caught.value.reason == "stale"
    assert len(runs) == 1


@pytest.mark.parametrize(
    "error", [UnavailableError("full", retry_after=1.0), BusyError("another verb runs")]
)
async def test_a_failure_that_changed_nothing_is_tried_again(once, error):
    assert error.retryable
    runs, work = counted(error=error)
    for _ in range(2):
        with pytest.raises(type(error)):
            await once.run("k", work)
    assert len(runs) == 2


async def test_the_outcome_is_kept_in_the_transaction_of_the_call(once, bench):
    async def work(keep):
        await bench.store.commit(*keep.writes(CallOutcome(ref=make_ref())))
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await once.run("k", work)
    runs, again = counted()
    assert await once.run("k", again) == make_ref()
    assert runs == []


async def test_a_repeated_dispatch_asks_its_transfer(once, bench):
    async def work(keep):
        await bench.store.commit(*keep.writes(CallOutcome(transfer_id="t1")))
        raise MoveInDoubtError("no answer yet", transfer_id="t1")

    with pytest.raises(MoveInDoubtError):
        await once.run("k", work)

    async def settled(transfer_id):
        assert transfer_id == "t1"
        return make_ref()

    runs, again = counted()
    assert await once.run("k", again, settled) == make_ref()
    assert runs == []
