"""How cost grows: with the paglets on a host, the size of a state, and the hosts of a mesh.

    python benchmarks/growth.py [--quick] [--json docs/figures/growth.json]
    python benchmarks/plots.py              # draws docs/figures/*.svg from that file

Real hosts on loopback, as for `python -m benchmarks`; the load of large meshes is simulated. Each
value is the best round's median, with the least and the most of all rounds.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if not __package__:  # run as a file: `benchmarks` itself is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import mesh_figures, moves
from benchmarks.bench import GIB, Effort, clients, create, mesh_of, timed
from benchmarks.figures import percentile
from benchmarks.lives import populate
from benchmarks.run import machine, quick_loop
from paglets.model.message import Message
from paglets.wire.messages import encode_message, wire_message

PAGLETS = (10, 100, 1000)
SIZES = (1024, 16 * 1024, 256 * 1024, 4 * 1024**2, 64 * 1024**2, 256 * 1024**2, GIB)
MESHES = (3, 8, 16, 64, 256, 1000)
DATA = Path(__file__).parents[1] / "docs" / "figures" / "growth.json"
_PAGE = 1000
"""Paglets asked for in one listing."""


@dataclass(frozen=True, slots=True)
class Point:
    """A measured value at one size."""

    x: float
    value: float
    least: float
    most: float


Series = dict[str, list[Point]]
"""Points by what was measured; the name has the unit."""


def point(x: float, rounds: Sequence[Sequence[float]], scale: float) -> Point:
    """Return the best round's median and the spread of all rounds."""
    medians = [percentile(values, 0.5) * scale for values in rounds]
    return Point(x, min(medians), min(medians), max(medians))


async def by_paglets(effort: Effort) -> Series:
    """Measure creation, message and listing on a host with more and more paglets."""
    found: Series = {"create one more (ms)": [], "message (ms)": [], "list all (ms)": []}
    with mesh_of(1) as mesh:
        async with clients(mesh) as by_name:
            client = by_name["alpha"]
            target = (await create(client)).agent_id
            body = encode_message(wire_message(Message("echo", {"text": "x" * 100})))
            made: list[str] = []

            async def one_more() -> None:
                made.append((await create(client)).agent_id)

            async def message() -> None:
                await client.send(target, body)

            async def listing() -> None:
                await client.list_agents({"limit": str(_PAGE)})

            there = 1
            for count in PAGLETS[: 2 if effort.quick else None]:
                await populate(mesh, count - there)
                there = count
                creations = []
                for _ in range(effort.rounds):
                    creations.append(await timed(one_more, effort.count(40)))
                    while made:
                        await client.lifecycle(made.pop(), "dispose")
                messages = [await timed(message, effort.count(500)) for _ in range(effort.rounds)]
                lists = [await timed(listing, effort.count(20)) for _ in range(effort.rounds)]
                for name, rounds in zip(found, (creations, messages, lists), strict=True):
                    found[name].append(point(count, rounds, 1000))
                    print(
                        f"  {count} paglets, {name}: {found[name][-1].value:.2f}", file=sys.stderr
                    )
    return found


async def by_size(effort: Effort) -> Series:
    """Measure the dispatch of larger and larger states between two hosts."""
    points = []
    for size in SIZES[: 5 if effort.quick else None]:
        count = max(2, min(40, 256 * 1024**2 // size))
        with mesh_of(2, state_bytes=size + 1024**2) as mesh:
            async with clients(mesh) as by_name:
                ref = await create(by_name["alpha"])
                shuttle = moves.Shuttle(by_name, ref.agent_id)
                await shuttle.step()
                await shuttle.step()
                await moves.fill(by_name["alpha"], ref.agent_id, size)
                rounds = 1 if size >= GIB // 4 else effort.rounds
                times = [
                    await timed(shuttle.step, effort.count(count, least=2)) for _ in range(rounds)
                ]
        points.append(point(size, times, 1))
        print(f"  {size} bytes: {points[-1].value:.4f} s", file=sys.stderr)
    return {"dispatch (s)": points}


async def by_hosts(effort: Effort) -> Series:
    """Reckon what a host of larger and larger meshes sends and how often it probes."""
    found: Series = {
        "sent, idle (kbit/s)": [],
        "sent, a host dies (kbit/s)": [],
        "probes (1/s)": [],
    }
    for hosts in MESHES[: 4 if effort.quick else None]:
        sent, probes = await asyncio.to_thread(mesh_figures.load, hosts)
        news = await asyncio.to_thread(load_of_a_death, hosts)
        for name, value in zip(found, (sent, news, probes), strict=True):
            found[name].append(Point(hosts, value, value, value))
        print(f"  {hosts} hosts: {sent:.2f}, {news:.2f} kbit/s", file=sys.stderr)
    return found


def load_of_a_death(hosts: int, seconds: float = 30.0) -> float:
    """Return kbit/s of a host in the time from the kill of another until the news is old."""
    mesh = mesh_figures.mesh_of(hosts, 7)
    before = sum(host.bytes_sent for host in mesh.running)
    mesh.kill("h1")
    mesh.run(seconds)
    sent = sum(host.bytes_sent for host in mesh.running) - before
    return sent / len(mesh.running) / seconds * 8 / 1000


PARTS: dict[str, Callable[[Effort], Awaitable[Series]]] = {
    "paglets": by_paglets,
    "size": by_size,
    "hosts": by_hosts,
}


async def measure(names: Sequence[str], effort: Effort) -> dict[str, Series]:
    """Run the parts one after the other."""
    found = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        found[name] = await PARTS[name](effort)
    return found


def main() -> int:
    """Measure, and write the figures; parts that are not measured anew keep theirs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="up to 100 paglets, 64 MiB, 64 hosts")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part alone")
    parser.add_argument("--json", type=Path, default=DATA, metavar="FILE")
    options = parser.parse_args()
    saved = json.loads(options.json.read_text()) if options.json.exists() else {}
    facts = machine()
    with asyncio.Runner(loop_factory=quick_loop()) as runner:
        found = runner.run(measure(options.only or list(PARTS), Effort(quick=options.quick)))
    for name, series in found.items():
        points = {each: [asdict(point) for point in points] for each, points in series.items()}
        saved[name] = {"machine": facts, "series": points}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(saved, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
