"""Measure the store: one commit at a time, and many at once that share a sync.

Run: python benchmarks/store_commit.py [FOLDER]   (a folder on the disk to be measured)
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from paglets.model.enums import PagletStatus
from paglets.model.manifest import ClassManifest
from paglets.model.refs import Epoch
from paglets.store.rows import Blob, PagletRow
from paglets.store.store import Store
from paglets.store.writes import Expect, PutRow

STATE_BYTES = 2048
MANIFEST = ClassManifest(class_name="bench:Bench", state_class="bench:State", code_version="1")


def make_row(agent_id: str) -> PagletRow:
    """Return an active row with a state of 2 KiB."""
    return PagletRow(
        agent_id=agent_id,
        birth_id=agent_id,
        manifest=MANIFEST,
        status=PagletStatus.ACTIVE,
        state=Blob.inline(os.urandom(STATE_BYTES)),
    )


async def commit_in_turn(store: Store, agent_id: str, count: int) -> list[float]:
    """Return the seconds each of `count` commits of one paglet took, one after the other."""
    expect = Expect(PagletStatus.ACTIVE, Epoch())
    row = make_row(agent_id)
    await store.commit(PutRow(row, None))
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        await store.commit(PutRow(row, expect))
        seconds.append(time.perf_counter() - start)
    return seconds


async def measure(store: Store, concurrent: int, count: int) -> None:
    """Print latency and rate of `concurrent` paglets committing at once."""
    before, start = store.transactions, time.perf_counter()
    runs = [commit_in_turn(store, f"p{concurrent}-{n}", count) for n in range(concurrent)]
    seconds = [one for run in await asyncio.gather(*runs) for one in run]
    elapsed = time.perf_counter() - start
    p50, p99 = (statistics.quantiles(seconds, n=100)[n] * 1000 for n in (49, 98))
    print(
        f"{concurrent:4} concurrent: p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  "
        f"{len(seconds) / elapsed:7.0f} commits/s in {store.transactions - before} transactions"
    )


async def main(folder: Path) -> None:
    """Measure 1, 16 and 200 at once."""
    store = Store.open(folder, name="bench", now=time.time)
    try:
        for concurrent, count in ((1, 2000), (16, 300), (200, 40)):
            await measure(store, concurrent, count)
    finally:
        store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        asyncio.run(main(Path(name)))
