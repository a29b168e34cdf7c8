"""A disk that is really full: promises are refused, settlements are still written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = 'mount -t tmpfs -o size=24m tmpfs "$1" && shift && exec "$@"'
WORKER = """
import asyncio, os, sys, time
from pathlib import Path
from paglets.model.enums import TransferOutcome
from paglets.model.errors import StorageFullError
from paglets.store.store import Store
from paglets.store.writes import PutRow, PutTransfer, SettleTransfer
from tests.unit.store.samples import make_row, make_transfer

async def is_full(work):
    try:
        await work
    except StorageFullError:
        return True
    return False

async def main(folder):
    store = Store.open(folder, name="alpha", now=time.time)
    await store.commit(*(PutTransfer(make_transfer(f"t{n}")) for n in range(100)))
    count = 0
    while not await is_full(store.commit(PutRow(make_row(f"p{count}", state=bytes(60_000)), None))):
        count += 1
    assert await is_full(store.spool.write(os.urandom(9_000_000)))
    for n in range(100):
        settle = SettleTransfer(f"t{n}", TransferOutcome.REFUSED, 1.0, settled=False)
        await store.commit(settle, essential=True)
    assert await is_full(store.commit(PutRow(make_row("late"), None)))
    assert store.failure is None
    store.close()
    store = Store.open(folder, name="alpha", now=time.time)
    assert (len(store.all_rows()), store.problems) == (count, ())
    assert {t.outcome for t in store.transfers()} == {TransferOutcome.REFUSED}
    assert [path.name for path in store.spool.folder.iterdir()] == []
    store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def run_on_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` in a mount namespace of its own, where `folder` is a disk of 24 MiB."""
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(folder), *command],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux namespaces")
def test_a_full_disk_refuses_promises_and_takes_settlements(tmp_path):
    if run_on_small_disk(tmp_path, "true").returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs of their own")

    worker = run_on_small_disk(tmp_path, sys.executable, "-c", WORKER, str(tmp_path))

    assert worker.returncode == 0, worker.stderr
