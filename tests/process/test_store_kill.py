"""kill -9 in the middle of a stream of commits: what was acknowledged is there afterwards."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paglets.store.store import Store

ROOT = Path(__file__).parents[2]
WORKER = """
import asyncio, os, sys, time
from pathlib import Path
from paglets.failpoints import arm_from_environment
from paglets.model.enums import TransferOutcome
from paglets.store.store import Store
from paglets.store.writes import PutMessages, PutRow, PutTransfer
from tests.unit.store.samples import make_message, make_row, make_transfer

async def stream(store, worker):
    for n in range(100_000):
        agent_id = f"p{worker}-{n}"
        state = await store.spool.write(os.urandom(300_000)) if n % 10 == 5 else b"state"
        await store.commit(
            PutRow(make_row(agent_id, state=state), None),
            PutTransfer(make_transfer(agent_id, outcome=TransferOutcome.ACCEPTED)),
            PutMessages((make_message(agent_id, agent_id),)),
        )
        os.write(1, f"{agent_id}\\n".encode())

async def main(folder):
    arm_from_environment()
    store = Store.open(folder, name="alpha", now=time.time)
    await asyncio.gather(*(stream(store, worker) for worker in range(8)))

asyncio.run(main(Path(sys.argv[1])))
"""


def start_worker(folder: Path, failpoints: str = "") -> subprocess.Popen[bytes]:
    environ = dict(os.environ, PYTHONPATH=str(ROOT), PAGLETS_FAILPOINTS=failpoints)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)], stdout=subprocess.PIPE, env=environ
    )


def read_acknowledged(worker: subprocess.Popen[bytes], *, kill_after: int | None) -> list[str]:
    """Return the acknowledged ids; after `kill_after` of them the worker is killed."""
    deadline = time.monotonic() + 30
    received = b""
    while True:
        ready, _, _ = select.select([worker.stdout], [], [], max(0, deadline - time.monotonic()))
        assert ready, "the worker fell silent"
        piece = os.read(worker.stdout.fileno(), 65536)
        if not piece:
            break
        received += piece
        if kill_after is not None and received.count(b"\n") >= kill_after:
            worker.send_signal(signal.SIGKILL)
            kill_after = None
    assert worker.wait(10) == -signal.SIGKILL
    worker.stdout.close()
    return received.decode().split("\n")[:-1]


async def assert_whole(folder: Path, acknowledged: list[str]) -> None:
    store = Store.open(folder, name="alpha", now=time.time)
    try:
        assert store.problems == ()
        rows = {row.agent_id: row for row in store.all_rows()}
        queues = store.messages_of_all()
        assert set(acknowledged) <= set(rows)
        # all or nothing, also for what was under way
        assert set(rows) == set(queues) == {record.transfer_id for record in store.transfers()}
        for agent_id in rows:
            await store.spool.read(store.state(agent_id))
        named = {row.state.spool for row in rows.values()} - {None}
        assert {path.name for path in store.spool.folder.iterdir()} == named
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [1, 50, 400])
async def test_every_acknowledged_commit_survives_a_kill_at_any_time(tmp_path, kill_after):
    worker = start_worker(tmp_path)
    acknowledged = read_acknowledged(worker, kill_after=kill_after)

    await assert_whole(tmp_path, acknowledged)

    assert len(acknowledged) >= kill_after


@pytest.mark.slow
@pytest.mark.parametrize(
    "failpoint",
    [
        "store.commit",
        "store.after_commit",
        "spool.write",
        "spool.before_fsync",
        "spool.after_rename",
    ],
)
async def test_every_acknowledged_commit_survives_a_kill_at_each_step(tmp_path, failpoint):
    worker = start_worker(tmp_path, f"{failpoint}=kill9@5")
    acknowledged = read_acknowledged(worker, kill_after=None)

    await assert_whole(tmp_path, acknowledged)

    assert acknowledged


@pytest.mark.slow
async def test_the_lock_of_a_killed_host_is_free_at_once(tmp_path):
    worker = start_worker(tmp_path)
    read_acknowledged(worker, kill_after=1)

    store = Store.open(tmp_path, name="alpha", now=time.time)
    store.close()

    assert store.boots == 2
