"""A day's work in short form: what a host holds afterwards is what it held before.

    python benchmarks/soak.py [--lives 20000] [--messages 100000] [--samples 10]

One host creates and disposes of paglets and handles messages, some of them durable and repeatable.
Before, from time to time, and after, its footprint is taken: open files, threads, processes, memory
and what its data folder holds. Outcomes of calls are kept for 24 h, so the store is also looked at
as it will be then. Prints a table and exits with 1 where something has grown beyond its tolerance.
The first fifth of the work comes before the first footprint: it fills the event log and caches.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

if not __package__:  # run as a file: `benchmarks` itself is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench import clients, create, mesh_of
from paglets.model.message import Message
from paglets.remote.client import HostClient
from paglets.store.schema import WAL_KEPT_BYTES
from paglets.store.store import Store
from paglets.testing.localhost import LocalHost
from paglets.testing.localmesh import LocalMesh
from paglets.wire.messages import encode_message, wire_message

LIVES_AT_ONCE = 4
MESSAGES_AT_ONCE = 8
DURABLE_EVERY = 20
"""One message of so many changes a durable state and may be repeated, so its outcome is kept."""
DAY = 25 * 3600.0
"""Seconds after which everything that is kept for repeats has expired."""
_SETTLE = 10.0
"""Seconds for connections to be noticed as closed and processes as gone."""
_LOOK_EVERY = 0.5
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a host holds at one moment."""

    host_files: int
    host_threads: int
    host_mib: float
    forkserver_files: int
    forkserver_threads: int
    forkserver_mib: float
    processes: int
    """Below the host: the forkserver and paglets."""
    paglet_rows: int
    message_rows: int
    call_rows: int
    """Outcomes of calls and of messages, kept for repeats."""
    store_kib: float
    """Pages of the store that are in use."""
    log_kib: float
    """Of its write-ahead log."""
    other_files: int
    """In the data folder, beside the store: spool, work folders, lists."""


EXECUTOR_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Of asyncio's own executor: they come when they are needed, and stay."""
TOLERANCE = {
    "host_threads": EXECUTOR_THREADS, "host_mib": 16.0, "forkserver_mib": 4.0,
    "log_kib": WAL_KEPT_BYTES / 1024,
}  # fmt: skip
"""How much more there may be afterwards; 0 where nothing is said."""
KEPT_A_DAY = frozenset({"call_rows", "store_kib"})
"""What is compared as it will be when outcomes have expired."""


def footprint(host: LocalHost) -> Footprint:
    """Take the footprint of a running host."""
    process = psutil.Process(host.pid)
    below = process.children(recursive=True)
    forkserver = process.children()[0]
    rows, kib = store_size(host.settings.data)
    return Footprint(
        host_files=process.num_fds(),
        host_threads=process.num_threads(),
        host_mib=process.memory_full_info().uss / _MIB,
        forkserver_files=forkserver.num_fds(),
        forkserver_threads=forkserver.num_threads(),
        forkserver_mib=forkserver.memory_full_info().uss / _MIB,
        processes=len(below),
        paglet_rows=rows["paglets"],
        message_rows=rows["messages"],
        call_rows=rows["calls"] + rows["outcomes"],
        store_kib=kib,
        log_kib=(host.settings.data / "host.db-wal").stat().st_size / 1024,
        other_files=sum(
            path.is_file() and not path.name.startswith("host.db")
            for path in host.settings.data.rglob("*")
        ),
    )


def store_size(folder: Path) -> tuple[dict[str, int], float]:
    """Return the rows of a data folder's store by table, and the KiB of pages in use."""
    with closing(sqlite3.connect(f"file:{folder / 'host.db'}?mode=ro", uri=True)) as sql:
        rows = {
            table: int(sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("paglets", "messages", "calls", "outcomes", "transfers")
        }
        size, pages, free = (
            int(sql.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count")
        )
    return rows, (pages - free) * size / 1024


async def store_a_day_later(host: LocalHost) -> tuple[int, float]:
    """Return kept outcomes and KiB in use as they will be tomorrow; the host has stopped."""
    later = time.time() + DAY
    store = Store.open(host.settings.data, name=host.name, now=lambda: later)
    try:
        await store.forget_expired(later)
    finally:
        store.close()
    rows, kib = store_size(host.settings.data)
    return rows["calls"] + rows["outcomes"], kib


async def many(step: Callable[[int], Awaitable[object]], count: int, at_once: int) -> None:
    """Do a step `count` times in so many tasks."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await step(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())


@dataclass(frozen=True, slots=True)
class Work:
    """How much is done between two footprints."""

    lives: int
    messages: int

    async def do(self, mesh: LocalMesh) -> None:
        """Do it, and end everything it made."""
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            await many(lambda _: _live(client), self.lives, LIVES_AT_ONCE)
            echo = (await create(client)).agent_id
            keeper = (await create(client, "figure_paglets:Keeper")).agent_id

            async def send(number: int) -> None:
                is_durable = number % DURABLE_EVERY == 0
                await client.send(keeper if is_durable else echo, _message(is_durable=is_durable))

            await many(send, self.messages, MESSAGES_AT_ONCE)
            for agent_id in (echo, keeper):
                await client.lifecycle(agent_id, "dispose")


async def _live(client: HostClient) -> None:
    ref = await create(client)
    await client.lifecycle(ref.agent_id, "dispose")


def _message(*, is_durable: bool) -> bytes:
    message = Message("echo", {"text": "x" * 100})
    return encode_message(wire_message(message, retry_for=1.0 if is_durable else 0.0))


async def settled(host: LocalHost, before: Footprint | None = None) -> Footprint:
    """Return the footprint once it is no more than `before`, or at the latest after a while.

    Without `before`, once two looks in a row saw the same.
    """
    deadline = time.monotonic() + _SETTLE
    last = footprint(host)
    while time.monotonic() < deadline:
        if before is not None and not grown(before, last, but=KEPT_A_DAY):
            break
        await asyncio.sleep(_LOOK_EVERY)
        found = footprint(host)
        if before is None and not grown(found, last):
            return found
        last = found
    return last


def grown(before: Footprint, after: Footprint, *, but: frozenset[str] = frozenset()) -> list[str]:
    """Return the names of what has grown beyond its tolerance."""
    return [
        field.name
        for field in fields(Footprint)
        if field.name not in but
        and getattr(after, field.name)
        > getattr(before, field.name) + TOLERANCE.get(field.name, 0.0)
    ]


@dataclass(slots=True)
class Soak:
    """What came of one run."""

    samples: list[Footprint]
    """The first is from before, the last from after everything."""
    kept: tuple[int, float]
    """Outcomes and KiB of the store a day later."""
    fresh_kib: float
    """The store in use of a host that has done nothing."""

    @property
    def leaks(self) -> list[str]:
        """What has grown."""
        found = grown(self.samples[0], self.samples[-1], but=KEPT_A_DAY)
        rows, kib = self.kept
        return found + ["call_rows"] * (rows > 0) + ["store_kib"] * (kib > self.fresh_kib)


async def soak(lives: int, messages: int, samples: int) -> Soak:
    """Warm a host up, work it, and take its footprint all along."""
    with mesh_of(1) as mesh:
        host = mesh.hosts[0]
        warm_up = Work(max(1, lives // 5), max(1, messages // 5))
        part = Work((lives - warm_up.lives) // samples, (messages - warm_up.messages) // samples)
        async with clients(mesh) as by_name:  # makes the rows that a class has but once
            await _live(by_name["alpha"])
        fresh_kib = store_size(host.settings.data)[1]
        await warm_up.do(mesh)
        taken = [await settled(host)]
        for _ in range(samples):
            await part.do(mesh)
            taken.append(await settled(host, taken[0]))
            print(f"  {taken[-1]}", file=sys.stderr, flush=True)
        await asyncio.to_thread(host.stop)
        return Soak(taken, await store_a_day_later(host), fresh_kib)


def table(found: Soak) -> str:
    """Return the run as a Markdown table."""
    before, after, leaks = found.samples[0], found.samples[-1], found.leaks
    lines = ["| what | before | after | a day later | may grow by | |", "|---|---|---|---|---|---|"]
    later = {"call_rows": str(found.kept[0]), "store_kib": f"{found.kept[1]:.0f}"}
    for field in fields(Footprint):
        name = field.name
        first, last = (f"{getattr(each, name):.0f}" for each in (before, after))
        if name in KEPT_A_DAY:
            first = f"{found.fresh_kib:.0f}" if name == "store_kib" else "0"
        verdict = "**grew**" if name in leaks else "ok"
        tolerance = f"{TOLERANCE.get(name, 0.0):.0f}"
        cells = [name.replace("_", " "), first, last, later.get(name, ""), tolerance, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run it; return 1 where something has grown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lives", type=int, default=20_000, help="paglets created and disposed of")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=10, help="footprints on the way")
    options = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(soak(options.lives, options.messages, options.samples))
    print(f"{options.lives} lives, {options.messages} messages, {time.monotonic() - began:.0f} s\n")
    print(table(found))
    return 1 if found.leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
