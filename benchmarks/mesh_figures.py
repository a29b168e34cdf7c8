"""Measure the mesh in simulation and write `docs/mesh-figures.md`.

    python benchmarks/mesh_figures.py [--quick] [--out docs/mesh-figures.md]

The engine is the product's own, the network and the time are `paglets.testing.simulation`'s, so the
figures are the same on every machine and with every run.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from paglets.mesh.members import Change
from paglets.testing.network import Faults, url_of
from paglets.testing.simulation import (
    ANSWER_OVERHEAD_BYTES,
    REQUEST_OVERHEAD_BYTES,
    SimulatedHost,
    SimulatedMesh,
)

HOSTS = (3, 16, 64, 256, 1000)
SEEDS = {3: 60, 16: 60, 64: 40, 256: 40, 1000: 10}
DETECTION_TARGETS = {3: 7.0, 16: 9.0, 64: 12.0, 256: 13.0, 1000: 17.0}
SPREAD_TARGETS = {3: 2.0, 16: 2.0, 64: 2.5, 256: 2.5, 1000: 2.5}
LOAD_TARGETS = {3: 4.0, 16: 4.0, 64: 10.0, 256: 10.0, 1000: 10.0}
HEALING_TARGETS = {3: 15.0, 16: 15.0, 64: 30.0, 256: 30.0, 1000: 30.0}

Rows = list[list[str]]


def p50(values: list[float]) -> float:
    return statistics.median(values)


def p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * (len(values) - 1)))]


def cell(values: list[float], digits: int = 1) -> str:
    return f"{p50(values):.{digits}f} / {p95(values):.{digits}f}"


def verdict(value: float, target: float) -> str:
    return "yes" if value <= target + 1e-9 else "**no**"


def mesh_of(hosts: int, seed: int, faults: Faults | None = None) -> SimulatedMesh:
    mesh = SimulatedMesh(hosts, seed=seed, faults=faults)
    mesh.run(2.0 if hosts < 1000 else 1.2)
    return mesh


def until(mesh: SimulatedMesh, check: Callable[[], bool], limit: float = 90.0) -> float:
    return mesh.run_until(check, limit, step=0.1)


def until_believers(
    mesh: SimulatedMesh, host: SimulatedHost, is_enough: Callable[[int], bool]
) -> float:
    return until(mesh, lambda: is_enough(mesh.believers(host)))


def until_service_known(mesh: SimulatedMesh) -> float:
    return until(mesh, lambda: all(host.table.records.of_kind("service") for host in mesh.running))


def detection(hosts: int, seeds: int) -> tuple[list[float], list[float], list[float]]:
    suspect, first, everybody = [], [], []
    for seed in range(seeds):
        mesh = mesh_of(hosts, seed)
        victim = mesh.hosts["h1"]
        start = mesh.clock.now
        mesh.kill("h1")
        everybody.append(until_believers(mesh, victim, lambda count: count == 0))
        about = [
            (when - start, event.change)
            for host in mesh.running
            for when, event in host.events
            if event.member.name == "h1" and when >= start
        ]
        suspect.append(min(when for when, change in about if change is Change.SUSPECTED))
        first.append(min(when for when, change in about if change is Change.DIED))
    return suspect, first, everybody


def spread(hosts: int, seeds: int) -> tuple[list[float], list[float], list[float]]:
    joins, updates, leaves = [], [], []
    for seed in range(seeds):
        mesh = mesh_of(hosts, 100 + seed)
        new = mesh.start("new", seeds=[url_of("h0")])
        joins.append(until_believers(mesh, new, lambda count: count == hosts + 1))
        mesh.set_record("h1", "service", "s", b"x")
        updates.append(until_service_known(mesh))
        gone = mesh.hosts["h2"]
        mesh.leave("h2")
        leaves.append(until_believers(mesh, gone, lambda count: count <= 1))
    return joins, updates, leaves


def load(hosts: int) -> tuple[float, float]:
    mesh = mesh_of(hosts, 7)
    before = sum(host.bytes_sent for host in mesh.running)
    calls = sum(host.protocol.statistics.probes for host in mesh.running)
    seconds = 60.0 if hosts < 1000 else 20.0
    mesh.run(seconds)
    sent = sum(host.bytes_sent for host in mesh.running) - before
    probes = sum(host.protocol.statistics.probes for host in mesh.running) - calls
    return sent / hosts / seconds * 8 / 1000, probes / hosts / seconds


def losses(hosts: int, loss: float, seconds: float, seeds: int) -> tuple[int, float, float]:
    died, sent = set(), 0.0
    for seed in range(seeds):
        mesh = SimulatedMesh(hosts, seed=seed, faults=Faults(seed, loss=loss))
        mesh.run(seconds)
        for host in mesh.running:
            died |= {
                (seed, event.member.name) for _, event in host.events if event.change is Change.DIED
            }
        sent += sum(host.bytes_sent for host in mesh.running)
    hours = hosts * seconds * seeds / 3600
    return len(died), hours, sent / hosts / seconds / seeds * 8 / 1000


def healing(hosts: int, split: float, seeds: int) -> list[float]:
    took = []
    for seed in range(seeds):
        faults = Faults(seed)
        mesh = mesh_of(hosts, seed, faults)
        names = list(mesh.hosts)
        faults.partition(names[: hosts // 2], names[hosts // 2 :])
        mesh.run(split)
        faults.heal()
        took.append(until(mesh, mesh.is_agreed))
    return took


def table(head: list[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def say(text: str) -> None:
    print(f"{time.process_time():7.1f} s  {text}", file=sys.stderr, flush=True)


def detection_rows(sizes: tuple[int, ...], share: float) -> Rows:
    rows = []
    for hosts in sizes:
        seeds = max(3, int(SEEDS[hosts] * share))
        say(f"detection, {hosts} hosts, {seeds} seeds")
        suspect, first, everybody = detection(hosts, seeds)
        target = DETECTION_TARGETS[hosts]
        rows.append(
            [
                str(hosts),
                str(seeds),
                *map(cell, (suspect, first, everybody)),
                f"{target:g}",
                verdict(p95(everybody), target),
            ]
        )
    return rows


def spread_rows(sizes: tuple[int, ...], share: float) -> Rows:
    rows = []
    for hosts in sizes:
        seeds = max(3, int(SEEDS[hosts] * share / 2))
        say(f"spread, {hosts} hosts, {seeds} seeds")
        found = spread(hosts, seeds)
        target = SPREAD_TARGETS[hosts]
        worst = max(p95(values) for values in found)
        rows.append(
            [str(hosts), str(seeds), *map(cell, found), f"{target:g}", verdict(worst, target)]
        )
    return rows


def load_rows(sizes: tuple[int, ...]) -> Rows:
    rows = []
    for hosts in sizes:
        say(f"load, {hosts} hosts")
        sent, probes = load(hosts)
        target = LOAD_TARGETS[hosts]
        rows.append(
            [str(hosts), f"{sent:.2f}", f"{probes:.2f}", f"{target:g}", verdict(sent, target)]
        )
    return rows


def loss_rows(*, quick: bool) -> Rows:
    rows = []
    plan = [(8, 600.0, 10), (16, 300.0, 10), (64, 60.0, 4), (256, 30.0, 1)]
    for hosts, seconds, seeds in plan[:2] if quick else plan:
        for loss in (0.0, 0.1, 0.3):
            say(f"loss {loss:.0%}, {hosts} hosts")
            count, hours, sent = losses(hosts, loss, seconds, 2 if quick else seeds)
            rows.append([str(hosts), f"{loss:.0%}", f"{hours:.1f}", str(count), f"{sent:.0f}"])
    return rows


def healing_rows(*, quick: bool) -> Rows:
    rows = []
    plan = [
        (3, 20, 10),
        (3, 600, 10),
        (16, 20, 10),
        (16, 120, 10),
        (16, 3600, 2),
        (64, 120, 4),
        (256, 60, 2),
    ]
    for hosts, split, seeds in plan[:4] if quick else plan:
        say(f"split of {split} s, {hosts} hosts")
        took = healing(hosts, split, seeds)
        target = HEALING_TARGETS[hosts]
        rows.append(
            [
                str(hosts),
                str(split),
                str(seeds),
                cell(took),
                f"{target:g}",
                verdict(p95(took), target),
            ]
        )
    return rows


def document(*, quick: bool) -> str:
    sizes, share = (HOSTS[:3], 0.2) if quick else (HOSTS, 1.0)
    parts = [
        "# The mesh in figures",
        "Made by `benchmarks/mesh_figures.py` from the product's own protocol engine on a "
        "simulated network (1 to 5 ms a message) with the LAN preset; do not edit. Times are "
        "simulated seconds, as median / 95th percentile over the seeds. A killed host is silent: "
        "connections to it time out, which is the slower case. Bytes are those a host sends, "
        f"{REQUEST_OVERHEAD_BYTES} + {ANSWER_OVERHEAD_BYTES} of HTTP for each request and its "
        "answer included. Processing time is not simulated; on two shared cores add 0.2 to 0.5 s.",
        "## A host is killed",
        table(
            ["hosts", "seeds", "first suspects", "first knows", "all know", "target p95", "met"],
            detection_rows(sizes, share),
        ),
        "## A host joins, changes a record, leaves: until all know",
        table(
            ["hosts", "seeds", "join", "update", "leave", "target p95", "met"],
            spread_rows(sizes, share),
        ),
        "## Nothing happens",
        table(["hosts", "kbit/s per host", "probes/s per host", "target", "met"], load_rows(sizes)),
        "## Messages are lost",
        "The share is lost of requests and again of answers. Real losses are mended by TCP; this "
        "is what remains when they are not. Above 20 % nearly every probe fails somewhere and only "
        "refutation keeps hosts alive: the load shows it.",
        table(
            ["hosts", "loss", "host-hours", "live hosts declared dead", "kbit/s per host"],
            loss_rows(quick=quick),
        ),
        "## The mesh is split in halves and heals: until all tables are equal",
        table(
            ["hosts", "split (s)", "seeds", "healed after", "target p95", "met"],
            healing_rows(quick=quick),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few seeds, up to 64 hosts")
    parser.add_argument("--out", type=Path, help="file to write; default: print")
    arguments = parser.parse_args()
    text = document(quick=arguments.quick)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
