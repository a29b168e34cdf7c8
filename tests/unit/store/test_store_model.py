"""The store against a model in memory: random commits, stale ones, failures and reopenings."""

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paglets.failpoints import arm, disarm
from paglets.model.enums import PagletStatus, TransferOutcome
from paglets.model.errors import StorageFullError
from paglets.model.refs import Epoch
from paglets.store.rows import Blob
from paglets.store.store import Store
from paglets.store.writes import (
    DeleteMessages,
    DeleteRow,
    Expect,
    PutMessages,
    PutRow,
    PutTransfer,
    SettleTransfer,
    StaleWriteError,
)
from tests.unit.store.samples import make_message, make_row, make_transfer

AGENTS = st.sampled_from(["a", "b", "c"])
STATUSES = st.sampled_from([PagletStatus.ACTIVE, PagletStatus.MOVING, PagletStatus.MOVED])
EPOCHS = st.builds(Epoch, st.integers(0, 1), st.integers(0, 1))
EXPECTS = st.builds(Expect, STATUSES, EPOCHS)
ROWS = st.builds(
    lambda agent_id, status, epoch, state: make_row(agent_id, status, state, epoch=epoch),
    AGENTS,
    STATUSES,
    EPOCHS,
    st.sampled_from([b"", b"small", bytes(5000), Blob(7, "")]),
)
OUTCOMES = st.sampled_from([TransferOutcome.ACCEPTED, TransferOutcome.REFUSED])
WRITES = st.one_of(
    st.builds(PutRow, ROWS, st.one_of(st.none(), EXPECTS)),
    st.builds(DeleteRow, AGENTS, EXPECTS),
    st.builds(lambda n: PutTransfer(make_transfer(f"t{n}")), st.integers(0, 2)),
    st.builds(
        lambda n, outcome, settled: SettleTransfer(f"t{n}", outcome, 1.0, settled),
        st.integers(0, 2),
        OUTCOMES,
        st.booleans(),
    ),
    st.builds(
        lambda ids, agent: PutMessages(tuple(make_message(f"m{n}", agent) for n in ids)),
        st.lists(st.integers(0, 3), max_size=3),
        AGENTS,
    ),
    st.builds(DeleteMessages, AGENTS, st.one_of(st.none(), st.just(("m0", "m1")))),
)


class ModelStaleError(Exception):
    """The model's StaleWriteError."""


class Model:
    """What the contract of `writes.py` says, with dicts."""

    def __init__(self, rows=(), transfers=(), queues=()):
        self.rows = dict(rows)
        self.transfers = dict(transfers)
        self.queues = {agent_id: list(queue) for agent_id, queue in dict(queues).items()}

    def after(self, writes):
        model = Model(self.rows, self.transfers, self.queues)
        for write in writes:
            model.apply(write)
        return model

    def require(self, agent_id, expect):
        row = self.rows.get(agent_id)
        found = None if row is None else Expect(row.status, row.epoch)
        if found != expect:
            raise ModelStaleError
        return row

    def apply(self, write):
        match write:
            case PutRow(row, expect):
                present = self.require(row.agent_id, expect)
                state = row.state if row.state.is_loaded else present.state
                self.rows[row.agent_id] = replace(row, state=state)
            case DeleteRow(agent_id, expect):
                self.require(agent_id, expect)
                del self.rows[agent_id]
                self.queues.pop(agent_id, None)
            case PutTransfer(record):
                if record.transfer_id in self.transfers:
                    raise ModelStaleError
                self.transfers[record.transfer_id] = record
            case SettleTransfer():
                self.settle(write)
            case PutMessages(messages):
                for message in messages:
                    self.queue(message)
            case DeleteMessages(agent_id, ids):
                queue = self.queues.get(agent_id, [])
                self.queues[agent_id] = [m for m in queue if ids is not None and m not in ids]

    def queue(self, message):
        if message.agent_id not in self.rows:
            raise ModelStaleError
        queue = self.queues.setdefault(message.agent_id, [])
        if message.message_id not in queue:
            queue.append(message.message_id)

    def settle(self, write):
        record = self.transfers.get(write.transfer_id)
        if record is None or record.outcome not in {TransferOutcome.UNDECIDED, write.outcome}:
            raise ModelStaleError
        settled_at = record.settled_at if record.settled_at or not write.settled else write.at
        self.transfers[write.transfer_id] = replace(
            record, outcome=write.outcome, settled_at=settled_at
        )


def is_writable(write):
    return not (
        isinstance(write, PutRow) and write.expect is None and not write.row.state.is_loaded
    )


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def open_first(self):
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.boots = 0
        self.open()

    def open(self):
        self.store = Store.open(self.folder, name="alpha", now=lambda: 0.0)
        self.boots += 1
        assert self.store.boots == self.boots

    def commit(self, writes, **options):
        return self.loop.run_until_complete(self.store.commit(*writes, **options))

    @rule(writes=st.lists(WRITES.filter(is_writable), min_size=1, max_size=3))
    def commit_some(self, writes):
        try:
            expected = self.model.after(writes)
        except ModelStaleError:
            with pytest.raises(StaleWriteError):
                self.commit(writes)
        else:
            self.commit(writes)
            self.model = expected

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), status=STATUSES)
    def change_a_row_as_expected(self, data, status):
        row = data.draw(st.sampled_from(list(self.model.rows.values())))
        changed = replace(row, status=status, epoch=row.epoch.hop(), state=Blob(7, ""))
        self.commit_some([PutRow(changed, Expect(row.status, row.epoch))])

    @rule(groups=st.lists(WRITES.filter(is_writable), min_size=2, max_size=6))
    def commit_at_once(self, groups):
        async def all_at_once():
            commits = (self.store.commit(write) for write in groups)
            return await asyncio.gather(*commits, return_exceptions=True)

        results = self.loop.run_until_complete(all_at_once())
        for write, result in zip(groups, results, strict=True):
            if result is None:
                self.model = self.model.after([write])
            else:
                assert isinstance(result, StaleWriteError)
                with pytest.raises(ModelStaleError):
                    self.model.after([write])

    @rule(writes=st.lists(WRITES.filter(is_writable), min_size=1, max_size=3))
    def commit_on_a_full_disk(self, writes):
        arm("store.commit=enospc")
        try:
            with pytest.raises((StorageFullError, StaleWriteError)):
                self.commit(writes)
        finally:
            disarm()

    @rule()
    def reopen(self):
        self.store.close()
        self.open()

    @rule()
    def crash(self):
        """Go on with the files as a killed process leaves them: nothing was closed."""
        copy = Path(tempfile.mkdtemp())
        shutil.copytree(self.folder, copy, dirs_exist_ok=True)
        self.store.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.open()

    @invariant()
    def the_store_is_the_model(self):
        rows = {row.agent_id: row for row in self.store.all_rows(with_state=True)}
        assert rows == self.model.rows
        assert {t.transfer_id: t for t in self.store.transfers()} == self.model.transfers
        queues = self.store.messages_of_all()
        found = {agent_id: [m.message_id for m in queue] for agent_id, queue in queues.items()}
        assert found == {agent_id: queue for agent_id, queue in self.model.queues.items() if queue}
        assert self.store.problems == ()

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.loop.close()
            shutil.rmtree(self.folder)


TestStoreMachine = pytest.mark.slow(StoreMachine.TestCase)
TestStoreMachine.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
