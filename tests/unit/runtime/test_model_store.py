"""The model of the move commits as the store does, else it says nothing about the product."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paglets.model.enums import EnvelopeKind, PagletStatus, TransferOutcome, TransferRole
from paglets.model.refs import Epoch
from paglets.store.rows import Blob, PagletRow, TransferRow
from paglets.store.store import Store
from paglets.store.writes import (
    DeleteRow,
    Expect,
    PutRow,
    PutTransfer,
    SettleTransfer,
    StaleWriteError,
)
from tests.unit.runtime.move_model import BIRTH, MANIFEST, Host, commit, peer

STATUSES = st.sampled_from([PagletStatus.ACTIVE, PagletStatus.MOVING, PagletStatus.MOVED])
EPOCHS = st.builds(Epoch, st.integers(0, 1), st.integers(0, 1))
EXPECTS = st.builds(Expect, STATUSES, EPOCHS)
ROWS = st.builds(
    lambda status, epoch: PagletRow(
        agent_id="tour", birth_id=BIRTH, manifest=MANIFEST, status=status, epoch=epoch
    ),
    STATUSES,
    EPOCHS,
)
IDS = st.sampled_from(["t1", "t2"])
RECORDS = st.builds(
    lambda transfer_id, outcome: TransferRow(
        transfer_id=transfer_id,
        role=TransferRole.TARGET,
        kind=EnvelopeKind.DISPATCH,
        agent_id="tour",
        birth_id=BIRTH,
        peer=peer(0),
        epoch=Epoch(),
        outcome=outcome,
    ),
    IDS,
    st.sampled_from(TransferOutcome),
)
WRITES = st.one_of(
    st.builds(PutRow, ROWS, st.one_of(st.none(), EXPECTS)),
    st.builds(DeleteRow, st.just("tour"), EXPECTS),
    st.builds(PutTransfer, RECORDS),
    st.builds(
        SettleTransfer,
        IDS,
        st.sampled_from([TransferOutcome.ACCEPTED, TransferOutcome.REFUSED]),
        st.just(1.0),
        st.booleans(),
    ),
)
COMMITS = st.lists(st.lists(WRITES, min_size=1, max_size=3).map(tuple), max_size=8)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(commits=COMMITS)
def test_the_model_commits_as_the_store_does(commits: list[tuple]) -> None:
    asyncio.run(_compare(commits))


async def _compare(commits: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "data", name="alpha", now=lambda: 1.0)
        try:
            host = Host()
            for writes in commits:
                after = commit(host, writes)
                try:
                    await store.commit(*writes)
                except StaleWriteError:
                    assert after is None
                else:
                    assert after is not None
                    host = after
                kept = store.row("tour")
                assert (None if kept is None else replace(kept, state=Blob(0, "", b""))) == host.row
                assert frozenset(store.transfers()) == host.records
        finally:
            store.close()
